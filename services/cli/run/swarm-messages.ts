/** A swarm's description in the words of the contract. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  limitsToProto,
  namedStrategyToProto,
  policyOfSpec,
  policyToProto,
  type SwarmSpec,
  shareTermsToProto,
} from "#codec";
import { ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import type { CreateSwarmRequestSchema } from "#gen/bursar/v1/coordination_service_pb.js";

/** What CreateSwarm asks for, without its request_id. */
export type SwarmOrder = Omit<MessageInitShape<typeof CreateSwarmRequestSchema>, "requestId" | "$typeName">;

export function swarmOrder(spec: SwarmSpec): SwarmOrder {
  const { account, name, limits, priority, share, requestStrategy } = spec;
  return {
    account,
    name,
    limits: limitsToProto(limits),
    priority: ExecutionPriority[priority],
    policy: policyToProto(policyOfSpec(spec)),
    ...shareTermsToProto(share),
    requestStrategy: namedStrategyToProto(requestStrategy),
  };
}
