/**
 * The echo payload of the meter rows: reserves, cut to the bytes that an item of Meter takes on the average of its two ways (reserve
 * and held, settle and settled: 156 bytes there and back).
 */
import { create } from "@bufbuild/protobuf";
import { CallKind, MeterRequestSchema } from "#gen/bursar/v1/meter_service_pb.js";
import type { EchoPayload } from "./baseline-echo.ts";

const reserve = (index: number) => ({
  itemId: index,
  operation: {
    case: "reserve" as const,
    value: {
      requestId: `019342c8-0000-7000-8000-${String(index).padStart(12, "0")}`,
      allocationId: "019342c8",
      kind: CallKind.MODEL,
      name: "model",
      wanted: { credits: 40_000n },
      minAmount: { credits: 40_000n },
      ttlMs: 60_000,
    },
  },
});

const batch = (items: number) =>
  create(MeterRequestSchema, { items: Array.from({ length: items }, (_, index) => reserve(index)) });

export const payload: EchoPayload = { schema: MeterRequestSchema, one: () => batch(1), batch };
