/** Writing off what is in doubt, and the true account that comes later: exact in either direction, also through what has closed. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { usageOf } from "./cascade.ts";
import { decide } from "./decide.ts";
import type { OutcomeOf } from "./outcome.ts";
import { type LimitNumbers, refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";

const LONG_MS = 60_000;

/** An account of 1,000 credits and, with 150 of its 400 reported, a run whose holder has fallen silent. */
function withDoubt(limits: LimitNumbers = { credits: 400, toolCalls: 10, branches: 3 }) {
  const s = new Scenario();
  const account = s.account({ credits: 1_000, toolCalls: 50, branches: 9 });
  const swarm = s.open(account, { limits: { credits: 600, toolCalls: 30, branches: 8 } });
  const run = s.open(swarm, { limits, holder: "holder" });
  s.report(run, 1, usage({ credits: 150 }));
  s.wait(LONG_MS);
  return { s, account, swarm, run };
}

describe("a write-off", () => {
  test("moves what is in doubt to spent, fences the epoch and closes: held resources come free", () => {
    const { s, account, swarm, run } = withDoubt();
    expect(s.credits(swarm)).toMatchObject({ granted: 150, inDoubt: 250 });
    expect(s.node(swarm).held.branches.inUse).toBe(4);
    const { outcome, events, messages } = s.run({
      type: "write_off",
      caller: "person",
      requestId: "w-1",
      allocationId: run,
      reason: "burnt down",
    });
    const amounts = some({ credits: 250, toolCalls: 10 });
    expect(outcome).toEqual({ type: "written_off", allocationId: run, amounts, repeated: false });
    expect(events.map(({ type }) => type)).toEqual(["written_off", "allocation_closing", "allocation_closed"]);
    expect(events[0]).toMatchObject({ epoch: 2, credits: 250, toolCalls: 10, reason: "burnt down" });
    expect(events[1]).toMatchObject({ reason: "burnt down" });
    expect(messages).toEqual([
      expect.objectContaining({ type: "closing", allocationId: run, holder: "holder" }),
      expect.objectContaining({ type: "closed", allocationId: run, epoch: 2 }),
    ]);
    expect(s.credits(swarm)).toEqual({ limit: 600, available: 200, spent: 400, usage: 400 });
    expect(s.credits(account)).toMatchObject({ granted: 600, usage: 400 });
    expect(s.node(swarm).held.branches.inUse).toBe(0);
    expect(s.node(run)).toMatchObject({
      state: "closed",
      epoch: 2,
      writtenOff: { credits: 250, toolCalls: 10, standing: "awaiting" },
      uncorrected: 1,
    });
    expect(usageOf(s.node(account))).toMatchObject({ credits: 400, corrections: 0, provisional: true });
  });

  test("the same request again answers what was written off then; the same id with other content is refused", () => {
    const { s, run, swarm } = withDoubt();
    const first = s.writeOff(run, "w-1");
    expect(s.writeOff(run, "w-1")).toEqual({ ...first, repeated: true });
    expect(s.last.events).toEqual([]);
    expect(refusalOf(s.writeOff(run, "w-1", "another reason"))).toEqual({ code: "request_reused", requestId: "w-1" });
    const reused = s.grant(s.openWish(swarm, { caller: "person", requestId: "w-1" }));
    expect(refusalOf(reused)).toMatchObject({ code: "request_reused" });
    s.restart();
    expect(s.writeOff(run, "w-1")).toMatchObject({ repeated: true });
  });

  test("only what is in doubt: a lease that runs is named with its rest, and what is not granted elsewhere is none", () => {
    const { s, account, swarm, run } = withDoubt();
    const other = s.open(swarm, { limits: { credits: 10 }, holder: "holder", leaseTtlMs: 10_000 });
    const leftMs = 10_000 + LIMITS.leaseMarginMs;
    expect(refusalOf(s.writeOff(other))).toMatchObject({
      code: "not_in_doubt",
      message: expect.stringContaining(`runs for ${leftMs} ms more`),
    });
    expect(refusalOf(s.writeOff(account))).toMatchObject({ code: "not_permitted" });
    expect(refusalOf(s.writeOff("nothing"))).toMatchObject({ code: "not_found" });
    s.writeOff(run);
    expect(refusalOf(s.writeOff(run))).toMatchObject({ code: "not_in_doubt" });
    s.report(run, 2, usage({ credits: 150 }), { final: true });
    expect(refusalOf(s.writeOff(run))).toMatchObject({ code: "not_in_doubt" });
  });

  test("of a holder that lives on: nothing it says under the old epoch counts, but its final account", () => {
    const { s, account, run } = withDoubt();
    s.close(run);
    s.writeOff(run);
    const stale = { code: "stale_epoch", allocationId: run, currentEpoch: 2 };
    expect(refusalOf(s.report(run, 2, usage({ credits: 200 })))).toEqual(stale);
    const returned = { type: "receive_return", caller: "holder", allocationId: run, epoch: 1 } as const;
    expect(refusalOf(s.ask({ ...returned, returnedTotal: some({ credits: 50 }) }))).toEqual(stale);
    expect(refusalOf(s.grant(s.raiseWish(run, { by: { credits: 1 }, epoch: 1, caller: "holder" })))).toEqual(stale);
    const wish = s.openWish(account, { caller: "holder", holder: "holder", byHolder: true });
    expect(refusalOf(s.grant(wish))).toMatchObject({ code: "not_permitted" });
    expect(refusalOf(s.report(run, 2, usage({ credits: 200 }), { epoch: 3, final: true }))).toEqual(stale);
    expect(refusalOf(s.report(run, 2, usage(), { caller: "stranger", final: true }))).toMatchObject({
      code: "not_permitted",
    });
    expect(s.report(run, 2, usage({ credits: 200 }), { final: true })).toMatchObject({ type: "reported", epoch: 2 });
    expect(s.credits(account)).toMatchObject({ usage: 200 });
  });

  test("what nothing limits has nothing in doubt, and still awaits its account", () => {
    const s = new Scenario();
    const account = s.account();
    const run = s.open(account, { holder: "holder" });
    s.report(run, 1, usage({ credits: 70 }));
    s.wait(LONG_MS);
    expect(s.writeOff(run)).toMatchObject({ amounts: some({ credits: 0 }) });
    expect(usageOf(s.node(account))).toMatchObject({ credits: 70, provisional: true });
    s.report(run, 2, usage({ credits: 95 }), { final: true });
    expect(s.credits(account)).toEqual({ limit: 95, spent: 95, usage: 95 });
  });

  test("ends a preemption that asked it, and those who wait for more of it", () => {
    const { s, swarm, run } = withDoubt();
    const asked = { type: "reclaim", preemptionId: "p-1", allocationId: run, epoch: undefined } as const;
    s.run({ ...asked, amounts: some({ credits: 100 }), mode: "SHRINK", reason: "needed" });
    s.writeOff(run);
    expect(s.node(run).endedReclaims.has("p-1")).toBe(true);
    expect(s.node(swarm).reclaims.size).toBe(0);
  });
});

