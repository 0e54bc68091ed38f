/**
 * The echo payload of the grants rows: grant requests, with as many bytes as a request and its decision take on the average (269 bytes
 * there and back).
 */
import { create } from "@bufbuild/protobuf";
import { ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import { StreamGrantsRequestSchema } from "#gen/bursar/v1/budget_service_pb.js";
import type { EchoPayload } from "./baseline-echo.ts";

const request = (index: number) => ({
  requestId: `019342c8-0000-7000-8000-${String(index).padStart(12, "0")}`,
  parentAllocationId: "019342c8-7c31-7000-8000-0000000000a1",
  allocationId: `019342c8-7c31-7000-8000-${String(index).padStart(12, "0")}`,
  name: `step-${index}`,
  limits: { maxCredits: 1_000n, maxToolCalls: 10n },
  priority: ExecutionPriority.NORMAL,
  weight: 1,
});

const batch = (items: number) =>
  create(StreamGrantsRequestSchema, { requests: Array.from({ length: items }, (_, index) => request(index)) });

export const payload: EchoPayload = { schema: StreamGrantsRequestSchema, one: () => batch(1), batch };
