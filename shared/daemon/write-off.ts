/** Writes off what is in doubt at this daemon: a person's decision, journaled, that a silent holder's budget counts as spent. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { amountsToProto, viewOf, type WriteOffSpec } from "#codec";
import type { Tier } from "#errors";
import type { WriteOffResponseSchema } from "#gen/bursar/v1/coordination_service_pb.js";
import { errorOfOutcome } from "#tier";
import type { DaemonBase } from "./base.ts";
import { findNode } from "./find-node.ts";

/** Requests of persons share one space of ids: what one asked twice has one effect. */
const CALLER = "write-off";

export type WrittenOff = Omit<MessageInitShape<typeof WriteOffResponseSchema>, "$typeName">;

/** Undefined when the allocation is not known here. Throws the refusal. */
export async function writeOffHere(
  { loop, ids }: DaemonBase,
  { requestId, allocation, reason }: WriteOffSpec,
  tier: Tier,
): Promise<WrittenOff | undefined> {
  const allocationId = await loop.read((state) => findNode(state, allocation)?.id);
  if (allocationId === undefined) return undefined;
  const outcome = await loop.ask({ type: "write_off", caller: CALLER, requestId, allocationId, reason });
  if (outcome.type !== "written_off") throw errorOfOutcome(outcome, { tier, errorId: ids.newId(), onOwn: true });
  const view = await loop.read((state, nowMs) => {
    const node = state.allocations.get(allocationId);
    return node && viewOf(node, { depth: 0, nowMs });
  });
  return { ...(view ? { allocation: view } : {}), writtenOff: amountsToProto(outcome.amounts) };
}
