import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import type { PreemptionMode } from "./policy.ts";
import { refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";

class Pausing extends Scenario {
  take(allocationId: string, mode: PreemptionMode, { preemptionId = "p", graceMs = 0 } = {}) {
    const which = { preemptionId, allocationId, epoch: undefined, amounts: undefined } as const;
    return this.ask({ type: "reclaim", ...which, mode, reason: "by hand", graceMs });
  }

  resume(allocationId: string, requestId = "again") {
    return this.ask({ type: "resume", caller: "person", requestId, allocationId });
  }

  /** What the holder hears of the pauses that are over, with its counter. */
  hear(allocationId: string, pausesOver: readonly string[], granted = {}) {
    const counter = { epoch: 1, grantedTotal: some(granted) };
    return this.ask({ type: "receive_limit", allocationId, ...counter, pausesOver });
  }

  said(type: string) {
    return this.last.messages.filter((message) => message.type === type);
  }
}

describe("PAUSE", () => {
  test("takes all that is free, and nothing new is reserved or opened below until it goes on", () => {
    const s = new Pausing();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    const step = s.open(run, { limits: { credits: 30 } });
    const hold = s.reserve(step, { wanted: { credits: 10 } });
    expect(s.take(run, "PAUSE")).toMatchObject({ reclaimed: { credits: 70 }, pending: { credits: 10 }, met: false });
    expect(s.said("paused")).toEqual([{ type: "paused", allocationId: run, preemptionId: "p", reason: "by hand" }]);
    expect(s.credits(account)).toEqual({ limit: 100, available: 90, granted: 10 });
    for (const refusal of [
      refusalOf(s.tryReserve(step, { wanted: {} })),
      refusalOf(s.grant(s.openWish(run))),
      refusalOf(s.grant(s.raiseWish(step, { by: { credits: 1 } }))),
    ])
      expect(refusal).toMatchObject({ code: "paused", allocationId: run, reason: "by hand" });

    s.settle(hold, { credits: 4 });
    expect(s.said("reclaim_progress")).toMatchObject([{ reclaimed: { credits: 76 }, pending: {} }, { ended: true }]);
    expect(s.take(run, "PAUSE")).toMatchObject({ reclaimed: { credits: 76 }, pending: some(), met: true });
    expect(s.credits(run)).toEqual({ limit: 4, granted: 4, usage: 4 });

    expect(s.resume(run)).toMatchObject({ type: "raised", by: { credits: 76 }, repeated: false });
    expect(s.said("resumed")).toEqual([{ type: "resumed", allocationId: run }]);
    expect(s.resume(run)).toMatchObject({ type: "raised", by: { credits: 76 }, repeated: true });
    expect(s.resume(run, "later")).toMatchObject({ type: "done", changed: false });
    s.reserve(run, { wanted: { credits: 76 } });
    s.restart();
    s.assertAnswersStand();
  });

  test("what is used up meanwhile is not waited for", () => {
    const s = new Pausing();
    const run = s.open(s.account({ credits: 100 }), { limits: { credits: 80 } });
    const hold = s.reserve(run, { wanted: { credits: 10 } });
    s.take(run, "PAUSE");
    s.settle(hold, { credits: 10 });
    expect(s.said("reclaim_progress")).toMatchObject([{ reclaimed: { credits: 70 }, pending: some(), ended: true }]);
    expect(s.resume(run)).toMatchObject({ by: { credits: 70 } });
  });

  test("keeps slots and memory for the work that stands still", () => {
    const s = new Pausing();
    const run = s.open(s.account({ credits: 9, branches: 9, memoryBytes: 9 }), {
      limits: { credits: 9, branches: 4, memoryBytes: 4 },
    });
    expect(s.take(run, "PAUSE")).toMatchObject({ reclaimed: some({ credits: 9 }), met: true });
    expect(s.node(run).held).toMatchObject({ branches: { limit: 4 }, memoryBytes: { limit: 4 } });
  });

  test("each holder below is told, however little it has, and gets back what it gave", () => {
    const s = new Pausing();
    const run = s.receive({ credits: 100 });
    const [first, second] = [40, 0].map((credits) => s.open(run, { limits: { credits }, holder: "holder" }));
    const outcome = s.take(run, "PAUSE");
    expect(s.said("reclaim_child")).toMatchObject([
      { allocationId: first, mode: "PAUSE", amounts: { credits: 40 } },
      { allocationId: second, mode: "PAUSE", amounts: some() },
    ]);
    expect(outcome).toMatchObject({ reclaimed: { credits: 60 }, victims: [first, second], waitingOn: [first] });
    s.report(first ?? "", 2, usage({ credits: 15 }));
    const back = { caller: "holder", allocationId: first ?? "", epoch: 1, returnedTotal: some({ credits: 25 }) };
    s.ask({ type: "receive_return", ...back });
    expect(s.said("reclaim_progress").at(-1)).toMatchObject({
      allocationId: run,
      reclaimed: { credits: 85 },
      ended: true,
    });

    // The tier above gives 85 back, and says that the pause is over.
    s.hear(run, ["p"], { credits: 185 });
    expect(s.said("granted")).toMatchObject([
      { allocationId: first, grantedTotal: { credits: 65 }, pausesOver: [`p/${run}/${first}`] },
      { allocationId: second, grantedTotal: some(), pausesOver: [`p/${run}/${second}`] },
    ]);
    expect(s.said("resumed")).toEqual([{ type: "resumed", allocationId: run }]);
    expect(s.credits(run)).toEqual({ limit: 100, available: 60, granted: 40, usage: 15 });
    s.restart();
  });

  test("one that is over before it comes has no effect, and one that is over is so only once", () => {
    const s = new Pausing();
    const step = s.receive({ credits: 10 });
    s.hear(step, ["p"], { credits: 10 });
    expect(s.take(step, "PAUSE")).toMatchObject({ reclaimed: some(), met: true });
    s.reserve(step, { wanted: { credits: 1 } });
    s.take(step, "PAUSE", { preemptionId: "q" });
    s.hear(step, ["p"], { credits: 10 });
    expect(refusalOf(s.tryReserve(step, { wanted: {} }))).toMatchObject({ code: "paused" });
    s.hear(step, ["q", "p"], { credits: 19 });
    expect(s.hear(step, ["q", "p"], { credits: 19 })).toMatchObject({ changed: false });
    s.reserve(step, { wanted: { credits: 9 } });
    s.restart();
  });

  test("two that stand at once are over when both are; and a resumption is all or nothing", () => {
    const s = new Pausing();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    s.take(run, "PAUSE");
    s.take(run, "PAUSE", { preemptionId: "q" });
    const other = s.open(account, { limits: { credits: 90 } });
    expect(refusalOf(s.resume(run))).toMatchObject({
      code: "conflict",
      conflict: { resource: "credits", available: 10 },
    });
    s.ask({ type: "cancel_reclaim", preemptionId: "q", allocationId: run });
    expect(refusalOf(s.tryReserve(run, { wanted: {} }))).toMatchObject({ code: "paused" });
    s.close(other);
    expect(s.resume(run)).toMatchObject({ by: { credits: 80 } });
    s.reserve(run, { wanted: { credits: 80 } });
  });

  test("what was paused from above goes on from above; what is closing, unknown or not paused does not", () => {
    const s = new Pausing();
    const received = s.receive({ credits: 10 });
    s.take(received, "PAUSE");
    expect(refusalOf(s.resume(received))).toMatchObject({ code: "not_permitted" });
    const account = s.account({ credits: 10 });
    const run = s.open(account, { limits: { credits: 10 } });
    const step = s.open(run);
    s.take(run, "PAUSE");
    expect(refusalOf(s.resume(step))).toMatchObject({ code: "paused", allocationId: run });
    s.reserve(account, { wanted: {} });
    s.close(run);
    expect(refusalOf(s.resume(run))).toMatchObject({ code: "closing" });
    expect(refusalOf(s.resume("nobody"))).toMatchObject({ code: "not_found" });
  });
});

describe("STOP", () => {
  test("closes at once what is empty, and says that it is over", () => {
    const s = new Pausing();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    expect(s.take(run, "STOP", { graceMs: 5_000 })).toMatchObject({ reclaimed: { credits: 80 }, met: true });
    expect(s.node(run)).toMatchObject({ state: "closed", closingReason: "by hand" });
    expect(s.said("closing")).toMatchObject([{ allocationId: run, stop: { preemptionId: "p", graceMs: 5_000 } }]);
    expect(s.said("reclaim_progress").at(-1)).toMatchObject({
      reclaimed: { credits: 80 },
      pending: some(),
      ended: true,
    });
    expect(s.take(run, "STOP")).toMatchObject({ reclaimed: { credits: 80 }, pending: some(), met: true });
    expect(s.credits(account)).toEqual({ limit: 100, available: 100 });
  });

  test("calls in flight have until the end of the grace; then they are unconfirmed, and spent", () => {
    const s = new Pausing();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80 } });
    const [settled, silent] = [10, 20].map((credits) => s.reserve(run, { wanted: { credits } }));
    expect(s.take(run, "STOP", { graceMs: 2_000 })).toMatchObject({ reclaimed: { credits: 50 }, met: false });
    const extend = { type: "extend", allocationId: run, holdId: silent ?? "", ttlMs: 60_000 } as const;
    expect(refusalOf(s.ask(extend))).toMatchObject({ code: "closing", reason: "by hand" });
    s.settle(settled ?? "", { credits: 3 });
    s.restart();
    expect(s.wait(1_900 + LIMITS.stopSettleMs).events).toEqual([]);
    s.wait(200);
    expect(s.node(run).state).toBe("closed");
    expect(s.credits(account)).toEqual({ limit: 100, available: 77, spent: 23, usage: 23 });
    expect(s.take(run, "STOP")).toMatchObject({ met: true, pending: some() });
  });

  test("a grant that is held elsewhere is asked and closing; its reports are answered with the same stop", () => {
    const s = new Pausing();
    const run = s.open(s.account({ credits: 100 }), { limits: { credits: 80 }, holder: "holder" });
    expect(s.take(run, "STOP", { graceMs: 700 })).toMatchObject({ reclaimed: some(), met: false });
    const stop = { preemptionId: "p", graceMs: 700 };
    expect(s.said("reclaim_child")).toMatchObject([{ allocationId: run, mode: "STOP", ...stop }]);
    expect(s.said("closing")).toMatchObject([{ allocationId: run, holder: "holder", stop }]);
    expect(s.report(run, 2, usage({ credits: 5 }))).toMatchObject({ state: "closing", stop });
    s.report(run, 3, usage({ credits: 30 }), { final: true });
    expect(s.said("reclaim_progress").at(-1)).toMatchObject({ ended: true });
    expect(s.take(run, "STOP")).toMatchObject({ met: true });
  });

  test("in a run, all its steps stop by the same grace; one that is silent is waited for", () => {
    const s = new Pausing();
    const run = s.receive({ credits: 100 });
    const branch = s.open(run, { limits: { credits: 50 } });
    const steps = [10, 20].map((credits) => s.open(branch, { limits: { credits }, holder: "holder" }));
    const outcome = s.take(run, "STOP", { graceMs: 700 });
    expect(outcome).toMatchObject({ reclaimed: { credits: 70 }, victims: steps, waitingOn: steps, met: false });
    expect(s.said("closing").filter((message) => "holder" in message && message.holder === "holder")).toMatchObject(
      steps.map((allocationId) => ({ allocationId, stop: { preemptionId: "p", graceMs: 700 } })),
    );
    s.report(steps[0] ?? "", 2, usage({ credits: 5 }), { final: true });
    expect(s.take(run, "STOP")).toMatchObject({ reclaimed: { credits: 75 }, waitingOn: [steps[1]], met: false });
    s.wait(60_000);
    expect(s.node(run).state).toBe("closing");
  });

  test("a stop of what is paused ends the pause; a stop cannot be taken back", () => {
    const s = new Pausing();
    const run = s.open(s.account({ credits: 100 }), { limits: { credits: 80 } });
    s.reserve(run, { wanted: { credits: 10 } });
    s.take(run, "PAUSE");
    expect(s.take(run, "STOP", { preemptionId: "q", graceMs: 500 })).toMatchObject({ met: false });
    const cancel = { type: "cancel_reclaim", preemptionId: "q", allocationId: run } as const;
    expect(refusalOf(s.ask(cancel))).toMatchObject({ code: "not_permitted" });
    s.wait(600 + LIMITS.stopSettleMs);
    expect(s.node(run).state).toBe("closed");
  });
});
