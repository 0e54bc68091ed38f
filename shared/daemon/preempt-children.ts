/**
 * Passes preemptions on to the daemons that hold the budget. What comes back at once is booked from the answer; the rest arrives on the
 * grants stream. A child that cannot be reached is asked again when it says hello: the same preemption id changes nothing twice.
 */
import { type BudgetState, isNothing, type Message, monusAmounts } from "#budget";
import { amountsToProto, parseAmounts } from "#codec";
import { PreemptionMode, PreemptionService, type PreemptResponse } from "#gen/bursar/v1/preemption_service_pb.js";

import type { Downlink } from "#tier";
import type { DaemonBase } from "./base.ts";
import type { Peers } from "./peers.ts";

type ReclaimChild = Extract<Message, { type: "reclaim_child" }>;

const MODE = { SHRINK: PreemptionMode.SHRINK, PAUSE: PreemptionMode.PAUSE, STOP: PreemptionMode.STOP } as const;

export interface PreemptChildrenParts {
  readonly base: DaemonBase;
  readonly downlink: Downlink;
  readonly peers: Peers;
}

export class PreemptChildren {
  readonly #parts: PreemptChildrenParts;

  constructor(parts: PreemptChildrenParts) {
    this.#parts = parts;
    parts.base.loop.subscribe((message) => {
      if (message.type === "reclaim_child") void this.#ask(message.holder, [message]);
    });
  }

  /** Asks a child that has just said hello for everything that is still wanted from it. */
  repeat(instance: string): void {
    const { loop, log } = this.#parts.base;
    loop
      .read((state) => stillWanted(state, instance))
      .then((wanted) => (wanted.length > 0 ? this.#ask(instance, wanted) : undefined))
      .catch((error: unknown) =>
        log.warn({ err: error, holder: instance }, "a child is asked to give budget back at its next hello"),
      );
  }

  async #ask(holder: string, wanted: readonly ReclaimChild[]): Promise<void> {
    const { downlink, peers, base } = this.#parts;
    const child = downlink.child(holder);
    if (!child) return;
    const items = wanted.map(({ preemptionId, allocationId, epoch, amounts, mode, reason }) => ({
      preemptionId,
      allocationId,
      epoch: BigInt(epoch),
      amounts: amountsToProto(amounts),
      mode: MODE[mode],
      reason,
    }));
    const { instance, incarnation, address } = child;
    try {
      for await (const answer of peers
        .at(address)
        .client(PreemptionService)
        .preempt({ instance, incarnation, items })) {
        this.#onAnswer(holder, wanted, answer);
      }
    } catch (error) {
      base.log.warn(
        { err: error, holder },
        "a child could not be asked to give budget back; it is asked again when it says hello",
      );
    }
  }

  #onAnswer(caller: string, wanted: readonly ReclaimChild[], answer: PreemptResponse): void {
    const { loop, log } = this.#parts.base;
    const { allocationId, error, returnedTotal } = answer;
    const asked = wanted.find((item) => item.preemptionId === answer.preemptionId);
    if (error || !asked) {
      log.warn({ holder: caller, allocationId, message: error?.message }, "a child refused to give budget back");
      return;
    }
    const parsed = parseAmounts(returnedTotal, "returned_total");
    if (!parsed.ok || isNothing(parsed.value)) return;
    loop.submit(
      { type: "receive_return", caller, allocationId, epoch: asked.epoch, returnedTotal: parsed.value },
      () => undefined,
    );
  }
}

function stillWanted(state: BudgetState, instance: string): ReclaimChild[] {
  const found: ReclaimChild[] = [];
  for (const node of state.allocations.values()) {
    if (node.side !== "delegated" || node.peer !== instance || node.state === "closed") continue;
    for (const { preemptionId, mode, reason, wanted, reclaimed } of node.reclaims.values()) {
      const { id: allocationId, epoch } = node;
      found.push({
        type: "reclaim_child",
        holder: instance,
        allocationId,
        epoch,
        preemptionId,
        amounts: monusAmounts(wanted, reclaimed),
        mode,
        reason,
      });
    }
  }
  return found;
}
