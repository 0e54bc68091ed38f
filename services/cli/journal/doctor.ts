/** `bursar doctor`: examines journals and their books while no daemon runs, and says exactly what is wrong. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BudgetState } from "#budget";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { TIERS } from "../mesh/mesh-file.ts";
import type { CommonOptions, Session } from "../session.ts";
import { bytes, count, countOf } from "../view/amounts.ts";
import { styleFor } from "../view/style.ts";
import { type Examination, examineJournal } from "./examine.ts";
import { pairFaults } from "./pairs.ts";
import { type Standing, standingOf } from "./standing.ts";

/** Examines the journals that are named, or those of the state folder. Exit code 1 when something is wrong. */
export async function doctor(paths: readonly string[], options: CommonOptions, session: Session): Promise<number> {
  const { terminal } = session;
  const examinations = journalsOf(paths, options).map(examineJournal);
  const between = pairFaults(examinations);
  const healthy = between.length === 0 && examinations.every(({ problems }) => problems.length === 0);
  if (options.json) terminal.print(JSON.stringify(reportOf(examinations, between, healthy), null, 2));
  else terminal.print(linesOf(examinations, between, styleFor(terminal.stdout)).join("\n"));
  return healthy ? EXIT.ok : EXIT.failed;
}

/** The journals that are named, or those in the state folder. */
export function journalsOf(paths: readonly string[], { state }: CommonOptions): readonly string[] {
  if (paths.length > 0) return paths;
  const known = TIERS.map((tier) => join(state, `${tier}.sqlite`)).filter((path) => existsSync(path));
  if (known.length > 0) return known;
  throw new CommandError(`there is no journal in ${state}`, {
    exitCode: EXIT.usage,
    advice: ["name the journals, or the state folder of a mesh with --state"],
  });
}

function reportOf(examinations: readonly Examination[], between: readonly string[], healthy: boolean) {
  const journals = examinations.map(({ path, facts, problems, state }) => ({
    path,
    ...(facts && {
      tier: facts.tier,
      journal_id: facts.journalId,
      format: facts.format,
      bytes: facts.bytes,
      snapshot_seq: facts.baseSeq,
      head_seq: facts.headSeq,
      events: facts.events,
    }),
    ...(state && { standing: standingOf(state) }),
    problems,
  }));
  return { healthy, journals, between };
}

type Style = ReturnType<typeof styleFor>;

function linesOf(examinations: readonly Examination[], between: readonly string[], style: Style): string[] {
  const lines = examinations.flatMap((examination) => [...journalLines(examination, style), ""]);
  if (examinations.filter(({ state }) => state).length > 1) {
    lines.push(style.strong("between them"));
    lines.push(...verdict(between, "every grant fits in both of its journals", style));
  } else lines.pop();
  return lines;
}

function journalLines({ path, facts, state, problems }: Examination, style: Style): string[] {
  const lines = [style.strong(path)];
  if (facts) {
    const { tier, journalId, format, baseSeq, headSeq, events } = facts;
    lines.push(`  tier ${tier}, journal ${journalId}, format ${format}, ${bytes(facts.bytes)}`);
    const snapshot = baseSeq === 0 ? "" : `a snapshot up to commit ${count(baseSeq)}, and after it `;
    lines.push(`  ${snapshot}${countOf(headSeq - baseSeq, "commit")} with ${countOf(events, "event")}`);
  }
  if (state) lines.push(...standingLines(state));
  return [...lines, ...verdict(problems, "the rows are whole and the books balance at every node", style)];
}

function standingLines(state: BudgetState): string[] {
  const standing: Standing = standingOf(state);
  const { nodes_open: open, nodes_closed: closed, holds_live: live, holds_lapsed: lapsed } = standing;
  const lines = [
    `  ${countOf(open, "open node")} and ${count(closed)} closed, ${countOf(live, "call")} in flight, ${count(lapsed)} lapsed`,
    `  ${countOf(standing.requests_remembered, "request")} remembered, ${countOf(standing.starts, "start")}`,
  ];
  for (const { path, limit, debt, available, reserved, unconfirmed, granted, in_doubt, spent } of standing.roots) {
    const right = { available, reserved, unconfirmed, granted, "in doubt": in_doubt, spent };
    const terms = Object.entries(right).filter(([name, amount]) => amount > 0 || name === "spent");
    const left = debt > 0 ? `${count(limit)} + ${count(debt)} debt` : count(limit);
    lines.push(`  ${path}: ${left} = ${terms.map(([name, amount]) => `${count(amount)} ${name}`).join(" + ")} credits`);
  }
  return [
    ...lines,
    ...standing.in_doubt.map(
      ({ path, holder, credits }) => `  in doubt: ${path}, ${count(credits)} credits at ${holder}`,
    ),
    ...standing.written_off.map(({ path, credits }) => `  written off: ${path}, ${count(credits)} credits`),
  ];
}

function verdict(problems: readonly string[], well: string, style: Style): string[] {
  if (problems.length === 0) return [`  ${style.good(`✔ ${well}`)}`];
  return problems.map((problem) => `  ${style.red(`✖ ${problem}`)}`);
}
