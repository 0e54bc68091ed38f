/**
 * Hands a grant and its work to a daemon of the tier below and follows it over lost streams and over restarts of that daemon: it is looked
 * up again each time, and waited for while it is away. The grant is handed over to one life of it only, for what a later one does not
 * name in its hello has gone back; with every other the known work is joined, and events are told apart by their sequence. Done when the
 * allocation is closed here, so that what is told afterwards is final.
 */
import { NO_USAGE } from "#budget";
import { FaultError, RefusalError, type RefusalReason } from "#errors";
import type { GrantHandover } from "#ports";
import type { Feed } from "#rpc";
import { backoffMs, LIMITS } from "#std";
import type { ChildDaemon, Downlink } from "#tier";
import type { DaemonBase } from "./base.ts";
import type { Closings } from "./closings.ts";
import { pause } from "./pause.ts";

export interface DelegateOptions<E> {
  readonly base: Pick<DaemonBase, "loop" | "clock" | "ids">;
  readonly closings: Closings;
  readonly downlink: Pick<Downlink, "child">;
  readonly grant: Pick<GrantHandover, "allocationId" | "epoch">;
  /** The instance that holds the grant. */
  readonly holder: string;
  /** The grant was made just now, in this very turn, and is to be handed over; else it was in an earlier life of this daemon. */
  readonly handsOver: boolean;
  /** After the close: how long the last event may take to come. Default LIMITS.lastEventWaitMs. */
  readonly lastEventWaitMs?: number;
  /** Opens the stream at the holder as it is now: to hand over, or only to join. */
  readonly open: (child: ChildDaemon, how: "hand_over" | "join", signal: AbortSignal) => Feed<E>;
  readonly sequenceOf: (event: E) => number;
  readonly onEvent: (event: E) => void;
  readonly isLast: (event: E) => boolean;
}

/** `told`: the last event came. `unknown`: the holder knows nothing of it. `silent`: closed here, and the holder did not say how it ended. */
export type DelegateEnd = "told" | "unknown" | "silent";

/** Not taken, and the same handover may be taken later: wait for a welcome, for room, or for the hello of the life that is there now. */
const NOT_NOW: ReadonlySet<RefusalReason> = new Set(["NOT_WELCOMED", "QUEUE_FULL", "STATE_FORBIDS"]);

/**
 * Resolves when the allocation is closed. Rejects with the refusal when the work was never taken; then the whole budget is back. Rejects
 * with a failure of the work's telling when the allocation is closed and its holder has said nothing else.
 */
export async function delegateWork<E>(options: DelegateOptions<E>): Promise<DelegateEnd> {
  const { base, closings, grant, lastEventWaitMs = LIMITS.lastEventWaitMs } = options;
  const { allocationId } = grant;
  const over = new AbortController();
  const closed = closings.of(allocationId);
  let cancelWait: (() => void) | undefined;
  let isOver = false;
  void closed.then(() => {
    if (!isOver) cancelWait = base.clock.after(lastEventWaitMs, () => over.abort());
  });
  try {
    const end = await new Following(options, over.signal).follow().finally(() => {
      isOver = true;
      cancelWait?.();
    });
    if (end === "unknown") await neverTaken(options);
    await closed;
    return end;
  } catch (error) {
    await neverTaken(options);
    throw error;
  }
}

/** Refused before it began, or missing from its holder's journal: nothing of it can have been spent, or can be. */
async function neverTaken<E>({ base, grant, holder: caller }: DelegateOptions<E>): Promise<void> {
  if (!(await isOpen(base, grant))) return;
  const { allocationId, epoch } = grant;
  const account = { sequence: 0, usage: NO_USAGE, final: true } as const;
  await base.loop.ask({ type: "report_usage", caller, allocationId, epoch, ...account });
}

/** Not closed, by the books as they stand now. */
function isOpen(
  { loop }: Pick<DaemonBase, "loop">,
  { allocationId }: { readonly allocationId: string },
): Promise<boolean> {
  return loop.read((state) => {
    const node = state.allocations.get(allocationId);
    return node !== undefined && node.state !== "closed";
  });
}

class Following<E> {
  readonly #options: DelegateOptions<E>;
  readonly #signal: AbortSignal;
  /** The life of the holder that may take the grant. */
  #life: string | undefined;
  #seen = 0;
  #attempt = 0;
  /** A handover may have been taken though nothing was heard of it. */
  #unsure = false;
  /** Why nothing more was told of what had begun. */
  #failure: Error | undefined;

  constructor(options: DelegateOptions<E>, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    // Its hello was answered before the grant was made, and so cannot have sent it back.
    if (options.handsOver) this.#life = options.downlink.child(options.holder)?.incarnation;
  }

  async follow(): Promise<DelegateEnd> {
    const { downlink, holder } = this.#options;
    while (!this.#signal.aborted) {
      const child = downlink.child(holder);
      if (child) {
        await this.#choose(child);
        // What was heard of is known there.
        const how = child.incarnation === this.#life && this.#seen === 0 ? "hand_over" : "join";
        const end = await this.#listen(child, how);
        if (end) return end;
      }
      if (!this.#signal.aborted) await this.#pause();
    }
    // It is closed by now: this gives nothing back.
    if (this.#failure) throw this.#failure;
    return "silent";
  }

  /** Nobody was there when the grant was made: the first life that is there takes it, unless its hello has sent it back. */
  async #choose({ incarnation }: ChildDaemon): Promise<void> {
    const { base, grant, handsOver } = this.#options;
    if (handsOver && this.#life === undefined && (await isOpen(base, grant))) this.#life = incarnation;
  }

  /** Follows one stream to its end; answers how the work ended when that is settled by it. Throws a refusal for good. */
  async #listen(child: ChildDaemon, how: "hand_over" | "join"): Promise<DelegateEnd | undefined> {
    try {
      const events = this.#options.open(child, how, this.#signal);
      for await (const first of events) {
        // What came together is passed on together.
        for (const event of [first, ...events.takeAll()]) if (this.#hear(event)) return "told";
      }
      this.#unsure = true;
    } catch (error) {
      const reason = error instanceof RefusalError ? error.refusal.reason : undefined;
      if (how === "join") return reason === "NOT_FOUND" ? "unknown" : undefined;
      if (reason !== undefined && NOT_NOW.has(reason)) return undefined;
      const speaksOfWork = reason !== undefined || error instanceof FaultError;
      // Only a refusal before anything else proves that the work was never taken: a later one may come from a daemon that is ending, and
      // what was heard of goes on though it cannot be told any longer.
      if (!this.#unsure && this.#seen === 0 && speaksOfWork) throw error;
      if (this.#seen > 0 && error instanceof Error && speaksOfWork) this.#failure ??= error;
      this.#unsure = true;
    }
    return undefined;
  }

  /** Passes on what was not heard before; answers whether it was the last. */
  #hear(event: E): boolean {
    const { sequenceOf, onEvent, isLast } = this.#options;
    const sequence = sequenceOf(event);
    if (sequence <= this.#seen) return false;
    this.#seen = sequence;
    this.#attempt = 0;
    onEvent(event);
    return isLast(event);
  }

  #pause(): Promise<void> {
    const { clock, ids } = this.#options.base;
    const { redialDelayFirstMs: baseMs, redialDelayMaxMs: maxMs } = LIMITS;
    const delayMs = backoffMs({ attempt: Math.min(this.#attempt, 16), baseMs, maxMs, random: ids.fraction() });
    this.#attempt += 1;
    return pause(clock, delayMs, this.#signal);
  }
}
