/** Replays a request log through the mesh: a swarm with one run of worker branches, whose calls go through Meter. */
import { type ModelPrice, modelPrice, readPricesDocument } from "#codec";
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { CommandError } from "../command-error.ts";
import { readDocumentFile } from "../documents.ts";
import { EXIT } from "../exit-code.ts";
import { failureText } from "../failure-lines.ts";
import { type Mesh, withMesh } from "../mesh-client.ts";
import { checkReportFile, outputLostReport, outputReport } from "../run/report-output.ts";
import { SwarmClient } from "../run/swarm-client.ts";
import type { Session } from "../session.ts";
import { count, countOf } from "../view/amounts.ts";
import type { ReportCalls } from "../view/report.ts";
import { CallLog } from "./call-log.ts";
import type { PlaybackResult } from "./playback.ts";
import type { ReplayOptions, ReplayParts } from "./replay-options.ts";
import { replayRoutine, replaySlots } from "./replay-routine.ts";
import { playThrough, type ReplayEnd } from "./replay-run.ts";
import { surveyTrace, type TraceSummary } from "./trace-file.ts";

export async function replay(options: ReplayOptions, session: Session): Promise<number> {
  checkReportFile(options.report);
  const price = await priceOf(options);
  const survey = await surveyTrace(options.trace, price);
  const log = new CallLog(options.log);
  try {
    return await withMesh(session, options, (mesh) => replayThrough({ mesh, session, options, price, survey, log }));
  } finally {
    log.close();
  }
}

async function priceOf({ prices, model }: ReplayOptions): Promise<ModelPrice> {
  const price = modelPrice(await readDocumentFile(prices, readPricesDocument), model);
  if (price !== undefined) return price;
  throw new CommandError(`${prices} has no price for the model ${model}, nor a default one`, {
    exitCode: EXIT.usage,
    advice: [`add it under models:, or name another with --model`],
  });
}

async function replayThrough(parts: ReplayParts): Promise<number> {
  const { mesh, session, options, survey } = parts;
  const { terminal, clock, telemetry } = session;
  const { branches, account, json } = options;
  const credits = options.limit ?? (await creditsFor(survey, mesh, account));
  const span = telemetry.startSpan({
    name: "bursar.replay",
    kind: "client",
    attributes: { "bursar.calls": survey.calls },
  });
  try {
    const limits = { maxCredits: BigInt(credits), maxConcurrentBranches: BigInt(replaySlots(branches) + 1) };
    const client = await SwarmClient.open({ account, name: "replay", limits }, { mesh, session, trace: span.context });
    terminal.note(
      `replaying ${countOf(survey.calls, "call")} over ${countOf(branches, "branch", "branches")} with ${countOf(credits, "credit")}`,
    );
    const startMs = clock.monotonicMs();
    const progress = client.progress({ json });
    const end = await playThrough({
      ...parts,
      client,
      routine: replayRoutine({ credits, branches }),
      tell: progress.take,
    });
    terminal.status(undefined);
    terminal.note(summaryLine(end.result, clock.monotonicMs() - startMs));
    return await conclude(parts, client, end);
  } finally {
    span.end();
  }
}

/** What the log may cost at worst, or what the account has, whichever is less. */
async function creditsFor({ worstCredits }: TraceSummary, mesh: Mesh, path: string): Promise<number> {
  const { accounts } = await mesh.coordination.getAccounts({});
  const books = findAccount(accounts, path)?.credits;
  // An account that is not known is coordination's to refuse.
  if (books === undefined || books.unlimited) return worstCredits;
  return Math.min(worstCredits, Number(books.available));
}

function findAccount(accounts: readonly AllocationView[], path: string): AllocationView | undefined {
  for (const account of accounts) {
    const found =
      account.path === path || account.allocationId === path ? account : findAccount(account.children, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

function summaryLine(
  { made, settled, refused, settledCredits, overrunCredits }: PlaybackResult,
  elapsedMs: number,
): string {
  const rate = elapsedMs === 0 ? "" : `, ${count(Math.round((settled * 1_000) / elapsedMs))} a second`;
  const beyond = overrunCredits === 0 ? "" : `, ${countOf(overrunCredits, "credit")} beyond what was reserved`;
  const calls = `${countOf(made, "call")} made, ${count(settled)} settled, ${count(refused)} refused`;
  return `acknowledged: ${calls} for ${countOf(settledCredits, "credit")}${beyond}, in ${(elapsedMs / 1_000).toFixed(1)} s${rate}`;
}

async function conclude(
  parts: ReplayParts,
  client: SwarmClient,
  { result, outcome, failure, lost }: ReplayEnd,
): Promise<number> {
  const { session, options } = parts;
  const { terminal, interrupts, calledAs } = session;
  const { made, settled, refused, stopped_at_line } = result;
  const calls: ReportCalls = { made, settled, refused, stopped_at_line };
  const { allocationId, path } = client.swarm;
  if (failure !== undefined) terminal.note(`the replay broke off: ${failureText(failure)}`);
  if (lost)
    terminal.note(
      `${path} is left as it is. Look: ${calledAs} get ${allocationId}; end it: ${calledAs} stop ${allocationId}`,
    );
  const reporting = lost ? client.reportWhenBack(outcome, calls) : client.report(outcome, calls);
  const report = await reporting.catch((cause: unknown) => {
    outputLostReport({ swarm: client.swarm, calls }, terminal, options);
    throw failure ?? cause;
  });
  outputReport(report, terminal, options);
  if (!lost && !options.keep) await client.stop("done");
  if (failure !== undefined) throw failure;
  if (interrupts.first.aborted) return EXIT.interrupted;
  return report.balanced && outcome !== "failed" ? EXIT.ok : EXIT.failed;
}
