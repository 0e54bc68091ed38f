/** Calls: reserve → execute → settle. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { amount } from "./amount.ts";
import { nextDueMs } from "./decide-time.ts";
import { conflictOf, refusalOf, Scenario, some } from "./scenario.test-support.ts";

/** A step of 100 credits, 3 tool calls and 500 bytes. */
function withStep(): { readonly s: Scenario; readonly step: string } {
  const s = new Scenario();
  const account = s.account({ credits: 1_000, toolCalls: 30, branches: 10, memoryBytes: 5_000 });
  return { s, step: s.open(account, { limits: { credits: 100, toolCalls: 3, branches: 1, memoryBytes: 500 } }) };
}

describe("reserve", () => {
  test("sets aside what was wanted", () => {
    const { s, step } = withStep();
    const held = s.tryReserve(step, { wanted: { credits: 60, toolCalls: 1, memoryBytes: 200 }, ttlMs: 5_000 });
    expect(held).toMatchObject({ type: "held", clamped: false, expiresAtMs: 5_000, repeated: false });
    expect(s.credits(step)).toEqual({ limit: 100, available: 40, reserved: 60 });
    expect(s.node(step).held.memoryBytes).toMatchObject({ inUse: 200 });
  });

  test("less than the wish but at least the minimum is a clamp, and the clamp is told", () => {
    const { s, step } = withStep();
    s.reserve(step, { wanted: { credits: 70 } });
    const clamped = s.tryReserve(step, { wanted: { credits: 60, toolCalls: 1 }, min: { credits: 10, toolCalls: 1 } });
    expect(clamped).toMatchObject({ type: "held", clamped: true, granted: some({ credits: 30, toolCalls: 1 }) });
    expect(s.credits(step)).toEqual({ limit: 100, reserved: 100 });
  });

  test("all of the call's resources or none: what is short is named, what was there stays", () => {
    const { s, step } = withStep();
    const refused = s.tryReserve(step, { wanted: { credits: 50, toolCalls: 1, memoryBytes: 501 } });
    expect(conflictOf(refused)).toMatchObject({
      conflict: "INSUFFICIENT_MEMORY",
      wanted: 501,
      available: 500,
      never: true,
    });
    expect(conflictOf(s.tryReserve(step, { wanted: { credits: 50, toolCalls: 4 } })).resource).toBe("toolCalls");
    expect(s.credits(step)).toEqual({ limit: 100, available: 100 });
    expect(s.node(step).held.memoryBytes.inUse).toBe(0);
  });

  test("a refusal names the holders, largest first", () => {
    const { s, step } = withStep();
    for (const credits of [10, 40, 20, 5, 3, 2]) s.reserve(step, { wanted: { credits }, name: `m${credits}` });
    const { holders } = conflictOf(s.tryReserve(step, { wanted: { credits: 30 } }));
    expect(holders.map((holder) => holder.amount)).toEqual([40, 20, 10, 5, 3]);
    expect(holders[0]?.path).toBe(`${s.node(step).path}#m40`);
  });

  test("a minimum above the wish, no time to live, too long a one: every field is told, nothing changes", () => {
    const { s, step } = withStep();
    const bad = refusalOf(s.tryReserve(step, { wanted: { credits: 1 }, min: { credits: 2, toolCalls: 1 }, ttlMs: 0 }));
    const fields = bad.code === "invalid" ? bad.violations.map(({ field }) => field) : [];
    expect(fields).toEqual(["min_amount.credits", "min_amount.toolCalls", "ttl"]);
    const long = s.tryReserve(step, { wanted: { credits: 1 }, ttlMs: LIMITS.holdTtlMsMax + 1 });
    expect(refusalOf(long)).toMatchObject({ code: "invalid" });
  });

  test("an unknown allocation, one that another daemon holds, one whose lease has ended", () => {
    const { s, step } = withStep();
    const there = s.open(step, { holder: "execution-1" });
    const received = s.receive({ credits: 10 }, { leaseMs: 100 });
    const ask = (id: string) => refusalOf(s.tryReserve(id, { wanted: { credits: 1 } }));
    expect(ask("nobody")).toMatchObject({ code: "not_found", id: "nobody" });
    expect(ask(there)).toMatchObject({ code: "not_permitted" });
    s.nowMs = 100;
    expect(ask(received)).toMatchObject({ code: "lease_ended", allocationId: received });
    s.ask({ type: "renew_lease", allocationId: received, epoch: 1, endsAtMs: 200 });
    expect(s.tryReserve(received, { wanted: { credits: 1 } }).type).toBe("held");
  });
});

