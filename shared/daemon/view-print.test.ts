import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AllocationViewSchema, WaitingRequestSchema } from "#gen/bursar/v1/allocation_pb.js";
import { printOf } from "./view-print.ts";

type Waiter = { readonly waitedMs: bigint; readonly position: number; readonly expectedWaitMs: number };

function print(view: MessageInitShape<typeof AllocationViewSchema>, { waitedMs, ...conflict }: Waiter): string {
  const words = { place: `place, at ${waitedMs}`, reason: `why, at ${waitedMs}` };
  const waiter = create(WaitingRequestSchema, { name: "third", waitedMs, conflict, ...words });
  return printOf(create(AllocationViewSchema, { name: "s", ...view, waiters: [waiter] }));
}

const first = { deadlineLeftMs: 9_000n, leaseLeftMs: 8_000n };
const waits = { waitedMs: 10n, position: 2, expectedWaitMs: 29_000 };

test("a node is as it was when only time has passed", () => {
  const later = { deadlineLeftMs: 5_000n, leaseLeftMs: 15_000n, children: [create(AllocationViewSchema)] };
  expect(print(later, { ...waits, waitedMs: 4_010n, expectedWaitMs: 25_000 })).toBe(print(first, waits));
});

test("it has changed when something of it, a place in its queue, or the expected wait by much is another", () => {
  expect(print({ ...first, waiting: 3 }, waits)).not.toBe(print(first, waits));
  expect(print(first, { ...waits, position: 1 })).not.toBe(print(first, waits));
  expect(print(first, { ...waits, expectedWaitMs: 9_000 })).not.toBe(print(first, waits));
});
