import fc from "fast-check";
import { expect, test } from "vitest";
import { AllocationKind, AllocationState } from "#gen/bursar/v1/allocation_pb.js";
import { view } from "../testing/views.ts";
import { isBalanced, isTreeBalanced, nodeOf, type ReportBooks } from "./report.ts";

const NOTHING: ReportBooks = {
  limit: 0,
  debt: 0,
  available: 0,
  reserved: 0,
  unconfirmed: 0,
  granted: 0,
  in_doubt: 0,
  spent: 0,
  overrun: 0,
};

test("a view becomes plain names and numbers", () => {
  const node = nodeOf(
    view({
      path: "global/s",
      kind: AllocationKind.SWARM,
      state: AllocationState.CLOSING,
      limit: 50,
      spent: 20,
      children: [view({ path: "global/s/r", kind: AllocationKind.RUN, limit: 10 })],
      more: { reason: "stopped by hand" },
    }),
  );
  expect(node).toMatchObject({
    kind: "swarm",
    state: "closing",
    reason: "stopped by hand",
    limits: { max_credits: 50 },
  });
  expect(node.books).toEqual({ ...NOTHING, limit: 50, available: 30, spent: 20 });
  expect(node.children[0]).toMatchObject({ id: "id:global/s/r", path: "global/s/r", kind: "run", state: "open" });
  expect(JSON.parse(JSON.stringify(node))).toEqual(node);
});

test("a reason that only repeats the outcome is left out", () => {
  expect(nodeOf(view({ path: "r", more: { outcome: "succeeded", reason: "succeeded" } })).reason).toBe("");
  expect(nodeOf(view({ path: "r", more: { outcome: "", reason: "failed" } })).reason).toBe("");
});

test("an absent limit stays absent", () => {
  expect(nodeOf(view({ path: "r", more: { limits: undefined } as never })).limits).toEqual({
    priority_bonus: 0,
    emergency_reserve: 0,
    wrap_up_reserve: 0,
  });
});

test("books balance exactly when the terms add up", () => {
  const term = fc.nat({ max: 2 ** 40 });
  fc.assert(
    fc.property(term, term, term, term, term, term, fc.integer({ min: -5, max: 5 }), (available, reserved, ...rest) => {
      const [unconfirmed, granted, inDoubt, spent, off] = rest;
      const limit = available + reserved + unconfirmed + granted + inDoubt + spent;
      const books = { ...NOTHING, limit, available, reserved, unconfirmed, granted, in_doubt: inDoubt, spent };
      expect(isBalanced(books)).toBe(true);
      expect(isBalanced({ ...books, limit: limit + off })).toBe(off === 0);
    }),
  );
});

test.each<Partial<ReportBooks>>([
  { limit: -1, available: -1 },
  { limit: 5, debt: 5, available: 10 },
  { limit: 0.5, spent: 0.5 },
  { limit: 2 ** 53, spent: 2 ** 53 },
])("books with %o do not balance", (wrong) => {
  expect(isBalanced({ ...NOTHING, ...wrong })).toBe(false);
});

test("debt balances what was spent beyond the limit", () => {
  expect(isBalanced({ ...NOTHING, limit: 10, debt: 3, spent: 13 })).toBe(true);
});

test("one node that does not balance spoils the tree", () => {
  const good = view({ path: "a/b", limit: 10, spent: 4 });
  expect(isTreeBalanced(nodeOf(view({ path: "a", children: [good] })))).toBe(true);
  const bad = view({ path: "a/b" });
  if (bad.credits !== undefined) bad.credits.spent = 1n;
  expect(isTreeBalanced(nodeOf(view({ path: "a", children: [bad] })))).toBe(false);
});
