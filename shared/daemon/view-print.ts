/** Whether a node has changed since it was shown: compared without its children, and without what changes by itself as time passes. */
import { toBinary } from "@bufbuild/protobuf";
import { type AllocationView, AllocationViewSchema, type WaitingRequest } from "#gen/bursar/v1/allocation_pb.js";

/** How far an expected wait has to move before it is told again. */
const WAIT_STEP_MS = 10_000;

/** Equal for equal nodes. */
export function printOf(node: AllocationView): string {
  const { deadlineLeftMs, leaseLeftMs, ...rest } = node;
  const view = { ...rest, children: [], waiters: node.waiters.map(timeless) };
  return Buffer.from(toBinary(AllocationViewSchema, view)).toString("base64");
}

function timeless({ conflict, ...waiter }: WaitingRequest): WaitingRequest {
  const expectedWaitMs = Math.ceil((conflict?.expectedWaitMs ?? 0) / WAIT_STEP_MS);
  const rough = conflict && { ...conflict, expectedWaitMs, retryAfterMs: 0 };
  return { ...waiter, waitedMs: 0n, place: "", reason: "", ...(rough && { conflict: rough }) };
}
