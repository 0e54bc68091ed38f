/** The books of a node, and what goes up and down the tree through them. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { conflictOf, limits, refusalOf, Scenario, usage } from "./scenario.test-support.ts";

const MAX = LIMITS.amountMax;

describe("the books of a node", () => {
  test("limit + debt = available + reserved + unconfirmed + granted + in_doubt + spent, with every term in use", () => {
    const s = new Scenario();
    const account = s.account({ credits: 1_000 });
    s.open(account, { limits: { credits: 200 } });
    const silent = s.open(account, { limits: { credits: 100 }, holder: "holder", leaseTtlMs: 1_000 });
    s.settle(s.reserve(account, { wanted: { credits: 70 } }), { credits: 40 });
    s.reserve(account, { wanted: { credits: 30 }, ttlMs: 10 });
    s.reserve(account, { wanted: { credits: 50 } });
    s.report(silent, 1, usage({ credits: 15 }));
    s.wait(1_000 + LIMITS.leaseMarginMs);
    // The silent child counts as granted with the 15 it reported; the other 85 are in doubt.
    const terms = { available: 580, reserved: 50, unconfirmed: 30, granted: 215, inDoubt: 85, spent: 40 };
    expect(s.credits(account)).toEqual({ limit: 1_000, ...terms, usage: 55 });
  });

  test("granted is, for each open child, the larger of its limit and its reported usage", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 40 }, holder: "holder" });
    s.report(run, 1, usage({ credits: 10 }));
    expect(s.credits(account)).toMatchObject({ granted: 40, available: 60, usage: 10 });
    s.report(run, 2, usage({ credits: 55, overrunCredits: 15 }));
    expect(s.credits(account)).toEqual({ limit: 100, granted: 55, available: 45, usage: 55, overrun: 15 });
    expect(s.credits(run)).toEqual({ limit: 40, debt: 15, spent: 55, usage: 55, overrun: 15 });
  });

  test("what a child did not spend comes back when it closes", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100, toolCalls: 9 });
    const run = s.open(account, { limits: { credits: 60, toolCalls: 5 } });
    const step = s.open(run, { limits: { credits: 50, toolCalls: 4 } });
    s.settle(s.reserve(step, { wanted: { credits: 50, toolCalls: 1 } }), { credits: 7, toolCalls: 1 });
    s.close(run);
    expect(s.credits(account)).toEqual({ limit: 100, available: 93, spent: 7, usage: 7 });
    expect(s.node(account).books.toolCalls).toMatchObject({ available: 8, spent: 1, granted: 0 });
  });

  test("each resource has its books: a shortage of one leaves the other alone", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100, toolCalls: 1 });
    const refused = s.grant(s.openWish(account, { limits: { credits: 10, toolCalls: 2 } }));
    expect(conflictOf(refused)).toMatchObject({ conflict: "TOOL_LIMIT_REACHED", wanted: 2, available: 1, never: true });
    expect(s.credits(account)).toEqual({ limit: 100, available: 100 });
  });
});

describe("how much a child gets", () => {
  test("all of its wish, or between the minimum and the wish, or nothing", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const first = s.openWish(account, { limits: { credits: 70 } });
    expect(s.grant(first)).toMatchObject({ type: "opened", limits: { credits: 70 }, partial: false });
    const second = s.openWish(account, { limits: { credits: 70 }, min: { credits: 30 } });
    expect(s.grant(second)).toMatchObject({ type: "opened", limits: { credits: 30 }, partial: true });
    const third = s.openWish(account, { limits: { credits: 70 }, min: { credits: 1 } });
    expect(conflictOf(s.grant(third))).toMatchObject({ resource: "credits", wanted: 1, available: 0, never: false });
  });

  test("what the wish does not name is none of it where the parent has a limit, and unlimited where it has not", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100, branches: 3 });
    const run = s.expect("opened", { type: "grant", wish: s.openWish(account, {}) });
    expect(run.limits).toEqual({ credits: 0, branches: 0, priorityBonus: 0, emergencyReserve: 0 });
    expect(conflictOf(s.tryReserve(run.allocationId, { wanted: { credits: 1 } })).resource).toBe("credits");
    expect(s.tryReserve(run.allocationId, { wanted: { toolCalls: 5 } }).type).toBe("held");
  });

  test("an unlimited node counts what it uses and takes as much of its unlimited parent", () => {
    const s = new Scenario();
    const account = s.account();
    const run = s.open(account);
    const step = s.open(run, { limits: { credits: 80 } });
    expect(s.credits(account)).toEqual({ limit: 80, granted: 80 });
    s.settle(s.reserve(run, { wanted: { credits: 30 } }), { credits: 45 });
    expect(s.credits(run)).toEqual({ limit: 125, granted: 80, spent: 45, usage: 45, overrun: 15 });
    s.close(step);
    expect(s.credits(account)).toEqual({ limit: 45, granted: 45, usage: 45, overrun: 15 });
  });

  test("minimum above the wish, a carve outside max_credits, a weight of nothing, a tree too deep: all are told at once", () => {
    const s = new Scenario();
    let parent = s.account();
    for (let depth = 0; depth < LIMITS.treeDepthMax; depth += 1) parent = s.open(parent);
    const wish = s.openWish(parent, {
      limits: { credits: 10, priorityBonus: 6, emergencyReserve: 5 },
      min: { credits: 11 },
      weight: 0,
    });
    const refusal = refusalOf(s.grant(wish));
    const fields = refusal.code === "invalid" ? refusal.violations.map(({ field }) => field) : [];
    expect(fields).toEqual(["min.credits", "limits.emergency_reserve", "weight", "parent_allocation_id"]);
  });

  test("an unknown parent, a delegated parent, a closed parent: each is named", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 });
    const there = s.open(account, { holder: "process-1" });
    const closed = s.open(account);
    s.close(closed);
    const ask = (parentId: string) => refusalOf(s.grant(s.openWish(parentId)));
    expect(ask("nobody")).toEqual({ code: "not_found", subject: "parent allocation", id: "nobody" });
    expect(ask(there)).toMatchObject({ code: "not_permitted", message: expect.stringContaining("process-1") });
    expect(ask(closed)).toMatchObject({ code: "closing", allocationId: closed, reason: "finished" });
  });
});

describe("raising", () => {
  test("takes more of the parent, in part where that is enough", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 60 } });
    const outcome = s.grant(s.raiseWish(run, { by: { credits: 80 }, min: { credits: 10 } }));
    expect(outcome).toMatchObject({
      type: "raised",
      by: { credits: 40 },
      grantedTotal: { credits: 100 },
      partial: true,
    });
    expect(s.credits(run)).toEqual({ limit: 100, available: 100 });
  });

  test("pays the child's debt first, and takes of the parent only what the overrun has not taken already", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 20 } });
    s.settle(s.reserve(run, { wanted: { credits: 20 } }), { credits: 50 });
    expect(s.credits(account)).toMatchObject({ granted: 50, available: 50 });
    s.grant(s.raiseWish(run, { by: { credits: 40 } }));
    expect(s.credits(run)).toEqual({ limit: 60, available: 10, spent: 50, usage: 50, overrun: 30 });
    expect(s.credits(account)).toMatchObject({ granted: 60, available: 40 });
  });
});

describe("overruns and debt", () => {
  test("cost above the hold is charged and counted as overrun; what nothing is left for is debt", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 30 } });
    const hold = s.reserve(run, { wanted: { credits: 20 } });
    expect(s.settle(hold, { credits: 45 })).toMatchObject({ type: "settled", credits: 45, overrun: 25 });
    expect(s.credits(run)).toEqual({ limit: 30, debt: 15, spent: 45, usage: 45, overrun: 25 });
    // Above, it is shown and paid for.
    expect(s.credits(account)).toEqual({ limit: 100, granted: 45, available: 55, usage: 45, overrun: 25 });
  });

  test("while there is debt nothing is reserved or granted, and what comes back pays it first", () => {
    const s = new Scenario();
    const account = s.account({ credits: 50 });
    const child = s.open(account, { limits: { credits: 20 } });
    const hold = s.reserve(account, { wanted: { credits: 30 } });
    s.settle(hold, { credits: 42 });
    expect(s.credits(account)).toMatchObject({ debt: 12, granted: 20, spent: 42 });
    expect(conflictOf(s.tryReserve(account, { wanted: { credits: 1 } }))).toMatchObject({ available: 0, debt: 12 });
    expect(conflictOf(s.grant(s.openWish(account, { limits: { credits: 1 } })))).toMatchObject({ debt: 12 });
    s.close(child);
    expect(s.credits(account)).toEqual({ limit: 50, available: 8, spent: 42, usage: 42, overrun: 12 });
    expect(s.tryReserve(account, { wanted: { credits: 8 } }).type).toBe("held");
  });

  test("the debt of a closed child has become spending of its parent, once", () => {
    const s = new Scenario();
    const account = s.account({ credits: 50 });
    const run = s.open(account, { limits: { credits: 10 } });
    s.settle(s.reserve(run, { wanted: { credits: 10 } }), { credits: 70 });
    expect(s.credits(account)).toMatchObject({ debt: 20, granted: 70 });
    s.close(run);
    expect(s.credits(account)).toEqual({ limit: 50, debt: 20, spent: 70, usage: 70, overrun: 60 });
  });
});

describe("absurd amounts are refused, and nothing breaks", () => {
  test("two children of 2^53-1 under an unlimited account", () => {
    const s = new Scenario();
    const account = s.account();
    s.open(account, { limits: { credits: MAX, memoryBytes: MAX } });
    expect(conflictOf(s.grant(s.openWish(account, { limits: { credits: MAX } })))).toMatchObject({ available: 0 });
    const held = s.grant(s.openWish(account, { limits: { memoryBytes: 1 } }));
    expect(conflictOf(held)).toMatchObject({ conflict: "INSUFFICIENT_MEMORY", available: 0 });
    expect(refusalOf(s.grant(s.openWish(account, { limits: { branches: MAX } })))).toMatchObject({ code: "invalid" });
  });

  test("a call that cost 2^53-1, where something was spent before", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 50 } });
    s.settle(s.reserve(run, { wanted: { credits: 5 } }), { credits: 5 });
    const hold = s.reserve(run, { wanted: { credits: 5 } });
    const refusal = refusalOf(s.settle(hold, { credits: MAX }));
    expect(refusal).toMatchObject({ code: "invalid", violations: [{ field: "cost.credits" }] });
    expect(s.settle(hold, { credits: 5 }).type).toBe("settled");
  });

  test("a reserve, a report and a raise of 2^53-1", () => {
    const s = new Scenario();
    const account = s.account();
    const run = s.open(account, { holder: "holder" });
    s.reserve(account, { wanted: { credits: 10, memoryBytes: 10 } });
    expect(conflictOf(s.tryReserve(account, { wanted: { credits: MAX } })).available).toBe(MAX - 10);
    expect(conflictOf(s.tryReserve(account, { wanted: { memoryBytes: MAX } })).available).toBe(MAX - 10);
    expect(refusalOf(s.report(run, 1, usage({ credits: MAX })))).toMatchObject({ code: "invalid" });
    expect(refusalOf(s.report(run, 1, usage({ credits: 5, overrunCredits: 6 })))).toMatchObject({ code: "invalid" });
    const limited = s.open(account, { limits: { credits: 5 } });
    expect(conflictOf(s.grant(s.raiseWish(limited, { by: { credits: MAX - 5 } }))).resource).toBe("credits");
  });

  test("a limit given and returned until all that was ever granted would not fit", () => {
    const s = new Scenario();
    const account = s.account({ credits: MAX });
    const set = (credits: number) =>
      s.ask({ type: "set_limits", allocationId: account, limits: limits({ credits }), policy: {} });
    expect(set(0)).toMatchObject({ type: "done" });
    expect(refusalOf(set(1))).toMatchObject({ code: "invalid", violations: [{ field: "limits.credits" }] });
    const other = s.account({ credits: MAX });
    const run = s.open(other, { limits: { credits: MAX }, holder: "holder" });
    const returnedTotal = s.node(run).grantedTotal;
    s.ask({ type: "receive_return", caller: "holder", allocationId: run, epoch: 1, returnedTotal });
    const again = s.raiseWish(run, { by: { credits: 1 }, caller: "holder" });
    expect(refusalOf(s.grant(again))).toMatchObject({ code: "invalid", violations: [{ field: "by.credits" }] });
  });
});