describe("the true account", () => {
  const told = (credits: number, toolCalls = 0) => usage({ credits, toolCalls });

  test("less was spent: the rest comes back, once", () => {
    const { s, account, swarm, run } = withDoubt();
    s.writeOff(run);
    s.report(run, 2, told(320, 4), { final: true });
    expect(s.last.events.map(({ type }) => type)).toEqual(["account_corrected"]);
    expect(s.credits(swarm)).toEqual({ limit: 600, available: 280, spent: 320, usage: 320 });
    expect(s.credits(account)).toMatchObject({ granted: 600, usage: 320 });
    expect(s.node(swarm).books.toolCalls).toMatchObject({ available: 26, spent: 4 });
    expect(s.node(run)).toMatchObject({ writtenOff: { credits: 0, standing: "corrected" }, uncorrected: 0 });
    for (const id of [run, swarm, account]) {
      expect(usageOf(s.node(id))).toMatchObject({ credits: 320, corrections: 1, provisional: false });
    }
    s.report(run, 2, told(320, 4), { final: true });
    s.report(run, 9, told(10), { final: true });
    s.report(run, 9, usage({ credits: 0, corrections: 5 }), { final: true });
    expect(s.last.events).toEqual([]);
    expect(s.credits(swarm)).toMatchObject({ spent: 320 });
  });

  test("as much was spent: nothing moves, and nothing more is awaited", () => {
    const { s, account, swarm, run } = withDoubt();
    s.writeOff(run);
    s.report(run, 2, told(400, 10), { final: true });
    expect(s.credits(swarm)).toMatchObject({ available: 200, spent: 400 });
    expect(usageOf(s.node(account))).toMatchObject({ corrections: 1, provisional: false });
  });

  test("more was spent: it is taken from what is free, and where nothing is free it is debt", () => {
    const { s, account, swarm, run } = withDoubt();
    s.writeOff(run);
    s.open(swarm, { limits: { credits: 180 } });
    s.report(run, 2, usage({ credits: 470, overrunCredits: 70 }), { final: true });
    expect(s.credits(swarm)).toEqual({ limit: 600, debt: 50, granted: 180, spent: 470, usage: 470, overrun: 70 });
    expect(s.credits(account)).toMatchObject({ granted: 600, usage: 470 });
  });

  test("what comes back feeds the preemptions that wait for it", () => {
    const { s, account, swarm, run } = withDoubt();
    const asked = { type: "reclaim", preemptionId: "p-1", allocationId: swarm, epoch: undefined } as const;
    s.run({ ...asked, amounts: some({ credits: 250 }), mode: "SHRINK", reason: "needed" });
    s.writeOff(run);
    expect(s.credits(swarm)).toEqual({ limit: 400, spent: 400, usage: 400 });
    s.report(run, 2, told(330), { final: true });
    expect(s.credits(swarm)).toEqual({ limit: 350, available: 20, spent: 330, usage: 330 });
    expect(s.credits(account)).toMatchObject({ available: 650, granted: 350 });
    expect(s.last.messages).toContainEqual(expect.objectContaining({ type: "reclaim_progress", ended: true }));
  });

  test("what comes back pays debt first, then those who wait have it", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const run = s.open(account, { limits: { credits: 60 }, holder: "holder" });
    s.wait(LONG_MS);
    s.writeOff(run);
    const over = s.open(account, { limits: { credits: 40 }, holder: "holder" });
    s.report(over, 1, usage({ credits: 50 }), { final: true });
    expect(s.credits(account)).toMatchObject({ debt: 10 });
    const waiting = s.openWish(account, { limits: { credits: 15 }, waitMs: 1_000 });
    expect(s.grant(waiting).type).toBe("queued");
    s.report(run, 2, told(30), { final: true });
    expect(s.credits(account)).toEqual({ limit: 100, available: 5, granted: 15, spent: 80, usage: 80 });
    expect(s.node(waiting.allocationId).state).toBe("open");
  });

  test("older than what was reported it takes nothing of that back", () => {
    const { s, swarm, run } = withDoubt();
    s.writeOff(run);
    // As when a complete hello does not name the grant: nothing was spent beyond what was reported.
    s.report(run, 0, told(0), { final: true });
    expect(s.credits(swarm)).toEqual({ limit: 600, available: 450, spent: 150, usage: 150 });
  });

  test("that cannot be is refused", () => {
    const { s, run } = withDoubt();
    s.writeOff(run);
    const absurd = usage({ credits: 10, overrunCredits: 11 });
    expect(refusalOf(s.report(run, 2, absurd, { final: true }))).toMatchObject({ code: "invalid" });
    const large = usage({ credits: LIMITS.amountMax - 500 });
    expect(refusalOf(s.report(run, 2, large, { final: true }))).toMatchObject({
      violations: [{ field: "usage.credits" }],
    });
  });

  test("goes on up through what has closed, until an open ancestor takes it", () => {
    const { s, account, swarm, run } = withDoubt();
    s.writeOff(run);
    s.close(swarm);
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 600, spent: 400, usage: 400 });
    s.report(run, 2, told(320), { final: true });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 680, spent: 320, usage: 320 });
    expect(s.credits(swarm)).toEqual({ limit: 320, spent: 320, usage: 320 });
    expect(s.node(account).corrections).toBe(1);
  });

  test("of more goes the same way: a closed node owes what its parent paid", () => {
    const { s, account, swarm, run } = withDoubt();
    s.writeOff(run);
    s.close(swarm);
    s.report(run, 2, told(420), { final: true });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 580, spent: 420, usage: 420 });
    expect(s.credits(swarm)).toEqual({ limit: 400, debt: 20, spent: 420, usage: 420 });
  });

  test("an account at the top that is closed keeps what comes back", () => {
    const { s, account, run } = withDoubt();
    s.writeOff(run);
    s.close(account);
    s.report(run, 2, told(200), { final: true });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 800, spent: 200, usage: 200 });
  });
});