describe("settle", () => {
  test("charges the truth and frees the rest", () => {
    const { s, step } = withStep();
    const hold = s.reserve(step, { wanted: { credits: 60, toolCalls: 1, memoryBytes: 100 } });
    expect(s.settle(hold, { credits: 25, toolCalls: 1 })).toEqual({
      type: "settled",
      holdId: hold,
      credits: 25,
      toolCalls: 1,
      overrun: 0,
      late: false,
      ended: true,
    });
    expect(s.credits(step)).toEqual({ limit: 100, available: 75, spent: 25, usage: 25 });
    expect(s.node(step).held.memoryBytes).toMatchObject({ inUse: 0, peak: 100 });
  });

  test("is cumulative: while the call runs the cost so far moves from reserved to spent", () => {
    const { s, step } = withStep();
    const hold = s.reserve(step, { wanted: { credits: 60 } });
    s.settle(hold, { credits: 10, final: false });
    s.settle(hold, { credits: 10, final: false });
    expect(s.last.events).toEqual([]);
    s.settle(hold, { credits: 35, final: false });
    expect(s.credits(step)).toEqual({ limit: 100, available: 40, reserved: 25, spent: 35, usage: 35 });
    s.settle(hold, { credits: 35 });
    expect(s.credits(step)).toEqual({ limit: 100, available: 65, spent: 35, usage: 35 });
  });

  test("above the hold the difference is an overrun at every level, also while the call still runs", () => {
    const { s, step } = withStep();
    const account = s.node(step).parent?.id ?? "";
    const hold = s.reserve(step, { wanted: { credits: 60 } });
    expect(s.settle(hold, { credits: 70, final: false })).toMatchObject({ overrun: 10, ended: false });
    expect(s.credits(step)).toEqual({ limit: 100, available: 30, spent: 70, usage: 70, overrun: 10 });
    expect(s.settle(hold, { credits: 75 })).toMatchObject({ overrun: 15, ended: true });
    expect(s.credits(account)).toMatchObject({ overrun: 15, usage: 75 });
  });

  test("the same settle again has the same answer, overrun and all; another is refused", () => {
    const { s, step } = withStep();
    const hold = s.reserve(step, { wanted: { credits: 20 } });
    const first = s.settle(hold, { credits: 50 });
    expect(first).toMatchObject({ overrun: 30 });
    expect(s.settle(hold, { credits: 50 })).toEqual(first);
    expect(s.last.events).toEqual([]);
    expect(refusalOf(s.settle(hold, { credits: 51 }))).toEqual({ code: "request_reused", requestId: hold });
  });

  test("a falling cost, half a credit, a foreign hold, an unknown one: refused", () => {
    const { s, step } = withStep();
    const hold = s.reserve(step, { wanted: { credits: 20 } });
    s.settle(hold, { credits: 5, final: false });
    expect(refusalOf(s.settle(hold, { credits: 4 }))).toMatchObject({ violations: [{ field: "cost.credits" }] });
    const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 } as const;
    const settle = { type: "settle", holdId: hold, toolCalls: amount(0), final: true, ...facts } as const;
    const half = s.ask({ ...settle, allocationId: step, credits: 5.5 as ReturnType<typeof amount> });
    expect(refusalOf(half)).toMatchObject({ violations: [{ field: "cost.credits" }] });
    const foreign = s.ask({ ...settle, allocationId: "another", credits: amount(5) });
    expect(refusalOf(foreign)).toMatchObject({ code: "not_permitted" });
    expect(refusalOf(s.settle("unknown"))).toMatchObject({ code: "not_found", subject: "hold" });
  });

  test("a release ends the call at what was charged so far", () => {
    const { s, step } = withStep();
    const hold = s.reserve(step, { wanted: { credits: 60 } });
    s.settle(hold, { credits: 12, final: false });
    const release = { type: "release", allocationId: step, holdId: hold } as const;
    expect(s.ask(release)).toMatchObject({ type: "settled", credits: 12, ended: true });
    expect(s.credits(step)).toEqual({ limit: 100, available: 88, spent: 12, usage: 12 });
    expect(s.ask(release)).toMatchObject({ type: "settled", credits: 12 });
    expect(s.last.events).toEqual([]);
  });

  test("facts of a call are counted once, up the tree; too many tool names share one", () => {
    const { s, step } = withStep();
    const account = s.node(step).parent?.id ?? "";
    for (let i = 0; i < LIMITS.toolNamesMax + 5; i += 1) {
      s.settle(s.reserve(account, { wanted: {}, name: `tool${i}`, what: "tool" }));
    }
    expect(s.node(account).tally.callsPerTool.size).toBe(LIMITS.toolNamesMax + 1);
    expect(s.node(account).tally.callsPerTool.get("other")).toBe(5);
    const hold = s.reserve(step, { wanted: {}, name: "tool1" });
    const facts = { networkBytes: 7, diskBytes: 8, gpuMs: 9, memoryPeakBytes: 10, toolCalls: amount(0) };
    const settle = { type: "settle", allocationId: step, holdId: hold, credits: amount(0), ...facts } as const;
    s.ask({ ...settle, final: false });
    s.ask({ ...settle, final: true });
    expect(s.node(account).tally).toMatchObject({ networkBytes: 7, diskBytes: 8, gpuMs: 9, memoryPeakBytes: 10 });
    expect(s.node(account).tally.callsPerTool.get("tool1")).toBe(2);
  });
});

