/**
 * Passes preemptions on to the daemons that hold the budget: what one batch asks of one of them goes into one call. What comes back at
 * once is booked from the answer; the rest arrives on the grants stream. A child that cannot be reached is asked again when it says hello:
 * the same preemption id changes nothing twice.
 */
import { type BudgetState, isNothing, type Message, monusAmounts } from "#budget";
import { amountsToProto, parseAmounts } from "#codec";
import { ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import { PreemptionMode, PreemptionService, type PreemptResponse } from "#gen/bursar/v1/preemption_service_pb.js";
import { LIMITS } from "#std";
import type { Downlink } from "#tier";
import type { DaemonBase } from "./base.ts";
import type { Peers } from "./peers.ts";

type ReclaimChild = Extract<Message, { type: "reclaim_child" }>;

const MODE = { SHRINK: PreemptionMode.SHRINK, PAUSE: PreemptionMode.PAUSE, STOP: PreemptionMode.STOP } as const;

export interface PreemptChildrenParts {
  readonly base: Pick<DaemonBase, "loop" | "log" | "clock">;
  readonly downlink: Pick<Downlink, "child">;
  readonly peers: Peers;
  /** Told how a preemption stands below, as the child says it. Default: nobody is told. */
  readonly onStanding?: (standing: PreemptResponse) => void;
}

/** gRPC status. */
const NOT_FOUND = 5;

/** Bytes of one item on the wire, but for its reason: two ids and the rest. */
const ITEM_BYTES = 1_024;
/** Bytes of one character of a reason, at most. */
const CHAR_BYTES = 3;

export class PreemptChildren {
  readonly #parts: PreemptChildrenParts;
  /** What the batch that is being told asks, by holder. */
  #asking = new Map<string, ReclaimChild[]>();
  readonly #onStanding: PreemptChildrenParts["onStanding"];

  constructor(parts: PreemptChildrenParts) {
    this.#parts = parts;
    this.#onStanding = parts.onStanding;
    parts.base.loop.subscribe((message) => {
      if (message.type === "reclaim_child") this.#gather(message);
    });
  }

  #gather(message: ReclaimChild): void {
    // The messages of a batch are told in one go: behind them, and before anything else, what they ask is passed on.
    if (this.#asking.size === 0) void Promise.resolve().then(() => this.#flush());
    const gathered = this.#asking.get(message.holder);
    if (gathered) gathered.push(message);
    else this.#asking.set(message.holder, [message]);
  }

  #flush(): void {
    const asking = this.#asking;
    this.#asking = new Map();
    for (const [holder, wanted] of asking) for (const part of callsOf(wanted)) void this.#ask(holder, part);
  }

  /** Asks a child that has just said hello for everything that is still wanted from it. */
  repeat(instance: string): void {
    const { loop, log } = this.#parts.base;
    loop
      .read((state) => stillWanted(state, instance))
      .then((wanted) => Promise.all(callsOf(wanted).map((part) => this.#ask(instance, part))))
      .catch((error: unknown) =>
        log.warn({ err: error, holder: instance }, "a child is asked to give budget back at its next hello"),
      );
  }

  /** `waitMs`: how long to hear how it goes on; default: how it stands at once. */
  async #ask(holder: string, wanted: readonly ReclaimChild[], waitMs = 0): Promise<void> {
    const { downlink, peers, base } = this.#parts;
    const child = downlink.child(holder);
    if (!child) return;
    const items = wanted.map(itemOf);
    const { instance, incarnation, address } = child;
    const byName = new Map(wanted.map((item) => [nameOf(item), item]));
    // Those who ask others themselves, and do not know yet whether those have something free.
    const unsure = new Map(waitMs > 0 ? byName : []);
    try {
      for await (const answer of peers
        .at(address)
        .client(PreemptionService)
        .preempt({ instance, incarnation, items, waitMs })) {
        const asked = byName.get(nameOf(answer));
        this.#onAnswer(holder, asked, answer);
        if (asked && isUnsure(asked, answer)) unsure.set(nameOf(answer), asked);
        else unsure.delete(nameOf(answer));
        if (waitMs > 0 && unsure.size === 0) break;
      }
      if (waitMs === 0 && unsure.size > 0) await this.#ask(holder, [...unsure.values()], LIMITS.shrinkAnswerMs);
    } catch (error) {
      base.log.warn(
        { err: error, holder },
        "a child could not be asked to give budget back; it is asked again when it says hello",
      );
    }
  }

  /** It may have overtaken the handover of its grant. */
  #askLater(asked: ReclaimChild): void {
    const { loop, clock, log } = this.#parts.base;
    clock.after(LIMITS.childLookMs, () => {
      loop
        .read(({ allocations }) => {
          const node = allocations.get(asked.allocationId);
          return node?.state !== "closed" && node?.reclaims.has(asked.preemptionId) === true;
        })
        .then((isWanted) => (isWanted ? this.#ask(asked.holder, [asked]) : undefined))
        .catch((error: unknown) =>
          log.warn({ err: error, holder: asked.holder }, "a child is asked at its next hello"),
        );
    });
  }

  #onAnswer(caller: string, asked: ReclaimChild | undefined, answer: PreemptResponse): void {
    const { loop, log } = this.#parts.base;
    const { allocationId, error, returnedTotal, exhausted } = answer;
    if (error || !asked) {
      log.warn({ holder: caller, allocationId, message: error?.message }, "a child refused to give budget back");
      if (asked && error?.code === NOT_FOUND) this.#askLater(asked);
      return;
    }
    this.#onStanding?.(answer);
    const parsed = parseAmounts(returnedTotal, "returned_total");
    if (!parsed.ok || (isNothing(parsed.value) && !exhausted)) return;
    const back = { caller, allocationId, epoch: asked.epoch, returnedTotal: parsed.value } as const;
    const more = exhausted ? { exhausted: asked.preemptionId } : {};
    loop.submit({ type: "receive_return", ...back, ...more }, () => undefined);
  }
}

/** It has asked those below for what is free, and cannot say yet whether more comes. */
function isUnsure({ mode }: ReclaimChild, { error, met, exhausted, waitingOn }: PreemptResponse): boolean {
  return mode === "SHRINK" && !error && !met && !exhausted && waitingOn.length > 0;
}

function itemOf({ preemptionId, allocationId, epoch, amounts, mode, reason, ...more }: ReclaimChild) {
  const { graceMs = 0, claimantPriority } = more;
  return {
    preemptionId,
    allocationId,
    epoch: BigInt(epoch),
    amounts: amountsToProto(amounts),
    mode: MODE[mode],
    graceMs,
    reason,
    ...(claimantPriority === undefined ? {} : { claimantPriority: ExecutionPriority[claimantPriority] }),
  };
}

/** As many items to a call as surely fit. */
function callsOf(wanted: readonly ReclaimChild[]): ReclaimChild[][] {
  const reasonChars = wanted.reduce((longest, { reason }) => Math.max(longest, reason.length), 0);
  const fitting = Math.floor(LIMITS.messageBytesMax / (ITEM_BYTES + CHAR_BYTES * reasonChars));
  const itemsMax = Math.min(LIMITS.streamItemsMax, fitting);
  const calls: ReclaimChild[][] = [];
  for (let at = 0; at < wanted.length; at += itemsMax) calls.push(wanted.slice(at, at + itemsMax));
  return calls;
}

function nameOf({ preemptionId, allocationId }: Pick<ReclaimChild, "preemptionId" | "allocationId">): string {
  return `${preemptionId}\n${allocationId}`;
}

function stillWanted(state: BudgetState, instance: string): ReclaimChild[] {
  const found: ReclaimChild[] = [];
  for (const node of state.allocations.values()) {
    if (node.side !== "delegated" || node.peer !== instance || node.state === "closed") continue;
    for (const { preemptionId, mode, reason, wanted, reclaimed, graceMs } of node.reclaims.values()) {
      const { id: allocationId, epoch } = node;
      const grace = graceMs === undefined ? {} : { graceMs };
      found.push({
        type: "reclaim_child",
        holder: instance,
        allocationId,
        epoch,
        preemptionId,
        amounts: monusAmounts(wanted, reclaimed),
        mode,
        reason,
        ...grace,
      });
    }
  }
  return found;
}