describe("what is written off is not forgotten", () => {
  test("neither in ten minutes nor for closed siblings, nor are those above it; ten minutes after the account they are", () => {
    const { s, account, swarm, run } = withDoubt();
    s.writeOff(run);
    s.quickly(() => {
      for (let i = 0; i < LIMITS.closedChildrenMax + 5; i += 1) s.close(s.open(swarm));
    });
    expect(s.node(swarm).closedChildren).toHaveLength(LIMITS.closedChildrenMax);
    s.close(swarm);
    s.wait(LIMITS.effectMemoryMs * 3);
    expect(s.node(swarm).closedChildren.map(({ id }) => id)).toEqual([run]);
    s.restart();
    s.report(run, 2, usage({ credits: 300 }), { final: true });
    expect(s.credits(account)).toMatchObject({ spent: 300 });
    s.wait(LIMITS.effectMemoryMs - 1);
    expect(s.node(run).state).toBe("closed");
    s.wait(1);
    expect([...s.state.allocations.keys()]).toEqual([account]);
  });

  test("there is a bound, beyond which nothing is written off", () => {
    const { s, run } = withDoubt();
    const full = { ...s.state, uncorrected: LIMITS.writtenOffMax };
    const request = {
      type: "write_off",
      caller: "person",
      requestId: "w-1",
      allocationId: run,
      reason: "gone",
    } as const;
    const { outcome, events } = decide(full, { ...request, nowMs: s.nowMs });
    expect(refusalOf(outcome)).toMatchObject({ code: "too_many" });
    expect(events).toEqual([]);
    expect(s.writeOff(run)).toMatchObject({ type: "written_off" });
  });
});