describe("a hold's time to live", () => {
  test("a lapsed hold is unconfirmed: not spent, not free; its held resources are", () => {
    const { s, step } = withStep();
    s.reserve(step, { wanted: { credits: 60, memoryBytes: 100 }, ttlMs: 1_000 });
    expect(s.wait(999).events).toEqual([]);
    s.wait(1);
    expect(s.credits(step)).toEqual({ limit: 100, available: 40, unconfirmed: 60 });
    expect(s.node(step).held.memoryBytes.inUse).toBe(0);
  });

  test("a late final settle turns it into its true cost", () => {
    const { s, step } = withStep();
    const hold = s.reserve(step, { wanted: { credits: 60 }, ttlMs: 1_000 });
    s.wait(5_000);
    expect(s.settle(hold, { credits: 20, final: false })).toMatchObject({ late: true, ended: false });
    expect(s.credits(step)).toEqual({ limit: 100, available: 40, unconfirmed: 40, spent: 20, usage: 20 });
    expect(s.settle(hold, { credits: 25 })).toMatchObject({ late: true, ended: true });
    expect(s.credits(step)).toEqual({ limit: 100, available: 75, spent: 25, usage: 25 });
  });

  test("its worker extends it; a lapsed or ended one cannot be extended, nor any for ever", () => {
    const { s, step } = withStep();
    const hold = s.reserve(step, { wanted: { credits: 60 }, ttlMs: 1_000 });
    const extend = (ttlMs: number) => s.ask({ type: "extend", allocationId: step, holdId: hold, ttlMs });
    s.nowMs = 900;
    expect(extend(1_000)).toEqual({ type: "done", changed: true });
    s.wait(900);
    expect(s.node(step).liveHolds).toBe(1);
    extend(50);
    expect(s.last.events).toEqual([]);
    expect(refusalOf(extend(LIMITS.holdTtlMsMax + 1))).toMatchObject({ code: "invalid" });
    s.wait(100);
    expect(s.node(step).liveHolds).toBe(0);
    expect(refusalOf(extend(1_000))).toMatchObject({ code: "closing", reason: expect.stringContaining("lapsed") });
    s.settle(hold, { credits: 1 });
    expect(refusalOf(extend(1_000))).toMatchObject({ code: "closing", reason: expect.stringContaining("ended") });
  });

  test("after a restart everything is still due when it was", () => {
    const { s, step } = withStep();
    s.reserve(step, { wanted: { credits: 60 }, ttlMs: 1_000 });
    s.settle(s.reserve(step, { wanted: { credits: 10 }, ttlMs: 500 }), { credits: 1 });
    expect(nextDueMs(s.state)).toBe(1_000);
    s.restart();
    expect(nextDueMs(s.state)).toBe(1_000);
    s.wait(1_000);
    expect(s.credits(step)).toMatchObject({ unconfirmed: 60 });
  });

  test("calls that settle in time leave nothing to wake for but the end of their memory", () => {
    const { s, step } = withStep();
    const account = s.node(step).parent?.id ?? "";
    for (let i = 0; i < 300; i += 1) {
      s.nowMs += 7;
      s.settle(s.reserve(account, { wanted: { credits: 2 } }), { credits: 1 });
    }
    expect(nextDueMs(s.state)).toBe(7 + LIMITS.effectMemoryMs);
  });
});
