/** PreemptRun: takes budget back from a run and streams how it stands, until it is met or the wait is over. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Amounts, isNothing } from "#budget";
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
}

export async function* preemptRun({ base }: SwarmParts, spec: PreemptRunSpec): AsyncIterable<Answer> {
  const { preemptionId, runId: allocationId, amounts, mode, reason, waitMs } = spec;
  const feed = new Feed<Answer>();
  const push = ({ reclaimed, pending, returnedTotal }: Standing, done: boolean) => {
    const shown = {
      reclaimed: amountsToProto(reclaimed),
      pending: amountsToProto(pending),
      returnedTotal: amountsToProto(returnedTotal),
    };
    feed.push({ progress: { preemptionId, allocationId, ...shown, met: isNothing(pending), done } });
    if (done) feed.end();
  };
  let latest: Standing | undefined;
  const unsubscribe = base.loop.subscribe((message) => {
    if (
      message.type !== "reclaim_progress" ||
      message.preemptionId !== preemptionId ||
      message.allocationId !== allocationId
    )
      return;
    latest = message;
    push(message, message.ended);
  });
  const cancel = base.clock.after(waitMs, () => {
    if (latest) push(latest, true);
    else feed.end();
  });
  try {
    base.loop.submit(
      { type: "reclaim", preemptionId, allocationId, epoch: undefined, amounts, mode, reason },
      (outcome) => {
        if (outcome.type === "reclaimed") {
          latest = outcome;
          push(outcome, outcome.met);
        } else if (outcome.type === "refused") {
          feed.end(errorOfRefusal(outcome.refusal, { tier: "coordination", errorId: base.ids.newId(), onOwn: false }));
        }
      },
    );
    yield* feed;
  } finally {
    unsubscribe();
    cancel();
  }
}
