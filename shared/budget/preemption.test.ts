/** Preemption by SHRINK: give back what is free now, and the rest before anything local. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { conflictOf, refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";

type Numbers = Parameters<typeof some>[0];

class Reclaiming extends Scenario {
  reclaim(allocationId: string, amounts: Numbers | "all", preemptionId = "p1") {
    const wanted = amounts === "all" ? undefined : some(amounts);
    const which = { preemptionId, allocationId, epoch: undefined, amounts: wanted } as const;
    return this.ask({ type: "reclaim", ...which, mode: "SHRINK", reason: "needed elsewhere" });
  }

  cancel(allocationId: string, preemptionId = "p1") {
    return this.ask({ type: "cancel_reclaim", preemptionId, allocationId });
  }
}

describe("what comes back at once", () => {
  test("what is free at the node goes to its parent, and the answer says what is pending", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    s.reserve(run, { wanted: { credits: 30 } });
    expect(s.reclaim(run, { credits: 40 })).toEqual({
      type: "reclaimed",
      preemptionId: "p1",
      reclaimed: some({ credits: 40 }),
      pending: some(),
      met: true,
      exhausted: false,
      returnedTotal: some({ credits: 40 }),
      waitingOn: [],
      victims: [],
    });
    expect(s.credits(account)).toEqual({ limit: 100, available: 60, granted: 40 });
  });

  test("it is collected from the whole local tree, and can never be spent below again", () => {
    const s = new Reclaiming();
    const run = s.receive({ credits: 100, branches: 4 });
    const branch = s.open(run, { kind: "branch", limits: { credits: 60, branches: 2 } });
    const step = s.open(branch, { limits: { credits: 30 } });
    s.reserve(step, { wanted: { credits: 10 } });
    expect(s.reclaim(run, { credits: 85 })).toMatchObject({ reclaimed: { credits: 85 }, met: true });
    expect([run, branch, step].map((id) => s.credits(id).available ?? 0)).toEqual([0, 0, 5]);
    expect(s.last.messages.filter(({ type }) => type === "returned").at(-1)).toMatchObject({
      returnedTotal: some({ credits: 85 }),
    });
    expect(conflictOf(s.tryReserve(step, { wanted: { credits: 6 } })).available).toBe(5);
  });

  test("without an amount: all that can be had, held resources too", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100, toolCalls: 9, branches: 5, memoryBytes: 70 });
    const run = s.open(account, { limits: { credits: 80, toolCalls: 9, branches: 3, memoryBytes: 70 } });
    s.reserve(run, { wanted: { credits: 10, memoryBytes: 20 } });
    expect(s.reclaim(run, "all")).toMatchObject({
      reclaimed: some({ credits: 70, toolCalls: 9, branches: 3, memoryBytes: 50 }),
      pending: some({ credits: 10, memoryBytes: 20 }),
      met: false,
    });
  });

  test("not more is asked than is not known to be used up", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    s.settle(s.reserve(run, { wanted: { credits: 30 } }), { credits: 30 });
    expect(s.reclaim(run, { credits: 80 })).toMatchObject({ reclaimed: { credits: 50 }, pending: some(), met: true });
  });

  test("whoever waits at the parent gets it in the same decision", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const run = s.open(account, { limits: { credits: 100 } });
    const wish = s.openWish(account, { limits: { credits: 25 }, waitMs: 1_000 });
    s.grant(wish);
    s.reclaim(run, { credits: 25 });
    expect(s.last.messages).toContainEqual(expect.objectContaining({ type: "decided", requestId: wish.requestId }));
  });
});

describe("what stays pending", () => {
  test("is fed by settles before anything local, until it is met", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 100 }, policy: { strategy: "QUEUE_AND_WAIT" } });
    const [one, two] = [50, 50].map((credits) => s.reserve(run, { wanted: { credits } }));
    const inside = s.openWish(run, { limits: { credits: 20 }, waitMs: 60_000 });
    s.grant(inside);
    expect(s.reclaim(run, { credits: 60 })).toMatchObject({ pending: { credits: 60 }, met: false });
    s.settle(one ?? "", { credits: 10 });
    expect(s.last.messages).toEqual([
      {
        type: "reclaim_progress",
        preemptionId: "p1",
        allocationId: run,
        reclaimed: some({ credits: 40 }),
        pending: some({ credits: 20 }),
        returnedTotal: some({ credits: 40 }),
        exhausted: false,
        ended: false,
      },
    ]);
    expect(s.node(run).waiters.size).toBe(1);
    s.settle(two ?? "", { credits: 5 });
    expect(s.last.messages.map(({ type }) => type)).toEqual(["reclaim_progress", "decided"]);
    expect(s.credits(run)).toEqual({ limit: 40, available: 5, granted: 20, spent: 15, usage: 15 });
    expect(s.node(run).reclaims.size).toBe(0);
  });

  test("is fed by what closes deep below, through every level", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 100 } });
    const branch = s.open(run, { limits: { credits: 100 } });
    const step = s.open(branch, { limits: { credits: 100 } });
    const hold = s.reserve(step, { wanted: { credits: 100 } });
    s.reclaim(run, { credits: 70 });
    s.settle(hold, { credits: 20 });
    expect(s.credits(account)).toMatchObject({ available: 70, granted: 30 });
    expect(s.credits(step)).toMatchObject({ limit: 30, available: 10, spent: 20 });
  });

  test("the older preemption is fed first, at the node itself before its ancestors", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 100 } });
    const step = s.open(run, { limits: { credits: 100 } });
    const hold = s.reserve(step, { wanted: { credits: 100 } });
    s.reclaim(run, { credits: 30 }, "above");
    s.reclaim(step, { credits: 30 }, "first");
    s.reclaim(step, { credits: 30 }, "second");
    s.settle(hold, { credits: 60 });
    const met = s.last.events.flatMap((event) => (event.type === "reclaim_ended" ? [event.preemptionId] : []));
    // What the step gives up is free at the run, and so goes on to the preemption there.
    expect(met).toEqual(["above", "first"]);
    expect(s.node(step).reclaims.get("second")?.reclaimed).toEqual(some({ credits: 10 }));
  });

  test("a debt on the way is paid first, and the preemption goes on taking until it has its own", () => {
    const s = new Reclaiming();
    const run = s.receive({ credits: 100 });
    const step = s.open(run, { limits: { credits: 60 } });
    const hold = s.reserve(step, { wanted: { credits: 60 } });
    const own = s.reserve(run, { wanted: { credits: 40 } });
    s.reclaim(run, { credits: 10 });
    s.settle(own, { credits: 55, final: false });
    expect(s.credits(run)).toMatchObject({ debt: 15 });
    s.settle(hold, { credits: 20 });
    expect(s.credits(run)).toMatchObject({ limit: 90, granted: 35, spent: 55 });
    expect(s.node(run).reclaims.size).toBe(0);
  });

  test("what a raise brings goes to it as well", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 50 } });
    s.reserve(run, { wanted: { credits: 50 } });
    s.reclaim(run, { credits: 20 });
    s.grant(s.raiseWish(run, { by: { credits: 30 } }));
    expect(s.credits(run)).toEqual({ limit: 60, available: 10, reserved: 50 });
  });

  test("ends when it is cancelled, or when the allocation closes", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 100 } });
    const hold = s.reserve(run, { wanted: { credits: 100 } });
    s.reclaim(run, { credits: 20 }, "p1");
    s.reclaim(run, { credits: 30 }, "p2");
    expect(s.cancel(run, "p1")).toEqual({ type: "done", changed: true });
    expect(refusalOf(s.cancel(run, "p1"))).toMatchObject({ code: "not_found" });
    s.settle(hold, { credits: 90 });
    expect(s.credits(account)).toMatchObject({ available: 10 });
    s.close(run);
    expect(s.last.events).toContainEqual(
      expect.objectContaining({ type: "reclaim_ended", preemptionId: "p2", cause: "closed" }),
    );
  });
});

describe("idempotent by preemption_id", () => {
  test("again while it is pending, again when it is over: the same standing, nothing taken twice", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 100 } });
    const hold = s.reserve(run, { wanted: { credits: 90 } });
    s.reclaim(run, { credits: 30 });
    expect(s.reclaim(run, { credits: 30 })).toMatchObject({ reclaimed: { credits: 10 }, pending: { credits: 20 } });
    expect(s.last.events).toEqual([]);
    s.settle(hold, { credits: 0 });
    expect(s.reclaim(run, { credits: 30 })).toMatchObject({ reclaimed: { credits: 30 }, met: true });
    expect(s.last.events).toEqual([]);
    expect(s.credits(run)).toMatchObject({ limit: 70 });
  });

  test("the pending ones of an allocation are bounded, the ended ones are forgotten oldest first", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 10_000 });
    const run = s.open(account, { limits: { credits: 10_000 } });
    const hold = s.reserve(run, { wanted: { credits: 10_000 } });
    s.quickly(() => {
      for (let i = 0; i < LIMITS.pendingReclaimsMax; i += 1) s.reclaim(run, { credits: 1 }, `p${i}`);
    });
    expect(refusalOf(s.reclaim(run, { credits: 1 }, "one more"))).toMatchObject({ code: "too_many" });
    expect(s.reclaim(run, { credits: 1 }, "p0")).toMatchObject({ met: false });
    s.quickly(() => {
      s.settle(hold, { credits: 0 });
      for (let i = 0; i < LIMITS.endedReclaimsMax; i += 1) s.reclaim(run, { credits: 1 }, `q${i}`);
    });
    expect([s.node(run).reclaims.size, s.node(run).endedReclaims.size]).toEqual([0, LIMITS.endedReclaimsMax]);
    expect(s.node(run).endedReclaims.has("p0")).toBe(false);
  });
});

describe("allocations that other daemons hold", () => {
  test("are asked, in the order in which they were opened, for what is not free here", () => {
    const s = new Reclaiming();
    const run = s.receive({ credits: 100 });
    const branch = s.open(run, { limits: { credits: 90 } });
    const one = s.open(branch, { limits: { credits: 40 }, holder: "execution-1" });
    const two = s.open(branch, { limits: { credits: 40 }, holder: "execution-2" });
    s.report(one, 1, usage({ credits: 10 }), { caller: "execution-1" });
    expect(s.reclaim(run, { credits: 60 })).toMatchObject({
      reclaimed: { credits: 20 },
      pending: { credits: 40 },
      waitingOn: [one, two],
    });
    const asked = s.last.messages.filter((message) => message.type === "reclaim_child");
    expect(asked).toMatchObject([
      { holder: "execution-1", allocationId: one, epoch: 1, amounts: some({ credits: 30 }), mode: "SHRINK" },
      { holder: "execution-2", allocationId: two, epoch: 1, amounts: some({ credits: 10 }) },
    ]);
    const giveBack = (allocationId: string, caller: string, credits: number) =>
      s.ask({ type: "receive_return", caller, allocationId, epoch: 1, returnedTotal: some({ credits }) });
    giveBack(two, "execution-2", 10);
    expect(s.reclaim(run, {})).toMatchObject({ reclaimed: { credits: 30 }, waitingOn: [one] });
    giveBack(one, "execution-1", 30);
    expect(s.reclaim(run, {})).toMatchObject({ reclaimed: { credits: 60 }, met: true, waitingOn: [] });
    expect(s.credits(run)).toEqual({ limit: 40, granted: 40, usage: 10 });
  });

  test("one that is preempted itself is asked, and its returns are told as progress", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 100 }, holder: "holder" });
    expect(s.reclaim(run, { credits: 50 })).toMatchObject({ reclaimed: some(), pending: { credits: 50 } });
    const giveBack = (credits: number) =>
      s.ask({
        type: "receive_return",
        caller: "holder",
        allocationId: run,
        epoch: 1,
        returnedTotal: some({ credits }),
      });
    giveBack(20);
    expect(s.last.messages).toMatchObject([{ type: "reclaim_progress", reclaimed: { credits: 20 }, ended: false }]);
    // A surplus beyond what was asked is just a return.
    giveBack(70);
    expect(s.last.messages).toMatchObject([{ type: "reclaim_progress", reclaimed: { credits: 50 }, ended: true }]);
    expect(s.credits(account)).toEqual({ limit: 100, available: 70, granted: 30 });
  });

  test("cancelling ends what was asked of them too", () => {
    const s = new Reclaiming();
    const run = s.receive({ credits: 100 });
    const there = s.open(s.open(run, { limits: { credits: 100 } }), {
      limits: { credits: 100 },
      holder: "execution-1",
    });
    s.reclaim(run, { credits: 60 });
    expect(s.node(there).reclaims.size).toBe(1);
    s.cancel(run);
    expect(s.node(there).reclaims.size).toBe(0);
  });
});

describe("refused", () => {
  test("old epochs, unknown allocations, accounts at the top", () => {
    const s = new Reclaiming();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 10 } });
    const reclaim = { type: "reclaim", preemptionId: "p", amounts: undefined, reason: "r" } as const;
    expect(refusalOf(s.ask({ ...reclaim, allocationId: run, epoch: 2, mode: "SHRINK" }))).toMatchObject({
      code: "stale_epoch",
    });
    expect(refusalOf(s.reclaim("nobody", "all"))).toMatchObject({ code: "not_found" });
    expect(refusalOf(s.reclaim(account, "all"))).toMatchObject({ code: "not_permitted" });
  });

  test("for the sake of an equal, or of somebody lower: nobody gives way to it, and nothing is changed", () => {
    const s = new Reclaiming();
    const run = s.open(s.account({ credits: 100 }), { limits: { credits: 100 }, priority: "HIGH" });
    const reclaim = { type: "reclaim", preemptionId: "p", allocationId: run, epoch: undefined } as const;
    const ask = (claimantPriority: "NORMAL" | "HIGH" | "CRITICAL", mode: "SHRINK" | "PAUSE" | "STOP") =>
      s.ask({ ...reclaim, amounts: undefined, mode, reason: "r", claimantPriority });
    for (const mode of ["SHRINK", "PAUSE", "STOP"] as const) {
      for (const equal of ["NORMAL", "HIGH"] as const) {
        expect(refusalOf(ask(equal, mode))).toMatchObject({
          code: "invalid",
          violations: [{ field: "claimant_priority", message: expect.stringContaining("must be above HIGH") }],
        });
        expect(s.last.events).toEqual([]);
      }
    }
    expect(ask("CRITICAL", "SHRINK")).toMatchObject({ reclaimed: { credits: 100 } });
  });

  test("of a closed allocation there is nothing more to have", () => {
    const s = new Reclaiming();
    const run = s.open(s.account({ credits: 100 }), { limits: { credits: 10 } });
    s.close(run);
    expect(s.reclaim(run, "all")).toMatchObject({ reclaimed: some(), pending: some(), met: true });
    expect(s.last.events).toEqual([]);
  });
});
