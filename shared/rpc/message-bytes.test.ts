import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, it } from "vitest";
import { RoutineOrderSchema } from "#gen/bursar/v1/process_service_pb.js";
import { WorkTellingSchema } from "#gen/bursar/v1/work_pb.js";
import { LIMITS } from "#std";
import { bytesAtMost, fitsIntoMessage } from "./message-bytes.ts";

it("never counts less than the encoding takes", () => {
  const text = fc.string({ unit: "binary", maxLength: 40 });
  const order = fc.record({
    number: fc.nat(),
    grant: fc.record({ allocationId: text, path: text, limits: fc.record({ maxCredits: fc.bigInt(0n, 2n ** 53n) }) }),
    routine: fc.record({ name: text, steps: fc.array(fc.record({ name: text }), { maxLength: 5 }) }),
    trace: fc.record({ traceparent: text }),
  });
  fc.assert(
    fc.property(order, (init) => {
      const message = create(RoutineOrderSchema, init);
      const encoded = toBinary(RoutineOrderSchema, message).byteLength;
      expect(bytesAtMost(message)).toBeGreaterThanOrEqual(encoded);
      expect(bytesAtMost(init)).toBeGreaterThanOrEqual(encoded);
    }),
  );
});

it("says what fits by its true size where the count alone would refuse it", () => {
  const telling = (chars: number) => ({
    number: 1,
    told: {
      case: "event" as const,
      value: { event: { case: "workerReady" as const, value: { path: "x".repeat(chars) } } },
    },
  });
  expect(bytesAtMost(telling(LIMITS.messageBytesMax / 2))).toBeGreaterThan(LIMITS.messageBytesMax);
  expect(fitsIntoMessage(WorkTellingSchema, telling(LIMITS.messageBytesMax / 2))).toBe(true);
  expect(fitsIntoMessage(WorkTellingSchema, telling(LIMITS.messageBytesMax))).toBe(false);
});
