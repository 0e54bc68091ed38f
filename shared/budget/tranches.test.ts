/** Tranches in the engine: who may draw the priority bonus, the emergency reserve and the wrap-up reserve, and that none is laundered. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import type { Policy, Priority } from "./policy.ts";
import { conflictOf, type LimitNumbers, limits, refusalOf, Scenario, usage } from "./scenario.test-support.ts";

const CARVED = { credits: 100, priorityBonus: 30, emergencyReserve: 20 };

function carved(numbers: LimitNumbers = CARVED, policy: Policy = {}) {
  const s = new Scenario();
  const account = s.account(numbers, policy);
  const left = () => ({ ...s.node(account).tranches.left });
  const drawnBy = (id: string) => {
    const [, drawn] = [...s.node(account).tranches.drawers].find(([drawer]) => drawer.id === id) ?? [];
    return drawn && { bonus: drawn.bonus, emergency: drawn.emergency, wrapUp: drawn.wrapUp };
  };
  const open = (credits: number, priority: Priority = "NORMAL") => s.open(account, { limits: { credits }, priority });
  const tryOpen = (credits: number, priority: Priority = "NORMAL", min = credits) =>
    s.grant(s.openWish(account, { limits: { credits }, priority, min: { credits: min } }));
  return { s, account, left, drawnBy, open, tryOpen };
}

const gone = (bonus = 0, emergency = 0, wrapUp = 0) => ({ bonus, emergency, wrapUp });

describe("who may draw what", () => {
  test("general credits are for all, the bonus for HIGH and above, the reserve for CRITICAL and EMERGENCY", () => {
    for (const [priority, most] of [
      ["LOW", 50],
      ["NORMAL", 50],
      ["HIGH", 80],
      ["CRITICAL", 100],
      ["EMERGENCY", 100],
    ] as const) {
      const { tryOpen } = carved();
      const refused = conflictOf(tryOpen(most + 1, priority));
      expect(refused).toMatchObject({ resource: "credits", wanted: most + 1, available: most, never: true });
      expect(tryOpen(most, priority).type).toBe("opened");
    }
  });

  test("general credits are drawn first, then the bonus, then the reserve; the grant records its make-up", () => {
    const { open, left, drawnBy } = carved();
    const first = open(40, "CRITICAL");
    expect(drawnBy(first)).toBeUndefined();
    const second = open(30, "CRITICAL");
    expect(drawnBy(second)).toEqual(gone(20));
    const third = open(25, "EMERGENCY");
    expect(drawnBy(third)).toEqual(gone(10, 15));
    expect(left()).toEqual(gone(0, 5));
  });

  test("a grant in part stops at what the wish may draw; a raise draws by the priority of what is raised", () => {
    const { s, tryOpen, drawnBy, open } = carved();
    expect(tryOpen(90, "NORMAL", 10)).toMatchObject({ type: "opened", partial: true, limits: { credits: 50 } });
    const high = open(10, "HIGH");
    expect(drawnBy(high)).toEqual(gone(10));
    const raised = s.grant(s.raiseWish(high, { by: { credits: 40 }, min: { credits: 1 } }));
    expect(raised).toMatchObject({ type: "raised", by: { credits: 20 }, partial: true });
    expect(drawnBy(high)).toEqual(gone(30));
  });

  test("a call draws by the priority of its allocation: work of lower priority sets reserves aside for what it opens", () => {
    const s = new Scenario();
    const account = s.account({ credits: 500 });
    const normal = s.open(account, { limits: CARVED });
    expect(conflictOf(s.tryReserve(normal, { wanted: { credits: 51 } }))).toMatchObject({ available: 50 });
    expect(s.tryReserve(normal, { wanted: { credits: 99 }, min: { credits: 1 } })).toMatchObject({
      type: "held",
      granted: { credits: 50 },
      clamped: true,
    });
    s.open(normal, { limits: { credits: 30 }, priority: "HIGH" });
    const critical = s.open(account, { limits: CARVED, priority: "CRITICAL" });
    const hold = s.reserve(critical, { wanted: { credits: 90 } });
    expect(s.node(critical).tranches.left).toEqual(gone(0, 10));
    s.settle(hold, { credits: 55 });
    // What was spent is general first: 50 general and 5 of the bonus.
    expect(s.node(critical).tranches.left).toEqual(gone(25, 20));
    expect(s.credits(critical)).toMatchObject({ available: 45, spent: 55 });
  });

  test("what draws on a pool draws there by its own priority, whatever is opened in it", () => {
    const { s, account } = carved();
    const pool = s.open(account, { pooled: ["credits"] });
    const refused = s.grant(s.openWish(pool, { limits: { credits: 60 }, priority: "CRITICAL" }));
    expect(conflictOf(refused)).toMatchObject({ ancestorId: account, available: 50 });
    const high = s.open(account, { pooled: ["credits"], priority: "HIGH" });
    expect(s.tryReserve(high, { wanted: { credits: 80 } }).type).toBe("held");
    expect(s.node(account).tranches.left).toEqual(gone(0, 20));
  });

  test("a child's own carve only restricts it further: its make-up stays with the parent", () => {
    const { s, account, left } = carved();
    const high = s.open(account, { limits: { credits: 80, emergencyReserve: 40 }, priority: "HIGH" });
    expect(left()).toEqual(gone(0, 20));
    expect(conflictOf(s.tryReserve(high, { wanted: { credits: 41 } }))).toMatchObject({ available: 40 });
    s.open(high, { limits: { credits: 70 }, priority: "CRITICAL" });
    expect(s.node(high).tranches.left).toEqual(gone(0, 10));
    expect(left()).toEqual(gone(0, 20));
  });

  test("where less is granted than wished, the carve is cut to it, the wrap-up reserve last", () => {
    const { s, account } = carved();
    const wish = s.openWish(account, {
      limits: { credits: 90, priorityBonus: 30, emergencyReserve: 30, wrapUpReserve: 30 },
      min: { credits: 10 },
    });
    const opened = s.expect("opened", { type: "grant", wish });
    expect(opened.limits).toMatchObject({ credits: 50, priorityBonus: 0, emergencyReserve: 20, wrapUpReserve: 30 });
  });
});

describe("no reserve is laundered", () => {
  test("what a HIGH child drew of the bonus and gives back is bonus again: NORMAL work cannot use it", () => {
    const { s, account, open, tryOpen, left } = carved();
    const normal = open(50);
    const high = open(30, "HIGH");
    s.close(high);
    expect(left()).toEqual(gone(30, 20));
    expect(s.credits(account)).toMatchObject({ available: 50 });
    expect(conflictOf(tryOpen(1))).toMatchObject({ available: 0, never: false });
    s.close(normal);
    expect(tryOpen(50).type).toBe("opened");
  });

  test("what comes back refills in reverse order: the reserve, then the bonus, then general credits", () => {
    const { s, open, left, drawnBy } = carved();
    const critical = open(100, "CRITICAL");
    const amounts = (credits: number) => ({ credits, toolCalls: 0, branches: 0, memoryBytes: 0 }) as never;
    const shrink = (preemptionId: string, credits: number) =>
      s.run({
        type: "reclaim",
        preemptionId,
        allocationId: critical,
        epoch: 1,
        amounts: amounts(credits),
        mode: "SHRINK",
        reason: "r",
      });
    shrink("a", 15);
    expect(left()).toEqual(gone(0, 15));
    shrink("b", 25);
    expect([left(), drawnBy(critical)]).toEqual([gone(20, 20), gone(10)]);
    shrink("c", 25);
    expect([left(), drawnBy(critical)]).toEqual([gone(30, 20), undefined]);
  });

  test("an overrun takes general credits, the bonus, then the reserve, whoever caused it; debt is paid before a reserve is refilled", () => {
    const { s, account, open, left } = carved();
    const critical = open(90, "CRITICAL");
    const low = s.open(account, { limits: { credits: 0 }, priority: "LOW", holder: "holder" });
    s.report(low, 1, usage({ credits: 30, overrunCredits: 30 }));
    expect(left()).toEqual(gone());
    expect(s.credits(account)).toMatchObject({ debt: 20 });
    s.close(critical);
    // Ninety come back: forty general ones, thirty of the bonus and ten of the reserve, and of fifty general credits twenty pay the debt.
    expect(left()).toEqual(gone(30, 10));
    expect(s.credits(account)).toMatchObject({ available: 70 });
  });

  test("in doubt the make-up stays; what a silent holder brings back refills, also after a write-off", () => {
    for (const isWrittenOff of [false, true]) {
      const { s, account, left } = carved();
      const wish = { limits: { credits: 100 }, priority: "CRITICAL", holder: "holder", leaseTtlMs: 1_000 } as const;
      const critical = s.open(account, wish);
      s.report(critical, 1, usage({ credits: 10 }));
      s.wait(1_000 + LIMITS.leaseMarginMs + LIMITS.dueBucketMs);
      expect(s.credits(account)).toMatchObject({ inDoubt: 90 });
      if (isWrittenOff) expect(s.writeOff(critical).type).toBe("written_off");
      expect(left()).toEqual(gone());
      s.report(critical, 2, usage({ credits: 60, corrections: 0 }), { final: true });
      expect(left()).toEqual(gone(20, 20));
      expect(s.credits(account)).toMatchObject({ available: 40, spent: 60 });
      expect(s.node(account).tranches.drawers.size).toBe(0);
    }
  });
});

describe("strategies", () => {
  test("QUEUE_AND_WAIT: HIGH work does not pass who waits by taking general credits, and may have the bonus when there are none", () => {
    const { s, account, open, tryOpen } = carved(CARVED, { strategy: "QUEUE_AND_WAIT" });
    const first = open(20);
    const waits = s.openWish(account, { limits: { credits: 50 }, waitMs: 60_000 });
    expect(s.grant(waits)).toMatchObject({ type: "queued", conflict: { available: 30 } });
    expect(tryOpen(10, "HIGH").type).toBe("refused");
    s.close(first);
    expect(s.last.messages).toMatchObject(expect.arrayContaining([expect.objectContaining({ type: "decided" })]));
    s.grant(s.openWish(account, { limits: { credits: 50 }, waitMs: 60_000 }));
    expect(tryOpen(10, "HIGH").type).toBe("refused");
    const behind = s.openWish(account, { limits: { credits: 10 }, priority: "HIGH", waitMs: 60_000 });
    expect(s.grant(behind).type).toBe("queued");
  });

  test("PRIORITY_BASED: a HIGH request is served out of the bonus though NORMAL ones wait", () => {
    const { s, account, open, tryOpen } = carved(CARVED, { strategy: "PRIORITY_BASED" });
    open(50);
    s.grant(s.openWish(account, { limits: { credits: 50 }, waitMs: 60_000 }));
    expect(tryOpen(30, "HIGH").type).toBe("opened");
  });

  test("PROPORTIONAL_SHARING: general credits are divided; what is drawn of a tranche is beside the share", () => {
    const { s, account, drawnBy } = carved({ credits: 100, priorityBonus: 40 }, { strategy: "PROPORTIONAL_SHARING" });
    const wish = (credits: number, priority: Priority, min: number) => ({
      limits: { credits },
      priority,
      min: { credits: min },
    });
    const one = s.open(account, { ...wish(100, "NORMAL", 0) });
    const high = s.open(account, { ...wish(70, "HIGH", 70) });
    const limitOf = (id: string) => s.node(id).books.credits.limit;
    expect([limitOf(one) + limitOf(high) <= 100, limitOf(high)]).toEqual([true, 70]);
    expect(drawnBy(high)?.bonus).toBeGreaterThan(0);
    expect(drawnBy(one)).toBeUndefined();
  });

  test("PREEMPTION_ALLOWED: a reserve set aside is not free for a NORMAL claim, which takes from LOW work instead", () => {
    const rules = { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0 } } as const;
    const { s, account, open, left } = carved(CARVED, rules);
    const low = open(50, "LOW");
    s.wait(1_000);
    const wish = s.openWish(account, { limits: { credits: 20 }, waitMs: 60_000 });
    expect(s.grant(wish)).toMatchObject({ type: "opened" });
    expect(s.credits(low)).toMatchObject({ limit: 30 });
    expect(left()).toEqual(gone(30, 20));
    const high = s.openWish(account, { limits: { credits: 30 }, priority: "HIGH", waitMs: 60_000 });
    expect(s.grant(high).type).toBe("opened");
    expect(s.credits(low)).toMatchObject({ limit: 30 });
  });

  test("nothing is taken from work that is paid from the emergency reserve, nor from the final step", () => {
    const rules = { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0 } } as const;
    const { s, account, open } = carved({ ...CARVED, credits: 110, wrapUpReserve: 10 }, rules);
    open(100, "CRITICAL");
    s.open(account, { limits: { credits: 10 }, priority: "LOW", wrapUp: true });
    s.wait(1_000);
    const wish = s.openWish(account, { limits: { credits: 50 }, priority: "EMERGENCY", waitMs: 60_000 });
    expect(conflictOf(s.grant(wish)).preemption).toContain("nothing may be taken for");
    expect(s.node(account).children.size).toBe(2);
  });
});

describe("the wrap-up reserve", () => {
  const WITH_RESERVE = { credits: 100, wrapUpReserve: 25 };

  test("is for the final step alone, and there though all else is used up", () => {
    const { s, account, open, tryOpen } = carved(WITH_RESERVE);
    open(75, "EMERGENCY");
    expect(conflictOf(tryOpen(1, "EMERGENCY"))).toMatchObject({ available: 0 });
    const last = s.open(account, { limits: { credits: 25 }, wrapUp: true });
    expect(s.node(account).tranches.finalStep).toBe(s.node(last));
    s.settle(s.reserve(last, { wanted: { credits: 20 } }), { credits: 20 });
    s.close(last);
    expect(s.node(account).tranches).toMatchObject({ left: gone(0, 0, 5), finalStep: undefined });
    s.open(account, { limits: { credits: 5 }, wrapUp: true });
  });

  test("is drawn before general credits, and grows by these", () => {
    const { s, account, left } = carved(WITH_RESERVE);
    const last = s.open(account, { limits: { credits: 40 }, wrapUp: true });
    expect(left()).toEqual(gone());
    s.grant(s.raiseWish(last, { by: { credits: 60 } }));
    expect(s.credits(account)).not.toHaveProperty("available");
  });

  test("there is one final step at a time, and only where something is kept for it: refused by its field", () => {
    const { s, account } = carved(WITH_RESERVE);
    const plain = s.account({ credits: 10 });
    const fieldOf = (parent: string) => {
      const refusal = refusalOf(s.grant(s.openWish(parent, { limits: { credits: 1 }, wrapUp: true })));
      return refusal.code === "invalid" ? refusal.violations.map(({ field, message }) => `${field}: ${message}`) : [];
    };
    s.open(account, { limits: { credits: 1 }, wrapUp: true });
    expect(fieldOf(account)).toEqual([expect.stringContaining("wrap_up: the final step of account-1 is open already")]);
    expect(fieldOf(plain)).toEqual([expect.stringContaining("wrap_up: account-2 keeps no wrap-up reserve")]);
  });

  test("it does not wait, and is not kept waiting by those who do", () => {
    const { s, account } = carved(WITH_RESERVE, { strategy: "QUEUE_AND_WAIT" });
    s.open(account, { limits: { credits: 75 } });
    s.grant(s.openWish(account, { limits: { credits: 75 }, waitMs: 60_000 }));
    const tooMuch = s.openWish(account, { limits: { credits: 26 }, wrapUp: true, waitMs: 60_000 });
    expect(s.grant(tooMuch).type).toBe("refused");
    s.open(account, { limits: { credits: 25 }, wrapUp: true, waitMs: 60_000 });
  });

  test("no SHRINK takes it while its allocation is open; with the close it goes back", () => {
    const { s, account, open } = carved({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80, wrapUpReserve: 25 } });
    const all = {
      type: "reclaim",
      preemptionId: "p",
      epoch: 1,
      amounts: undefined,
      mode: "SHRINK",
      reason: "r",
    } as const;
    s.run({ ...all, allocationId: run });
    expect(s.credits(run)).toEqual({ limit: 25, available: 25 });
    const last = s.open(run, { limits: { credits: 20 }, wrapUp: true });
    s.settle(s.reserve(last, { wanted: { credits: 20 } }), { credits: 5 });
    expect(s.credits(last)).toEqual({ limit: 20, available: 15, spent: 5, usage: 5 });
    s.close(last);
    open(75);
    s.close(run);
    expect(s.credits(account)).toMatchObject({ available: 20, spent: 5 });
  });
});

describe("other sizes", () => {
  const update = (s: Scenario, allocationId: string, numbers: LimitNumbers) =>
    s.ask({ type: "update_limits", caller: "person", requestId: s.id("u"), allocationId, limits: limits(numbers) });

  test("growing takes general credits that are free, shrinking gives them back; what is out comes back as general", () => {
    const { s, account, open, left, drawnBy } = carved();
    const high = open(60, "HIGH");
    expect(drawnBy(high)).toEqual(gone(10));
    const message = JSON.stringify(refusalOf(update(s, account, { emergencyReserve: 21 })));
    expect(message).toContain("overrides.emergency_reserve");
    expect(message).toContain("20 is the most that is possible now");
    expect(update(s, account, { credits: 110, emergencyReserve: 25 }).type).toBe("updated");
    expect(left()).toEqual(gone(20, 25));
    expect(update(s, account, { priorityBonus: 5 })).toMatchObject({
      before: { credits: 110, priorityBonus: 30 },
      after: { priorityBonus: 5 },
    });
    expect([left(), drawnBy(high)]).toEqual([gone(0, 25), gone(5)]);
    s.close(high);
    expect(left()).toEqual(gone(5, 25));
    expect(s.credits(account)).toEqual({ limit: 110, available: 110 });
  });

  test("the accounts file sets them: what it does not name is carved no longer", () => {
    const { s, account, left } = carved();
    const set = (numbers: LimitNumbers) =>
      s.ask({ type: "set_limits", allocationId: account, limits: limits(numbers), policy: {} });
    expect(set({ credits: 60, wrapUpReserve: 60 }).type).toBe("done");
    expect(left()).toEqual(gone(0, 0, 60));
    const refusal = refusalOf(set({ credits: 59, wrapUpReserve: 60 }));
    expect(refusal).toMatchObject({ code: "invalid", violations: [{ field: "limits.credits" }] });
    expect(set({ credits: 60 }).type).toBe("done");
    s.open(account, { limits: { credits: 60 } });
    expect(refusalOf(set({ credits: 60, priorityBonus: 1 }))).toMatchObject({
      violations: [{ field: "limits.priority_bonus" }],
    });
  });

  test("a raise pays a debt first: only what is left of it can be carved", () => {
    const { s, account, left } = carved({ credits: 14 });
    s.settle(s.reserve(account, { wanted: { credits: 14 } }), { credits: 52 });
    const set = (numbers: LimitNumbers) =>
      s.ask({ type: "set_limits", allocationId: account, limits: limits(numbers), policy: {} });
    expect(refusalOf(set({ credits: 144, priorityBonus: 93 }))).toMatchObject({
      violations: [{ field: "limits.priority_bonus", message: expect.stringContaining("92 is the most") }],
    });
    expect(refusalOf(update(s, account, { credits: 144, priorityBonus: 93 })).code).toBe("invalid");
    expect(set({ credits: 144, priorityBonus: 92 }).type).toBe("done");
    expect([left(), s.credits(account)]).toEqual([
      gone(92),
      { limit: 144, available: 92, spent: 52, overrun: 38, usage: 52 },
    ]);
  });

  test("a carve without credits, or larger than they are, is refused by its field", () => {
    const s = new Scenario();
    const unlimited = s.account();
    const fields = (numbers: LimitNumbers) => {
      const refusal = refusalOf(s.grant(s.openWish(unlimited, { limits: numbers, min: {} })));
      return refusal.code === "invalid" ? refusal.violations.map(({ field }) => field) : [];
    };
    expect(fields({ wrapUpReserve: 1 })).toEqual(["limits.wrap_up_reserve"]);
    expect(fields({ credits: 9, priorityBonus: 5, emergencyReserve: 5 })).toEqual(["limits.emergency_reserve"]);
    expect(refusalOf(update(s, unlimited, { priorityBonus: 1 }))).toMatchObject({
      violations: [{ field: "overrides.priority_bonus", message: expect.stringContaining("no limit of its own") }],
    });
  });
});
