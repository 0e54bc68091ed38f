/** One who waits for room, as views of its node show it. */
import { amountsOf, conflictWords, placeWords, type Waiting } from "#budget";
import { boundedText } from "#errors";
import { AllocationKind, ExecutionPriority, type WaitingRequest } from "#gen/bursar/v1/allocation_pb.js";
import { allocationKinds, priorities } from "../enum-names.ts";
import { conflictToProto } from "./allocation.ts";
import { amountsToProto } from "./amounts.ts";

export function waitingToProto({ request, conflict, waitedMs }: Waiting): WaitingRequest {
  const { requestId, allocationId } = request;
  const opened = request.type === "open" ? request : undefined;
  return {
    $typeName: "bursar.v1.WaitingRequest",
    requestId,
    allocationId,
    name: opened?.name ?? "",
    kind: opened ? allocationKinds.numberOf[opened.kind] : AllocationKind.UNSPECIFIED,
    priority: opened ? priorities.numberOf[opened.priority] : ExecutionPriority.UNSPECIFIED,
    wanted: amountsToProto(request.type === "raise" ? request.by : amountsOf(request.limits)),
    waitedMs: BigInt(Math.max(0, Math.floor(waitedMs))),
    conflict: conflictToProto(conflict),
    place: boundedText(placeWords(conflict)),
    reason: boundedText(conflictWords(conflict)),
  };
}
