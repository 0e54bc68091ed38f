/** What is known of a subject and what was decided about it, like a transcript: how it stands, then when, who asked what, and the answer. */
import { ConflictStrategy } from "#gen/bursar/v1/allocation_pb.js";
import { type DaemonKnowledge, type Decision, DecisionKind, ShadowOutcome } from "#gen/bursar/v1/watch_service_pb.js";
import { count, countOf } from "./amounts.ts";
import { plainLine } from "./plain-text.ts";
import type { Style } from "./style.ts";

const VERDICTS: Readonly<Record<DecisionKind, string>> = {
  [DecisionKind.UNSPECIFIED]: "decided",
  [DecisionKind.GRANTED]: "granted",
  [DecisionKind.GRANTED_IN_PART]: "granted in part",
  [DecisionKind.QUEUED]: "queued",
  [DecisionKind.REFUSED]: "refused",
  [DecisionKind.PREEMPTED]: "preempted",
  [DecisionKind.LIMITS_CHANGED]: "limits changed",
  [DecisionKind.CLOSING]: "closing",
  [DecisionKind.CLOSED]: "closed",
  [DecisionKind.IN_DOUBT]: "in doubt",
  [DecisionKind.WRITTEN_OFF]: "written off",
  [DecisionKind.RESUMED]: "goes on",
  [DecisionKind.TOPPED_UP]: "topped up",
  [DecisionKind.RESERVED]: "reserved",
  [DecisionKind.RESERVATION_ENDED]: "reservation",
};

export function isKnown({ standing, decisions, failure }: DaemonKnowledge): boolean {
  return failure === "" && (standing.length > 0 || decisions.length > 0);
}

/** The present standing first, then the decisions of all daemons in the order of their wall clocks. */
export function whyLines(wanted: string, daemons: readonly DaemonKnowledge[], style: Style): string[] {
  const [{ path, allocationId } = { path: "", allocationId: "" }] = daemons.filter((known) => known.path !== "");
  const title =
    path === "" ? style.strong(plainLine(wanted)) : `${style.strong(plainLine(path))}  ${plainLine(allocationId)}`;
  const decisions = daemons.flatMap((known) => known.decisions);
  decisions.sort((a, b) => Number(a.wallTimeMs - b.wallTimeMs));
  return [
    title,
    "",
    style.quiet("now"),
    ...nowLines(daemons),
    "",
    style.quiet("decisions"),
    ...(decisions.length === 0 ? ["  none is remembered"] : decisions.flatMap((one) => decisionLines(one, style))),
    ...forgottenLines(daemons).map((line) => style.quiet(line)),
  ];
}

function nowLines(daemons: readonly DaemonKnowledge[]): string[] {
  const lines = daemons.flatMap(({ tier, instance, standing, failure }) => [
    ...standing.map((line) => `  ${tier}: ${plainLine(line)}`),
    ...(failure === "" ? [] : [`  ${tier}: ${plainLine(instance)} was asked too: ${plainLine(failure)}`]),
  ]);
  return lines.length > 0 ? lines : ["  it is not there: it neither holds budget nor waits for any"];
}

/** When and where, what was asked by whom, and what was decided and why. */
export function decisionLines(decision: Decision, style: Style): string[] {
  const { wallTimeMs, tier, kind, asked, reason, shadow } = decision;
  const verdict = VERDICTS[kind] ?? VERDICTS[DecisionKind.UNSPECIFIED];
  const about = subjectText(decision);
  const question = asked === "" ? about : `${about} asked for ${plainLine(asked)}`;
  return [
    `  ${style.quiet(clockTime(wallTimeMs))}  ${tier}: ${question}`,
    `      ${answerText(plainLine(reason), verdict, paintOf(kind, style))}`,
    ...(shadow ? [`      ${style.quiet(plainLine(shadow.words))}`] : []),
  ];
}

/** Most reasons begin with what was decided; those of conflicts do not. */
function answerText(reason: string, verdict: string, paint: (text: string) => string): string {
  return reason.startsWith(verdict)
    ? `${paint(verdict)}${reason.slice(verdict.length)}`
    : `${paint(verdict)}: ${reason}`;
}

