/**
 * Hands a grant and its work to a daemon of the tier below and follows it over lost streams: the same grant again joins the same work,
 * and events are told apart by their sequence. Done when the allocation is closed here, so that what is told afterwards is final.
 */
import { NO_USAGE } from "#budget";
import { FaultError, RefusalError } from "#errors";
import type { GrantHandover } from "#ports";
import { backoffMs, LIMITS } from "#std";
import type { ChildDaemon } from "#tier";
import type { DaemonBase } from "./base.ts";
import type { Closings } from "./closings.ts";
import { pause } from "./pause.ts";

export interface DelegateOptions<E> {
  readonly base: DaemonBase;
  readonly closings: Closings;
  readonly grant: Pick<GrantHandover, "allocationId" | "epoch">;
  readonly child: ChildDaemon;
  /** Opens the stream; called again after each loss. */
  readonly open: (signal: AbortSignal) => AsyncIterable<E>;
  readonly sequenceOf: (event: E) => number;
  readonly onEvent: (event: E) => void;
  readonly isLast: (event: E) => boolean;
}

/**
 * Resolves when the allocation is closed, with or without a last event. Rejects with the refusal when the work was never taken; then
 * the whole budget is back.
 */
export async function delegateWork<E>(options: DelegateOptions<E>): Promise<void> {
  const { base, closings, grant, child } = options;
  const { allocationId, epoch } = grant;
  const over = new AbortController();
  const closed = closings.of(allocationId);
  void closed.then(() => base.clock.after(LIMITS.lastEventWaitMs, () => over.abort()));
  try {
    await follow(options, over.signal);
  } catch (error) {
    // Refused before it began: nothing of it can be spent.
    const account = { sequence: 0, usage: NO_USAGE, final: true, leaseEndsAtMs: 0 } as const;
    await base.loop.ask({ type: "report_usage", caller: child.instance, allocationId, epoch, ...account });
    throw error;
  }
  await closed;
}

async function follow<E>(options: DelegateOptions<E>, signal: AbortSignal): Promise<void> {
  let seen = 0;
  let attempt = 0;
  while (!signal.aborted) {
    try {
      for await (const event of options.open(signal)) {
        const sequence = options.sequenceOf(event);
        if (sequence <= seen) continue;
        seen = sequence;
        attempt = 0;
        options.onEvent(event);
        if (options.isLast(event)) return;
      }
    } catch (error) {
      // Only the first refusal proves that the work was never taken: a later one may come from another life of the daemon.
      if (attempt === 0 && seen === 0 && isFinal(error)) throw error;
    }
    if (!signal.aborted) await redialPause(options.base, attempt++, signal);
  }
}

/** The other side has read the request and will not do it. */
function isFinal(error: unknown): boolean {
  if (error instanceof RefusalError) return error.refusal.reason !== "QUEUE_FULL";
  return error instanceof FaultError;
}

function redialPause({ clock, ids }: DaemonBase, attempt: number, signal: AbortSignal): Promise<void> {
  const { redialDelayFirstMs: baseMs, redialDelayMaxMs: maxMs } = LIMITS;
  const delayMs = backoffMs({ attempt: Math.min(attempt, 16), baseMs, maxMs, random: ids.fraction() });
  return pause(clock, delayMs, signal);
}
