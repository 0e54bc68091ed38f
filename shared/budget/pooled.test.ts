/** Pooled resources: a node that keeps none draws from its parent as it needs, and hands back what comes free. */
import { describe, expect, test } from "vitest";
import { conflictOf, limits, refusalOf, Scenario, some } from "./scenario.test-support.ts";

/** An account of 100 credits, a swarm and a run in it that pool their credits. */
function withPools() {
  const s = new Scenario();
  const account = s.account({ credits: 100, toolCalls: 20 });
  const swarm = s.open(account, { kind: "swarm", pooled: ["credits"], limits: { toolCalls: 10 } });
  const run = s.open(swarm, { kind: "run", pooled: ["credits", "toolCalls"] });
  return { s, account, swarm, run };
}

describe("a pooled node", () => {
  test("has nothing until something below needs it, and then as much", () => {
    const { s, account, swarm, run } = withPools();
    expect([s.credits(swarm), s.credits(run)]).toEqual([{}, {}]);
    s.open(run, { limits: { credits: 30, toolCalls: 2 } });
    expect(s.credits(account)).toEqual({ limit: 100, available: 70, granted: 30 });
    expect([s.credits(swarm), s.credits(run)]).toEqual([
      { limit: 30, granted: 30 },
      { limit: 30, granted: 30 },
    ]);
    // The swarm has tool calls of its own and pools none.
    expect(s.node(swarm).books.toolCalls).toMatchObject({ limit: 10, available: 8, granted: 2 });
  });

  test("hands back at once what comes free", () => {
    const { s, account, run } = withPools();
    const step = s.open(run, { limits: { credits: 30 } });
    s.settle(s.reserve(step, { wanted: { credits: 30 } }), { credits: 12 });
    s.close(step);
    expect(s.credits(run)).toEqual({ limit: 12, spent: 12, usage: 12 });
    expect(s.credits(account)).toEqual({ limit: 100, available: 88, granted: 12, usage: 12 });
  });

  test("can be called from itself: a reserve draws, a clamp is what the pool has, the rest goes back", () => {
    const { s, account, run } = withPools();
    s.reserve(account, { wanted: { credits: 60 } });
    expect(s.tryReserve(run, { wanted: { credits: 30 }, requestId: "r", holdId: "h" })).toMatchObject({
      clamped: false,
    });
    const clamped = s.tryReserve(run, { wanted: { credits: 30 }, min: { credits: 5 } });
    expect(clamped).toMatchObject({ granted: some({ credits: 10 }), clamped: true });
    expect(s.credits(run)).toEqual({ limit: 40, reserved: 40 });
    s.settle("h", { credits: 7 });
    expect(s.credits(run)).toEqual({ limit: 17, reserved: 10, spent: 7, usage: 7 });
    expect(s.credits(account)).toMatchObject({ available: 23 });
  });

  test("a refusal names the node whose budget it is", () => {
    const { s, account, swarm, run } = withPools();
    const credits = conflictOf(s.grant(s.openWish(run, { limits: { credits: 101 } })));
    expect(credits).toMatchObject({ ancestorId: account, available: 100, never: true });
    const calls = conflictOf(s.grant(s.openWish(run, { limits: { toolCalls: 11 } })));
    expect(calls).toMatchObject({ ancestorId: swarm, available: 10 });
    expect(conflictOf(s.tryReserve(run, { wanted: { credits: 101 } }))).toMatchObject({ ancestorId: account });
  });

  test("an overrun below is a debt of the pool's source, and nothing is drawn while it lasts", () => {
    const { s, account, swarm, run } = withPools();
    const step = s.open(run, { limits: { credits: 90 } });
    s.settle(s.reserve(step, { wanted: { credits: 90 } }), { credits: 120 });
    expect(s.credits(account)).toMatchObject({ debt: 20, granted: 120 });
    expect(conflictOf(s.tryReserve(run, { wanted: { credits: 1 } }))).toMatchObject({ debt: 20, ancestorId: account });
    s.ask({ type: "set_limits", allocationId: account, limits: limits({ credits: 140, toolCalls: 20 }), policy: {} });
    expect(s.credits(account)).toMatchObject({ granted: 120, available: 20 });
    // The debts of the swarm and the run have been paid above already: what is drawn next costs what it is.
    expect(s.tryReserve(run, { wanted: { credits: 21 } }).type).toBe("refused");
    expect(s.tryReserve(run, { wanted: { credits: 20 } }).type).toBe("held");
    expect(s.credits(account)).toEqual({ limit: 140, granted: 140, usage: 120, overrun: 30 });
    expect([s.credits(swarm), s.credits(run)]).toMatchObject([{ limit: 140 }, { limit: 140, reserved: 20 }]);
  });

  test("nobody waits at it", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { strategy: "QUEUE_AND_WAIT" });
    const run = s.open(account, { pooled: ["credits"] });
    s.open(run, { limits: { credits: 10 } });
    const refused = s.grant(s.openWish(run, { limits: { credits: 1 }, waitMs: 60_000 }));
    expect(refusalOf(refused)).toMatchObject({ code: "conflict" });
  });

  test("who waits at its source is served by what it hands back", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { strategy: "QUEUE_AND_WAIT" });
    const run = s.open(account, { pooled: ["credits"] });
    const step = s.open(run, { limits: { credits: 10 } });
    s.grant(s.openWish(account, { limits: { credits: 4 }, waitMs: 60_000 }));
    s.close(step);
    expect(s.last.messages).toContainEqual(expect.objectContaining({ type: "decided" }));
    expect(s.credits(account)).toMatchObject({ granted: 4, available: 6 });
  });

  test("only what the wish leaves open can be pooled, and where the parent limits it", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 });
    const run = s.open(account, { pooled: ["credits", "toolCalls"], limits: { credits: 5 } });
    expect(s.node(run).pooled).toEqual([]);
  });

  test("a received pool keeps what it was raised by for a call, and hands the rest back when the call ends", () => {
    const s = new Scenario();
    const receiving = { ...s.receiving({ credits: 0 }), pooled: ["credits"] as const };
    s.expect("opened", receiving);
    const run = receiving.allocationId;
    s.ask({ type: "receive_limit", allocationId: run, epoch: 1, grantedTotal: some({ credits: 20 }) });
    expect(s.credits(run)).toEqual({ limit: 20, available: 20 });
    s.settle(s.reserve(run, { wanted: { credits: 20 } }), { credits: 6 });
    expect(s.credits(run)).toEqual({ limit: 6, spent: 6, usage: 6 });
    expect(s.last.messages).toMatchObject([{ type: "returned", returnedTotal: some({ credits: 14 }) }]);
  });
});