describe("over three tiers", () => {
  /** Coordination has granted a run to process, which has granted a step of it to execution; all of that is silent. */
  function chain() {
    const top = new Scenario("t");
    const middle = new Scenario("m");
    const account = top.account({ credits: 1_000 });
    const run = top.open(account, { limits: { credits: 500 }, holder: "holder" });
    middle.run({ ...middle.receiving({ credits: 500 }, { leaseMs: 90_000 }), allocationId: run });
    const step = middle.open(run, { limits: { credits: 300 }, holder: "execution", kind: "step" });
    middle.report(step, 1, usage({ credits: 100 }), { caller: "execution" });
    middle.wait(LONG_MS);
    top.wait(LONG_MS);
    /** Process tells coordination what it now knows. */
    const tell = () => {
      const node = middle.node(run);
      const final = node.state === "closed";
      return top.report(run, node.usageSequence, usageOf(node), { final }) as OutcomeOf<"reported">;
    };
    const acknowledge = () =>
      middle.ask({ type: "acknowledge_final", allocationId: run, sequence: middle.node(run).usageSequence + 1 });
    return { top, middle, account, run, step, tell, acknowledge };
  }

  test("a fall travels up through an open run with its number of corrections", () => {
    const { top, middle, account, run, step, tell } = chain();
    middle.writeOff(step);
    tell();
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 500, granted: 500, usage: 300 });
    expect(top.node(run)).toMatchObject({ corrections: 0, uncorrected: 1 });
    middle.report(step, 2, usage({ credits: 180 }), { caller: "execution", final: true });
    const late = usage({ credits: 300, provisional: true });
    tell();
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 500, granted: 500, usage: 180 });
    expect(top.node(run)).toMatchObject({ corrections: 1, uncorrected: 0 });
    expect(usageOf(top.node(account))).toMatchObject({ credits: 180, corrections: 1, provisional: false });
    // What was said before the correction and comes after it is older, however large.
    top.report(run, 9, late);
    expect(top.last.events).toEqual([]);
    top.report(run, 9, late, { final: true });
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 820, spent: 180, usage: 180 });
  });

  test("what falls of an open run's usage beyond its limit is had by those who wait", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const run = s.open(account, { limits: { credits: 60 }, holder: "holder" });
    s.report(run, 1, usage({ credits: 90, provisional: true }));
    const waiting = s.openWish(account, { limits: { credits: 25 }, waitMs: 1_000 });
    expect(s.grant(waiting).type).toBe("queued");
    s.report(run, 2, usage({ credits: 70, corrections: 1 }));
    expect(s.credits(account)).toEqual({ limit: 100, available: 5, granted: 95, usage: 70 });
    expect(s.node(waiting.allocationId).state).toBe("open");
  });

  test("a write-off that leaves the usage as it was is told too: the usage is provisional from then on", () => {
    const { middle, run } = chain();
    const step = middle.open(run, { limits: { credits: 20 }, holder: "execution", kind: "step" });
    middle.report(step, 1, usage({ credits: 20 }), { caller: "execution" });
    middle.wait(LONG_MS);
    const before = middle.node(run).usageSequence;
    middle.writeOff(step);
    expect(middle.node(run).usageSequence).toBeGreaterThan(before);
  });

  test("a run that closed on a provisional account is told again, hours later", () => {
    const { top, middle, account, run, step, tell, acknowledge } = chain();
    middle.writeOff(step);
    middle.close(run);
    expect(tell()).toMatchObject({ state: "closed" });
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 700, spent: 300, usage: 300 });
    expect(acknowledge()).toEqual({ type: "done", changed: false });
    for (const s of [top, middle]) s.wait(4 * 3_600_000);
    const before = middle.node(run).returnedTotal.credits;
    middle.report(step, 3, usage({ credits: 140 }), { caller: "execution", final: true });
    expect(middle.last.messages).toEqual([
      { type: "returned", allocationId: run, epoch: 1, returnedTotal: some({ credits: before + 160 }) },
      expect.objectContaining({ type: "closed", allocationId: run, usage: usageOf(middle.node(run)) }),
    ]);
    expect(middle.node(run).usageSequence).toBeGreaterThan(1);
    expect(tell()).toMatchObject({ state: "closed" });
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 860, spent: 140, usage: 140 });
    expect(acknowledge()).toEqual({ type: "done", changed: true });
    for (const s of [top, middle]) s.wait(LIMITS.effectMemoryMs);
    expect([top.state.allocations.size, middle.state.allocations.size]).toEqual([1, 0]);
  });

  test("written off at both: the run's account comes first, the step's follows", () => {
    const { top, middle, account, run, step, tell } = chain();
    top.wait(LONG_MS);
    top.writeOff(run);
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 500, spent: 500, usage: 500 });
    middle.writeOff(step);
    middle.close(run);
    tell();
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 700, spent: 300, usage: 300 });
    expect(top.node(run)).toMatchObject({ writtenOff: { standing: "corrected" }, uncorrected: 1, corrections: 0 });
    middle.report(step, 2, usage({ credits: 130 }), { caller: "execution", final: true });
    tell();
    expect(top.credits(account)).toEqual({ limit: 1_000, available: 870, spent: 130, usage: 130 });
    expect(usageOf(top.node(account))).toMatchObject({ corrections: 2, provisional: false });
  });

  test("a correction that would leave more overrun than usage is refused", () => {
    const { top, run } = chain();
    top.report(run, 2, usage({ credits: 90, overrunCredits: 40 }));
    const fallen = usage({ credits: 30, overrunCredits: 0, corrections: 1 });
    expect(refusalOf(top.report(run, 3, fallen))).toMatchObject({ violations: [{ field: "usage.overrun_credits" }] });
  });

  test("beyond the bound nobody's word keeps a record", () => {
    const { top, run } = chain();
    const full = { ...top.state, uncorrected: LIMITS.writtenOffMax };
    const report = { type: "report_usage", caller: "holder", allocationId: run, epoch: 1, sequence: 4 } as const;
    const told = { usage: usage({ credits: 20, provisional: true }), final: false };
    const { events } = decide(full, { ...report, ...told, nowMs: top.nowMs });
    expect(events[0]).toEqual(expect.objectContaining({ type: "usage_reported", provisional: false }));
  });
});
