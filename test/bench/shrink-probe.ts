/**
 * The process that takes the times of shrinks, from the call of PreemptRun until what was free is back. One of its own, with short pauses,
 * so that the turns and pauses of the load beside it do not count as the daemons'. Started by preempt.ts.
 */
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { connect } from "#rpc";
import { systemClock, systemIds } from "#tier";
import { serveParent } from "./forked.ts";

/** What that process is started with. */
export interface ShrinkOrder {
  /** Of the coordination daemon. */
  readonly address: string;
  readonly runId: string;
  /** Once nothing more has come for so long, what was free is back. */
  readonly quietMs: number;
  readonly waitMs: number;
}

/** What it is asked: a shrink by so much. */
export interface ShrinkAsked {
  readonly credits: number;
}

/** Milliseconds since PreemptRun was called. */
export interface ShrinkTimes {
  /** Until the first budget was back. */
  readonly firstMs: number;
  /** Until the last of what was free was back. */
  readonly lastMs: number;
}

const { address, runId, quietMs, waitMs } = JSON.parse(process.argv[2] ?? "{}") as ShrinkOrder;
const coordination = connect({ address, clock: systemClock });

async function shrink(credits: bigint): Promise<ShrinkTimes> {
  const request = { preemptionId: systemIds.newId(), runId, amounts: { credits }, reason: "bench", waitMs };
  const quiet = new AbortController();
  let cancel: (() => void) | undefined;
  const startMs = performance.now();
  let back = 0n;
  let times: ShrinkTimes | undefined;
  const answers = coordination.client(CoordinationService).preemptRun(request, { signal: quiet.signal });
  try {
    for await (const { progress } of answers) {
      const reclaimed = progress?.reclaimed?.credits ?? 0n;
      if (reclaimed <= back) continue;
      back = reclaimed;
      const nowMs = performance.now() - startMs;
      times = { firstMs: times?.firstMs ?? nowMs, lastMs: nowMs };
      cancel?.();
      cancel = systemClock.after(quietMs, () => quiet.abort());
    }
  } catch (error) {
    if (!quiet.signal.aborted) throw error;
  } finally {
    cancel?.();
  }
  if (times === undefined || back < (credits * 9n) / 10n) throw new Error(`a shrink of ${credits} brought ${back}`);
  return times;
}

serveParent(
  {},
  ({ credits }: ShrinkAsked) => shrink(BigInt(credits)),
  () => coordination.close(),
);
