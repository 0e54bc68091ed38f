/** UpdateLimits: a person changes limits, or the strategy, of an account, swarm or run while it works, or asks for them. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { strategyInForce } from "#budget";
import { limitsToProto, strategyToProto, type UpdateLimitsSpec, viewOf } from "#codec";
import { type DaemonBase, findNode } from "#daemon";
import type { UpdateLimitsResponseSchema } from "#gen/bursar/v1/coordination_service_pb.js";
import { errorOfOutcome } from "#tier";
import { notFound } from "./find.ts";

/** Requests of persons share one space of ids: what one asked twice has one effect. */
const CALLER = "update-limits";

type Answer = Omit<MessageInitShape<typeof UpdateLimitsResponseSchema>, "$typeName">;

/** Throws the refusal. */
export async function updateLimits(
  { loop, ids }: Pick<DaemonBase, "loop" | "ids">,
  { requestId, allocation, limits, strategy }: UpdateLimitsSpec,
): Promise<Answer> {
  const allocationId = await loop.read((state) => findNode(state, allocation)?.id);
  if (allocationId === undefined) {
    throw notFound(`no account, swarm or run ${allocation} is known to coordination; see GetAccounts and GetSwarm`);
  }
  const wanted = { limits, ...(strategy !== undefined && { strategy }) };
  const outcome = await loop.ask({ type: "update_limits", caller: CALLER, requestId, allocationId, ...wanted });
  if (outcome.type !== "updated") {
    throw errorOfOutcome(outcome, { tier: "coordination", errorId: ids.newId(), onOwn: false });
  }
  const { before, after } = outcome;
  const shown = { before: limitsToProto(before), after: limitsToProto(after) };
  const changes = Object.keys(limits).length > 0 || strategy !== undefined;
  return await loop.read((state, nowMs) => {
    const node = state.allocations.get(allocationId);
    if (!node) return shown;
    const note = changes && node.kind === "account" ? accountNote(node.path) : "";
    const inForce = strategyToProto(strategyInForce(node, undefined));
    return { ...shown, ...inForce, allocation: viewOf(node, { depth: 1, nowMs }), note };
  });
}

function accountNote(path: string): string {
  const until = `until what the accounts file says of ${path} changes, which is then applied whole`;
  return `this outlasts restarts of coordination, ${until}: write there too what is to stay`;
}
