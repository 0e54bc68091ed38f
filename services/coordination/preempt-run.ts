/**
 * PreemptRun: takes budget back from a run and streams how it stands, until it is met or the wait is over. The run is paused or stopped, or
 * its surplus taken, by its process daemon; what that says of the allocations below goes into the answer.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Amounts, Message } from "#budget";
import { amountsToProto, type PreemptRunSpec } from "#codec";
import type { PreemptRunResponseSchema } from "#gen/bursar/v1/coordination_service_pb.js";
import { Feed } from "#rpc";
import { errorOfRefusal } from "#tier";
import type { SwarmParts } from "./swarm-parts.ts";

type Answer = MessageInitShape<typeof PreemptRunResponseSchema>;

interface Standing {
  readonly reclaimed: Amounts;
  readonly pending: Amounts;
  readonly returnedTotal: Amounts;
  readonly met: boolean;
}

class Telling {
  readonly feed = new Feed<Answer>();
  readonly #spec: PreemptRunSpec;
  readonly #parts: SwarmParts;
  #latest: Standing | undefined;

  constructor(parts: SwarmParts, spec: PreemptRunSpec) {
    this.#parts = parts;
    this.#spec = spec;
  }

  stands(standing: Standing, done: boolean): void {
    this.#latest = standing;
    const { preemptionId, runId: allocationId } = this.#spec;
    const { met } = standing;
    const shown = {
      reclaimed: amountsToProto(standing.reclaimed),
      pending: amountsToProto(standing.pending),
      returnedTotal: amountsToProto(standing.returnedTotal),
    };
    const { waitingOn = [], victims = [] } = this.#parts.preempted.of(this.#spec) ?? {};
    const below = { waitingOn: met ? [] : [...waitingOn], victims: [...victims] };
    this.feed.push({ progress: { preemptionId, allocationId, ...shown, ...below, met, done } });
    if (done) this.feed.end();
  }

  onMessage(message: Message): void {
    const { preemptionId, runId } = this.#spec;
    if (message.type !== "reclaim_progress") return;
    if (message.preemptionId !== preemptionId || message.allocationId !== runId) return;
    this.stands({ ...message, met: message.ended }, message.ended);
  }

  /** The wait is over. */
  enough(): void {
    if (this.#latest) this.stands(this.#latest, true);
    else this.feed.end();
  }
}

export async function* preemptRun(parts: SwarmParts, spec: PreemptRunSpec): AsyncIterable<Answer> {
  const { base } = parts;
  const { preemptionId, runId: allocationId, amounts, mode, reason, graceMs, waitMs } = spec;
  const telling = new Telling(parts, spec);
  const unsubscribe = base.loop.subscribe((message) => telling.onMessage(message));
  const cancel = base.clock.after(waitMs, () => telling.enough());
  const grace = mode === "STOP" ? { graceMs } : {};
  try {
    base.loop.submit(
      { type: "reclaim", preemptionId, allocationId, epoch: undefined, amounts, mode, reason, ...grace },
      (outcome) => {
        if (outcome.type === "reclaimed") telling.stands(outcome, outcome.met);
        else if (outcome.type === "refused") {
          const context = { tier: "coordination", errorId: base.ids.newId(), onOwn: false } as const;
          telling.feed.end(errorOfRefusal(outcome.refusal, context));
        }
      },
    );
    yield* telling.feed;
  } finally {
    unsubscribe();
    cancel();
  }
}