function subjectText({ path, allocationId, requestId }: Decision): string {
  const name = path === "" ? allocationId : path;
  if (name === "") return `request ${plainLine(requestId)}`;
  return requestId === "" ? plainLine(name) : `${plainLine(name)} (request ${plainLine(requestId)})`;
}

const GOOD: ReadonlySet<DecisionKind> = new Set([
  DecisionKind.GRANTED,
  DecisionKind.RESUMED,
  DecisionKind.TOPPED_UP,
  DecisionKind.RESERVED,
]);

function paintOf(kind: DecisionKind, style: Style): (text: string) => string {
  if (GOOD.has(kind)) return style.good;
  return kind === DecisionKind.REFUSED || kind === DecisionKind.IN_DOUBT ? style.red : style.warn;
}

/** Date and time of the daemon's wall clock, in UTC, as it does not depend on who reads it. */
function clockTime(wallMs: bigint): string {
  return new Date(Number(wallMs)).toISOString().replace("T", " ").replace("Z", "");
}

function forgottenLines(daemons: readonly DaemonKnowledge[]): string[] {
  return daemons
    .filter(({ decisionsForgotten }) => decisionsForgotten > 0n)
    .map(({ tier, instance, decisionsForgotten }) => {
      return `  ${tier} ${plainLine(instance)} has forgotten ${countOf(Number(decisionsForgotten), "older decision")}`;
    });
}

/** Who was asked, and how far back each remembers. */
export function lookedAtLines(daemons: readonly DaemonKnowledge[]): string[] {
  return daemons.map(({ tier, instance, failure, decisionsNoted, decisionsForgotten, startedWallTimeMs }) => {
    const who = `asked ${tier} ${instance}`;
    if (failure !== "") return `${who}: ${failure}`;
    const forgotten = decisionsForgotten > 0n ? `, ${count(Number(decisionsForgotten))} of them forgotten` : "";
    const made = countOf(Number(decisionsNoted), "decision");
    return `${who}: up since ${clockTime(startedWallTimeMs)} UTC, ${made} since then${forgotten}`;
  });
}

/** For --json. */
export function whyReport(subject: string, daemons: readonly DaemonKnowledge[]) {
  return {
    subject,
    daemons: daemons.map((known) => ({
      tier: known.tier,
      instance: known.instance,
      failure: known.failure,
      allocation_id: known.allocationId,
      path: known.path,
      standing: known.standing,
      decisions: known.decisions.map(decisionReport),
      decisions_noted: Number(known.decisionsNoted),
      decisions_forgotten: Number(known.decisionsForgotten),
      started_wall_time_ms: Number(known.startedWallTimeMs),
    })),
  };
}

/** For --json. */
export function decisionReport(decision: Decision) {
  const { conflict, shadow } = decision;
  return {
    wall_time_ms: Number(decision.wallTimeMs),
    tier: decision.tier,
    instance: decision.instance,
    decided: DecisionKind[decision.kind] ?? "UNSPECIFIED",
    reason: decision.reason,
    asked: decision.asked,
    request_id: decision.requestId,
    allocation_id: decision.allocationId,
    path: decision.path,
    parent_id: decision.parentId,
    parent_path: decision.parentPath,
    waited_ms: Number(decision.waitedMs),
    ...(conflict && {
      conflict: {
        resource: conflict.resource,
        ancestor_id: conflict.ancestorId,
        ancestor_path: conflict.ancestorPath,
        wanted: Number(conflict.wanted),
        available: Number(conflict.available),
        debt: Number(conflict.debt),
        holders: conflict.holders.map(({ id, path, amount }) => ({ id, path, amount: Number(amount) })),
        never: conflict.never,
        retry_after_ms: conflict.retryAfterMs,
        position: conflict.position,
        expected_wait_ms: conflict.expectedWaitMs,
        ...(conflict.access && { name: conflict.access.name, exclusive: conflict.access.exclusive }),
      },
    }),
    ...(shadow && {
      shadow: {
        words: shadow.words,
        strategy: ConflictStrategy[shadow.strategy] ?? "UNSPECIFIED",
        was: ShadowOutcome[shadow.was] ?? "UNSPECIFIED",
        would: ShadowOutcome[shadow.would] ?? "UNSPECIFIED",
        agrees: shadow.agrees,
      },
    }),
  };
}
