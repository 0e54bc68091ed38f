/** A swarm's description in the words of the contract. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { limitsToProto, policyToProto, type SwarmSpec, shareTermsToProto } from "#codec";
import { ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import type { CreateSwarmRequestSchema } from "#gen/bursar/v1/coordination_service_pb.js";

/** What CreateSwarm asks for, without its request_id. */
export type SwarmOrder = Omit<MessageInitShape<typeof CreateSwarmRequestSchema>, "requestId" | "$typeName">;

export function swarmOrder({
  account,
  name,
  limits,
  priority,
  strategy,
  queue,
  lowBudgetPercents,
  preemption,
  share,
}: SwarmSpec): SwarmOrder {
  const policy = policyToProto({
    ...(strategy === undefined ? {} : { strategy }),
    ...(lowBudgetPercents === undefined ? {} : { lowBudgetPercents }),
    ...(preemption === undefined ? {} : { preemption }),
    ...(queue?.lengthMax === undefined ? {} : { queueLengthMax: queue.lengthMax }),
    ...(queue?.waitMaxMs === undefined ? {} : { queueWaitMsMax: queue.waitMaxMs }),
    ...(queue?.agingStepMs === undefined ? {} : { agingStepMs: queue.agingStepMs }),
  });
  return {
    account,
    name,
    limits: limitsToProto(limits),
    priority: ExecutionPriority[priority],
    policy,
    ...shareTermsToProto(share),
  };
}
