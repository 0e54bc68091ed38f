/** At most one effect per (caller, request_id); what is remembered, how long, and across restarts. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { decide } from "./decide.ts";
import { conflictOf, refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

const { effectMemoryMs } = LIMITS;

describe("the same request again", () => {
  test("a grant: the same answer, no second allocation", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const wish = s.openWish(account, { limits: { credits: 60 }, min: { credits: 20 } });
    const first = s.grant(wish);
    const again = s.grant({ ...wish, allocationId: "another id", token: "another token" });
    expect(again).toEqual({ ...first, repeated: true });
    expect(s.last.events).toEqual([]);
    expect(s.node(account).children.size).toBe(1);
  });

  test("with other content it is refused: another limit, name, parent, minimum, policy or pool", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const wish = s.openWish(account, { limits: { credits: 60 } });
    s.grant(wish);
    const others = [
      { limits: { credits: some({ credits: 61 }).credits } },
      { limits: { ...wish.limits, durationMs: 5 } },
      { name: "another" },
      { parentId: s.open(account) },
      { min: some() },
      { priority: "HIGH" },
      { policy: { strategy: "QUEUE_AND_WAIT" } },
      { pooled: ["credits"] },
    ] as const;
    for (const other of others) {
      const refusal = refusalOf(s.grant({ ...wish, ...other }));
      expect(refusal, JSON.stringify(other)).toEqual({ code: "request_reused", requestId: wish.requestId });
    }
    const raise = s.raiseWish(wish.allocationId, { by: { credits: 1 }, requestId: wish.requestId });
    expect(refusalOf(s.grant(raise))).toMatchObject({ code: "request_reused" });
  });

  test("the same id of another caller is another request", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const wish = s.openWish(account, { limits: { credits: 60 } });
    s.grant(wish);
    const other = s.grant({ ...wish, caller: "somebody else", allocationId: s.id("node") });
    expect(conflictOf(other).resource).toBe("credits");
  });

  test("a raise is counted once", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 10 } });
    const raise = s.raiseWish(run, { by: { credits: 20 } });
    s.grant(raise);
    s.grant(s.raiseWish(run, { by: { credits: 5 } }));
    expect(s.grant(raise)).toMatchObject({ type: "raised", grantedTotal: { credits: 30 }, repeated: true });
    expect(s.credits(run)).toMatchObject({ limit: 35 });
  });

  test("a reserve is one call, and one with other content is refused", () => {
    const s = new Scenario();
    const step = s.account({ credits: 100 });
    const call = { requestId: "r1", wanted: { credits: 30 }, ttlMs: 5_000 };
    const first = s.tryReserve(step, call);
    s.nowMs = 100;
    expect(s.tryReserve(step, call)).toEqual({ ...first, repeated: true });
    expect(s.credits(step)).toMatchObject({ reserved: 30 });
    expect(refusalOf(s.tryReserve(step, { ...call, ttlMs: 6_000 }))).toMatchObject({ code: "request_reused" });
    expect(refusalOf(s.tryReserve(step, { ...call, wanted: { credits: 31 } }))).toMatchObject({
      code: "request_reused",
    });
  });

  test("a refusal is not an effect: the same id may succeed later", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const first = s.open(account, { limits: { credits: 100 } });
    const wish = s.openWish(account, { limits: { credits: 10 } });
    expect(s.grant(wish).type).toBe("refused");
    expect(s.tryReserve(account, { requestId: "r", wanted: { credits: 1 } }).type).toBe("refused");
    s.close(first);
    expect(s.grant(wish)).toMatchObject({ type: "opened", repeated: false });
    expect(s.tryReserve(account, { requestId: "r", wanted: { credits: 1 } })).toMatchObject({ repeated: false });
  });

  test("a queued request answers with its present place, and with its grant once it has one", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const first = s.open(account, { limits: { credits: 100 } });
    const [one, two] = [10, 20].map((credits) => s.openWish(account, { limits: { credits }, waitMs: 60_000 }));
    if (!one || !two) throw new Error("two wishes");
    s.grant(one);
    s.grant(two);
    expect(conflictOf(s.grant(two))).toMatchObject({ position: 2, resource: "credits", wanted: 20 });
    expect(s.last.events).toEqual([]);
    s.ask({ type: "cancel_request", caller: "client", requestId: one.requestId });
    expect(conflictOf(s.grant(two)).position).toBe(1);
    s.close(first);
    expect(s.grant(two)).toMatchObject({ type: "opened", repeated: true });
  });

  test("a received grant and an account again are the same grant and account", () => {
    const s = new Scenario();
    const receiving = s.receiving({ credits: 50 });
    s.expect("opened", receiving);
    s.reserve(receiving.allocationId, { wanted: { credits: 10 } });
    expect(s.ask(receiving)).toMatchObject({ type: "opened", repeated: true });
    expect(s.last.events).toEqual([]);
    expect(refusalOf(s.ask({ ...receiving, epoch: 2 }))).toMatchObject({ code: "stale_epoch", currentEpoch: 1 });
  });
});

describe("how long it is remembered", () => {
  test("a call: until ten minutes after its end, the time it ran not counted", () => {
    const s = new Scenario();
    const step = s.account({ credits: 100 });
    const call = { requestId: "r1", holdId: "h1", wanted: { credits: 30 }, ttlMs: LIMITS.holdTtlMsMax };
    s.tryReserve(step, call);
    s.wait(LIMITS.holdTtlMsMax - 1);
    s.settle("h1", { credits: 5 });
    s.wait(effectMemoryMs - 1);
    expect(s.tryReserve(step, call)).toMatchObject({ holdId: "h1", repeated: true });
    expect(s.settle("h1", { credits: 5 })).toMatchObject({ type: "settled" });
    s.wait(1);
    expect(refusalOf(s.settle("h1", { credits: 5 }))).toMatchObject({ code: "not_found" });
    expect(s.tryReserve(step, call)).toMatchObject({ repeated: false });
  });

  test("a grant and its raises: until ten minutes after the allocation closed, across a restart", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const wish = s.openWish(account, { limits: { credits: 10 } });
    s.grant(wish);
    const raise = s.raiseWish(wish.allocationId, { by: { credits: 5 } });
    s.grant(raise);
    s.wait(3 * effectMemoryMs);
    s.close(wish.allocationId);
    s.wait(effectMemoryMs - 1);
    s.restart();
    expect(s.grant(wish)).toMatchObject({ repeated: true });
    expect(s.grant(raise)).toMatchObject({ repeated: true });
    s.wait(1);
    expect(s.state.allocations.size).toBe(1);
    expect(refusalOf(s.grant(raise))).toMatchObject({ code: "not_found" });
    const fresh = { ...wish, allocationId: s.id("node") };
    expect(s.grant(fresh)).toMatchObject({ type: "opened", repeated: false });
  });

  test("an allocation of which nothing else was asked goes with the answer that opened it, also out of a snapshot", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const step = s.open(account, { limits: { credits: 10 } });
    s.close(step);
    const restored = restoreState([...snapshotParts(s.state)]);
    expect([...restored.ended.items()]).toEqual([...s.state.ended.items()]);
    expect([...restored.ended.items()]).toContainEqual({ forgetAtMs: s.nowMs + effectMemoryMs, allocationId: step });
    for (const state of [s.state, restored]) {
      const tick = (nowMs: number) => decide(state, { type: "tick", nowMs });
      const there = () => [state.allocations.has(step), state.effects.size, state.ended.answers];
      const kept = there();
      tick(s.nowMs + effectMemoryMs - 1);
      expect(there()).toEqual(kept);
      tick(s.nowMs + effectMemoryMs);
      expect(there()).toEqual([false, state.effects.size, 0]);
      expect(state.allocations.get(account)?.closedChildren).toEqual([]);
    }
  });

  test("a call of an allocation that was closed and pushed out of the reports is still answered", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 });
    const step = s.open(account, { limits: { credits: 10 } });
    const below = s.open(step);
    const call = { requestId: "r1", holdId: "h1", wanted: { credits: 3 } };
    const first = s.tryReserve(step, call);
    s.settle("h1", { credits: 1 });
    s.close(step);
    expect(s.node(account).closedChildren.map(({ id }) => id)).toEqual([step]);
    forgetClosedChildren(s, account);
    expect(s.state.allocations.has(step)).toBe(false);
    expect(s.state.allocations.has(below)).toBe(false);
    expect(s.tryReserve(step, call)).toEqual({ ...first, repeated: true });
    expect(s.settle("h1", { credits: 1 })).toMatchObject({ type: "settled", credits: 1 });
  });

  test("a timed-out request is forgotten: it may be asked again", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { strategy: "QUEUE_AND_WAIT" });
    s.open(account, { limits: { credits: 10 } });
    const wish = s.openWish(account, { limits: { credits: 5 }, waitMs: 100 });
    expect(conflictOf(s.grant(wish)).position).toBe(1);
    s.wait(100);
    expect(s.state.effects.has(`client\n${wish.requestId}`)).toBe(false);
    expect(conflictOf(s.grant({ ...wish, name: "renamed" })).position).toBe(1);
  });

  test("usage of a closed grant is still acknowledged, and no longer when it is forgotten", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 });
    const run = s.open(account, { limits: { credits: 10 }, holder: "holder" });
    s.report(run, 1, usage({ credits: 3 }), { final: true });
    expect(s.report(run, 1, usage({ credits: 3 }), { final: true })).toMatchObject({
      type: "reported",
      state: "closed",
    });
    expect(s.last.events).toEqual([]);
    s.wait(effectMemoryMs);
    expect(refusalOf(s.report(run, 1, usage({ credits: 3 }), { final: true }))).toMatchObject({ code: "not_found" });
  });
});

/** Closes as many children more as a node remembers. */
function forgetClosedChildren(s: Scenario, parentId: string): void {
  s.quickly(() => {
    for (let i = 0; i < LIMITS.closedChildrenMax; i += 1) s.close(s.open(parentId));
  });
}
