/** A person's acts: accounts, their limits, and the notes that services keep. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import type { Outcome } from "./outcome.ts";
import type { Policy } from "./policy.ts";
import { conflictOf, limits, refusalOf, Scenario, some } from "./scenario.test-support.ts";

function set(s: Scenario, allocationId: string, numbers: Parameters<typeof limits>[0], policy: Policy = {}): Outcome {
  return s.ask({ type: "set_limits", allocationId, limits: limits(numbers), policy });
}

describe("opening an account", () => {
  test("again changes nothing: the journal is the truth", () => {
    const s = new Scenario();
    const root = { type: "open_root", allocationId: "a", name: "a", policy: {} } as const;
    expect(s.ask({ ...root, limits: limits({ credits: 10 }) })).toMatchObject({ type: "opened", repeated: false });
    const again = s.ask({ ...root, limits: limits({ credits: 99 }) });
    expect(again).toMatchObject({ type: "opened", limits: { credits: 10 }, repeated: true });
    expect(s.last.events).toEqual([]);
  });
});

describe("changing the limits of an account", () => {
  test("up and down, to what is used and granted; the counters tell both", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    s.open(account, { limits: { credits: 40 } });
    s.settle(s.reserve(account, { wanted: { credits: 10 } }), { credits: 10 });
    expect(set(s, account, { credits: 250 })).toEqual({ type: "done", changed: true });
    expect(s.credits(account)).toMatchObject({ limit: 250, available: 200 });
    const refusal = refusalOf(set(s, account, { credits: 49 }));
    expect(refusal).toMatchObject({ code: "invalid", violations: [{ field: "limits.credits" }] });
    expect(refusal).toMatchObject({ violations: [{ message: expect.stringContaining("uses or has granted 50") }] });
    set(s, account, { credits: 50 });
    expect(s.credits(account)).toMatchObject({ limit: 50, granted: 40, spent: 10 });
    expect(s.node(account)).toMatchObject({ grantedTotal: { credits: 250 }, returnedTotal: { credits: 200 } });
    expect(set(s, account, { credits: 50 })).toEqual({ type: "done", changed: false });
  });

  test("a raise pays debt and serves who waits, a change of policy does too", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { strategy: "QUEUE_AND_WAIT" });
    s.settle(s.reserve(account, { wanted: { credits: 10 } }), { credits: 15 });
    const wish = s.openWish(account, { limits: { credits: 4 }, waitMs: 60_000 });
    s.grant(wish);
    set(s, account, { credits: 18 }, { strategy: "QUEUE_AND_WAIT" });
    expect(s.credits(account)).toMatchObject({ available: 3 });
    expect(s.node(account).waiters.size).toBe(1);
    set(s, account, { credits: 20 });
    expect(s.last.messages).toMatchObject([
      { type: "decided", requestId: wish.requestId, outcome: { type: "opened" } },
    ]);
    expect(s.node(account).policy).toEqual({});
  });

  test("the same policy said in another order changes nothing, as after a restart", () => {
    const s = new Scenario();
    const preemption = { worst: "PAUSE", protectMs: 0 } as const;
    const account = s.account({ credits: 9 }, { strategy: "PREEMPTION_ALLOWED", preemption });
    const again: Policy = { preemption: { protectMs: 0, worst: "PAUSE" }, strategy: "PREEMPTION_ALLOWED" };
    expect(set(s, account, { credits: 9 }, again)).toEqual({ type: "done", changed: false });
    const other: Policy = { ...again, lowBudgetPercents: [50, 60] };
    expect(set(s, account, { credits: 9 }, other)).toEqual({ type: "done", changed: true });
  });

  test("below another account it is taken from there, or refused with the conflict", () => {
    const s = new Scenario();
    const company = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const team = s.open(company, { kind: "account", limits: { credits: 60 } });
    expect(conflictOf(set(s, team, { credits: 101 }))).toMatchObject({
      wanted: 41,
      available: 40,
      ancestorId: company,
    });
    set(s, team, { credits: 90 });
    expect(s.credits(company)).toMatchObject({ granted: 90, available: 10 });
    const wish = s.openWish(company, { limits: { credits: 70 }, waitMs: 60_000 });
    s.grant(wish);
    set(s, team, { credits: 20 });
    expect(s.last.messages).toMatchObject([{ type: "decided", requestId: wish.requestId }]);
    expect(s.credits(company)).toMatchObject({ granted: 90, available: 10 });
  });

  test("up in one resource and down in another at once: who waits above cannot take what the raise needs", () => {
    const s = new Scenario();
    const company = s.account({ credits: 100, memoryBytes: 10 }, { strategy: "QUEUE_AND_WAIT" });
    const team = s.open(company, { kind: "account", limits: { credits: 100 } });
    const wish = s.openWish(company, { limits: { credits: 50, memoryBytes: 10 }, kind: "account", waitMs: 60_000 });
    s.grant(wish);
    expect(set(s, team, { credits: 50, memoryBytes: 10 })).toEqual({ type: "done", changed: true });
    expect(s.node(company).held.memoryBytes).toMatchObject({ inUse: 10 });
    expect(s.node(company).waiters.size).toBe(1);
  });

  test("only of an account that is known, open, and limited in the same resources", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { kind: "run" });
    expect(refusalOf(set(s, "nobody", {}))).toMatchObject({ code: "not_found" });
    expect(refusalOf(set(s, run, { credits: 1 }))).toMatchObject({ code: "not_permitted" });
    const unlimited = refusalOf(set(s, account, { toolCalls: 5 }));
    expect(unlimited).toMatchObject({ violations: [{ field: "limits.credits" }, { field: "limits.toolCalls" }] });
    const team = s.open(account, { kind: "account", limits: { credits: 10 } });
    s.close(team);
    expect(refusalOf(set(s, team, { credits: 20 }))).toMatchObject({ code: "closing", allocationId: team });
    expect(s.credits(account)).toMatchObject({ available: 100 });
  });
});

describe("notes", () => {
  test("of a change of limits are kept with it, and only when it is made", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    s.open(account, { limits: { credits: 40 } });
    const change = (credits: number, value: string): Outcome => {
      const note = { key: "from", value };
      return s.ask({ type: "set_limits", allocationId: account, limits: limits({ credits }), policy: {}, note });
    };
    const kept = () => s.node(account).notes.get("from");
    refusalOf(change(39, "a"));
    expect(kept()).toBeUndefined();
    expect(change(50, "b")).toEqual({ type: "done", changed: true });
    expect(kept()).toBe("b");
    expect(change(50, "b")).toEqual({ type: "done", changed: false });
    expect(refusalOf(change(60, "x".repeat(LIMITS.noteCharsMax + 1)))).toMatchObject({
      violations: [{ field: "from" }],
    });
    expect(s.credits(account)).toMatchObject({ limit: 50 });
  });

  const attach = (s: Scenario, allocationId: string, key: string, value: string) =>
    s.ask({ type: "attach_note", allocationId, key, value });

  test("are kept with the allocation, also when it is closed, and across a restart", () => {
    const s = new Scenario();
    const run = s.open(s.account());
    attach(s, run, "routine", "a");
    expect(attach(s, run, "routine", "a")).toEqual({ type: "done", changed: false });
    s.close(run);
    attach(s, run, "report", "b");
    s.restart();
    expect([...s.node(run).notes]).toEqual([
      ["routine", "a"],
      ["report", "b"],
    ]);
  });

  test("come with a received grant", () => {
    const s = new Scenario();
    const receiving = { ...s.receiving(), notes: [["routine", "text"]] as const };
    s.expect("opened", receiving);
    expect(s.node(receiving.allocationId).notes.get("routine")).toBe("text");
  });

  test("are bounded in number and length", () => {
    const s = new Scenario();
    const receiving = {
      ...s.receiving(),
      notes: Array.from({ length: LIMITS.notesMax }, (_, i) => [`k${i}`, "v"] as const),
    };
    s.expect("opened", receiving);
    const run = receiving.allocationId;
    expect(refusalOf(attach(s, run, "one more", "v"))).toMatchObject({ code: "invalid" });
    expect(attach(s, run, "k0", "changed")).toEqual({ type: "done", changed: true });
    expect(refusalOf(attach(s, run, "k0", "x".repeat(LIMITS.noteCharsMax + 1)))).toMatchObject({ code: "invalid" });
    expect(refusalOf(attach(s, "nobody", "k", "v"))).toMatchObject({ code: "not_found" });
  });
});

describe("time", () => {
  test("engine time that falls is a broken invariant", () => {
    const s = new Scenario();
    s.nowMs = 100;
    const account = s.account({ credits: 1 });
    s.nowMs = 99;
    expect(() => s.close(account)).toThrow("engine time fell");
  });

  test("a tick without anything due changes nothing", () => {
    const s = new Scenario();
    s.open(s.account({ credits: 1 }));
    expect(s.wait(1_000_000)).toMatchObject({ events: [], messages: [], outcome: { changed: false } });
    expect(some()).toEqual({ credits: 0, toolCalls: 0, branches: 0, memoryBytes: 0 });
  });
});
