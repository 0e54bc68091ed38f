/** Closing, deadlines, and what becomes of calls that nobody settled. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { conflictOf, refusalOf, Scenario, usage } from "./scenario.test-support.ts";

describe("closing", () => {
  test("takes no new work, returns what is free at once and the rest as calls end", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    const hold = s.reserve(run, { wanted: { credits: 30 } });
    expect(s.close(run)).toEqual({ type: "done", changed: true });
    expect(s.credits(account)).toEqual({ limit: 100, available: 70, granted: 30 });
    expect(refusalOf(s.tryReserve(run, { wanted: { credits: 1 } }))).toMatchObject({
      code: "closing",
      reason: "finished",
    });
    expect(refusalOf(s.grant(s.openWish(run)))).toMatchObject({ code: "closing" });
    expect(refusalOf(s.grant(s.raiseWish(run, { by: { credits: 1 } })))).toMatchObject({ code: "closing" });
    s.settle(hold, { credits: 10 });
    expect(s.node(run).state).toBe("closed");
    expect(s.credits(account)).toEqual({ limit: 100, available: 90, spent: 10, usage: 10 });
    expect(s.close(run)).toEqual({ type: "done", changed: false });
  });

  test("goes down the tree: every node below is told, the empty ones are closed at once, leaves first", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 90 } });
    const branch = s.open(run, { limits: { credits: 40 } });
    const busy = s.open(branch, { limits: { credits: 20 } });
    const idle = s.open(branch, { limits: { credits: 20 } });
    const hold = s.reserve(busy, { wanted: { credits: 5 } });
    const { messages } = s.run({ type: "close", allocationId: run, reason: "stopped by a person" });
    const closing = messages.filter(({ type }) => type === "closing");
    expect(closing.map((message) => "allocationId" in message && message.allocationId)).toEqual([
      run,
      branch,
      busy,
      idle,
    ]);
    const closed = messages.filter(({ type }) => type === "closed");
    expect(closed).toEqual([expect.objectContaining({ allocationId: idle })]);
    expect(s.credits(account)).toEqual({ limit: 100, available: 95, granted: 5 });
    s.settle(hold, { credits: 5 });
    expect([run, branch, busy].map((id) => s.node(id).state)).toEqual(["closed", "closed", "closed"]);
    expect(s.credits(account)).toEqual({ limit: 100, available: 95, spent: 5, usage: 5 });
  });

  test("waits for a daemon below: its holder is told, its last account closes it, and its parent with it", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 90 } });
    const step = s.open(run, { limits: { credits: 40 }, holder: "execution-1" });
    const { messages } = s.run({ type: "close", allocationId: run, reason: "enough" });
    expect(messages).toContainEqual({
      type: "closing",
      allocationId: step,
      side: "delegated",
      holder: "execution-1",
      reason: "enough",
    });
    expect([s.node(run).state, s.node(step).state]).toEqual(["closing", "closing"]);
    s.report(step, 1, usage({ credits: 33 }), { final: true, caller: "execution-1" });
    expect([s.node(run).state, s.node(step).state]).toEqual(["closed", "closed"]);
    expect(s.credits(account)).toEqual({ limit: 100, available: 67, spent: 33, usage: 33 });
  });

  test("a received grant hands back what is free by its counter, and its last account says what was spent", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 50, branches: 2 });
    const hold = s.reserve(run, { wanted: { credits: 20 } });
    const returned = (credits: number) => ({ credits, toolCalls: 0, branches: 2, memoryBytes: 0 });
    const closing = s.run({ type: "close", allocationId: run, reason: "over" });
    expect(closing.messages.at(-1)).toMatchObject({ type: "returned", returnedTotal: returned(30) });
    s.settle(hold, { credits: 20 });
    expect(s.last.messages.at(-1)).toMatchObject({ type: "closed", allocationId: run, usage: { credits: 20 } });
  });

  test("at CLOSED the unconfirmed is spent; a later settle is recorded once and returns nothing", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    const hold = s.reserve(run, { wanted: { credits: 30 }, ttlMs: 100 });
    s.wait(100);
    s.close(run);
    expect(s.credits(account)).toEqual({ limit: 100, available: 70, spent: 30, usage: 30 });
    expect(s.settle(hold, { credits: 12 })).toMatchObject({ type: "settled", credits: 12, late: true, ended: true });
    expect(s.last.events).toEqual([expect.objectContaining({ type: "late_settle_recorded", credits: 12 })]);
    expect(s.credits(account)).toEqual({ limit: 100, available: 70, spent: 30, usage: 30 });
    expect(s.settle(hold, { credits: 12 })).toMatchObject({ credits: 12, late: true });
    expect(s.last.events).toEqual([]);
  });

  test("a closing node whose last call lapses closes by the clock alone", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    s.reserve(run, { wanted: { credits: 30 }, ttlMs: 1_000 });
    s.close(run);
    s.wait(1_000);
    expect(s.node(run).state).toBe("closed");
    expect(s.credits(account)).toMatchObject({ spent: 30, available: 70 });
  });

  test("many lapsed calls do not slow a closing node down: live ones are counted, not looked for", () => {
    const s = new Scenario();
    const run = s.open(s.account({ credits: 1_000 }), { limits: { credits: 900 } });
    for (let i = 0; i < 20; i += 1) s.reserve(run, { wanted: { credits: 1 }, ttlMs: 10 });
    s.wait(50);
    const live = s.reserve(run, { wanted: { credits: 1 } });
    expect([s.node(run).holds.size, s.node(run).liveHolds]).toEqual([21, 1]);
    s.close(run);
    s.settle(live, { credits: 1 });
    expect(s.node(run)).toMatchObject({ state: "closed", liveHolds: 0 });
  });
});

describe("deadlines", () => {
  test("a child's deadline is never later than its parent's", () => {
    const s = new Scenario();
    const account = s.account();
    const run = s.open(account, { limits: { durationMs: 10_000 } });
    s.nowMs = 4_000;
    expect(s.node(s.open(run, { limits: { durationMs: 60_000 } })).deadlineAtMs).toBe(10_000);
    expect(s.node(s.open(run, { limits: { durationMs: 1_000 } })).deadlineAtMs).toBe(5_000);
    expect(s.node(s.open(run)).deadlineAtMs).toBe(10_000);
  });

  test("at the deadline there is no new work, and soon after everything below closes", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 50, durationMs: 1_010 } });
    const step = s.open(run, { limits: { credits: 20 } });
    s.nowMs = 1_010;
    const late = conflictOf(s.tryReserve(step, { wanted: { credits: 1 } }));
    expect(late).toMatchObject({ conflict: "INSUFFICIENT_TIME", resource: "duration", never: true, available: 0 });
    expect(conflictOf(s.grant(s.openWish(run))).conflict).toBe("INSUFFICIENT_TIME");
    s.wait(LIMITS.dueBucketMs);
    expect([s.node(run).state, s.node(step).state]).toEqual(["closed", "closed"]);
    expect(s.node(run).closingReason).toBe("its deadline has passed");
    expect(s.credits(account)).toEqual({ limit: 100, available: 100 });
  });

  test("a wish without any time is refused, and nothing is opened or queued for it", () => {
    const s = new Scenario();
    const account = s.account({ credits: 1 }, { strategy: "QUEUE_AND_WAIT" });
    for (const credits of [1, 2]) {
      const wish = s.openWish(account, { limits: { credits, durationMs: 0 }, waitMs: 1_000 });
      expect(conflictOf(s.grant(wish)).conflict).toBe("INSUFFICIENT_TIME");
    }
  });
});
