/** PRIORITY_BASED as a transcript: who asks for what, what is decided, and why. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import type { OpenWish } from "./command.ts";
import type { Message } from "./outcome.ts";
import type { Policy, Priority } from "./policy.ts";
import { conflictOf, limits, type Opening, refusalOf, Scenario } from "./scenario.test-support.ts";

const STEP_MS = 1_000;
const BY_PRIORITY: Policy = { strategy: "PRIORITY_BASED", agingStepMs: STEP_MS };

/** An account of 100 credits, all of which one child has. */
function full(policy: Policy = BY_PRIORITY) {
  const s = new Scenario();
  const account = s.account({ credits: 100 }, policy);
  const child = s.open(account, { limits: { credits: 100 } });
  const ask = (priority: Priority, credits: number, opening: Opening = {}): OpenWish => {
    const { limits: more, ...rest } = opening;
    const wish = s.openWish(account, { priority, limits: { credits, ...more }, waitMs: 600_000, ...rest });
    s.grant(wish);
    return wish;
  };
  const placeOf = (wish: OpenWish): number => conflictOf(s.grant(wish)).position;
  return { s, account, child, ask, placeOf };
}

function served(messages: readonly Message[]): string[] {
  return messages.flatMap((message) =>
    message.type === "decided" && message.outcome.type === "opened" ? [message.requestId] : [],
  );
}

describe("PRIORITY_BASED", () => {
  test("the more important is served first, whoever came first", () => {
    const { s, child, ask, placeOf } = full();
    const [low, normal, emergency, high] = [ask("LOW", 10), ask("NORMAL", 10), ask("EMERGENCY", 10), ask("HIGH", 10)];
    // The place is the real one: it changes with those who come later and are more important.
    expect([low, normal, emergency, high].map(placeOf)).toEqual([4, 3, 1, 2]);
    s.close(child);
    expect(served(s.last.messages)).toEqual([emergency, high, normal, low].map(({ requestId }) => requestId));
  });

  test("of the same priority the earlier deadline comes first, and no deadline last; then who came first", () => {
    const { s, child, ask } = full();
    const never = ask("NORMAL", 10);
    const later = ask("NORMAL", 10, { limits: { durationMs: 9_000 } });
    const sooner = ask("NORMAL", 10, { limits: { durationMs: 4_000 } });
    const asSoon = ask("NORMAL", 10, { limits: { durationMs: 4_000 } });
    s.close(child);
    expect(served(s.last.messages)).toEqual([sooner, asSoon, later, never].map(({ requestId }) => requestId));
  });

  test("an important one that fits does not wait for a lesser one that does not", () => {
    const { s, account, child, ask } = full();
    s.close(child);
    s.open(account, { limits: { credits: 50 } });
    ask("LOW", 80);
    expect(s.grant(s.openWish(account, { priority: "HIGH", limits: { credits: 20 } })).type).toBe("opened");
    // Its equal, and a lesser one, would take from it.
    const conflict = conflictOf(s.grant(s.openWish(account, { priority: "LOW", limits: { credits: 20 } })));
    expect(conflict).toMatchObject({ resource: "credits", wanted: 20, available: 30, position: 0 });
  });

  test("who is not willing to wait is denied, with a time to try again", () => {
    const { ask, s, account } = full();
    ask("LOW", 10);
    const denied = conflictOf(s.grant(s.openWish(account, { priority: "EMERGENCY", limits: { credits: 1 } })));
    expect(denied).toMatchObject({ conflict: "INSUFFICIENT_CREDITS", position: 0, retryAfterMs: LIMITS.retryAfterMs });
  });

  test("one more important request does not push a lesser one out of what both can have", () => {
    const { s, child, ask } = full();
    const low = ask("LOW", 40);
    const high = ask("HIGH", 60);
    s.close(child);
    expect(served(s.last.messages)).toEqual([high.requestId, low.requestId]);
  });

  test("a raise stands by the priority of what is to be raised", () => {
    const { s, account, child, ask } = full();
    const run = s.open(account, { priority: "HIGH" });
    const normal = ask("NORMAL", 60);
    const raise = s.raiseWish(run, { by: { credits: 60 }, waitMs: 600_000 });
    expect(conflictOf(s.grant(raise)).position).toBe(1);
    s.close(child);
    expect(s.credits(run)).toMatchObject({ limit: 60 });
    expect(conflictOf(s.grant(normal))).toMatchObject({ position: 1, available: 40 });
  });

  test("two daemons with the same journal serve alike", () => {
    const { s, child, ask } = full();
    const wishes = [ask("LOW", 30), ask("CRITICAL", 80), ask("NORMAL", 20)];
    s.wait(2 * STEP_MS);
    wishes.push(ask("CRITICAL", 10), ask("HIGH", 20));
    s.restart();
    s.close(child);
    // Aged by two levels: NORMAL is HIGH, but one that was HIGH from the start has come too late for it by now.
    const [, critical, normal, lateCritical] = wishes;
    expect(served(s.last.messages)).toEqual([critical, normal].map((wish) => wish?.requestId));
    expect(conflictOf(s.grant(lateCritical as OpenWish)).position).toBe(1);
  });
});

describe("aging", () => {
  test("LOW is not starved by a stream of HIGH: one step later it is passed no more by what is one level above", () => {
    const { s, account, child, ask } = full();
    const low = ask("LOW", 100);
    // A stream of HIGH work: whenever it is free, the room goes to the next one, until LOW has waited long enough.
    const passed: string[] = [];
    let running = child;
    for (let i = 0; i < 20; i += 1) {
      const high = ask("HIGH", 100);
      s.wait(STEP_MS / 2);
      s.close(running);
      const [next = ""] = served(s.last.messages);
      passed.push(next);
      if (next === low.requestId) break;
      running = high.allocationId;
    }
    // HIGH is two above LOW: who comes two steps later stands behind it.
    expect(passed.indexOf(low.requestId)).toBe(4);
    expect(s.node(account).waiters.size).toBeGreaterThan(0);
  });

  test("the bound: LOW stands before EMERGENCY that comes five steps and a moment later, and not earlier", () => {
    const { s, ask, placeOf } = full();
    s.wait(STEP_MS - 1);
    const low = ask("LOW", 10);
    s.wait(4 * STEP_MS);
    ask("EMERGENCY", 10, { limits: { durationMs: 1_000 } });
    expect(placeOf(low)).toBe(2);
    s.wait(STEP_MS + 1);
    ask("EMERGENCY", 10, { limits: { durationMs: 1_000 } });
    expect(placeOf(low)).toBe(2);
  });

  test("a large request is not starved by small ones that would always fit", () => {
    const { s, account, child, ask } = full();
    s.close(child);
    let small = s.open(account, { limits: { credits: 60 } });
    const large = ask("NORMAL", 90);
    const later = Array.from({ length: 10 }, () => ask("NORMAL", 10));
    expect(later.map((wish) => conflictOf(s.grant(wish)).resource)).toEqual(later.map(() => "credits"));
    s.close(small);
    expect(served(s.last.messages)).toEqual([large.requestId, later[0]?.requestId]);
    small = large.allocationId;
    s.close(small);
    expect(served(s.last.messages)).toHaveLength(9);
  });

  test("what waits again keeps its first arrival, and no place in the future", () => {
    const { s, ask, placeOf } = full();
    s.wait(60 * STEP_MS);
    const others = [ask("EMERGENCY", 10), ask("LOW", 10)];
    const again = ask("LOW", 10, { arrivedAtMs: 1_000 });
    expect(placeOf(again)).toBe(1);
    const early = ask("LOW", 10, { arrivedAtMs: 10_000_000 });
    expect([...others, early].map(placeOf)).toEqual([2, 3, 4]);
    s.restart();
    expect(placeOf(again)).toBe(1);
  });
});

describe("a policy that changes while requests wait", () => {
  test("orders them anew, also at nodes that inherit it, and serves who may go now", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const swarm = s.open(account, { limits: { credits: 50 } });
    s.reserve(swarm, { wanted: { credits: 30 } });
    const [large, small] = ["LOW", "HIGH"].map((priority, i) =>
      s.openWish(swarm, { priority: priority as Priority, limits: { credits: i === 0 ? 40 : 20 }, waitMs: 600_000 }),
    );
    for (const wish of [large, small]) if (wish) expect(s.grant(wish).type).toBe("queued");
    const set = (policy: Policy) =>
      s.ask({ type: "set_limits", allocationId: account, limits: limits({ credits: 100 }), policy });
    set(BY_PRIORITY);
    expect(served(s.last.messages)).toEqual([small?.requestId]);
    s.restart();
  });

  test("a node with a strategy of its own is left alone", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const swarm = s.open(account, { limits: { credits: 50 }, policy: { strategy: "QUEUE_AND_WAIT" } });
    s.reserve(swarm, { wanted: { credits: 50 } });
    const low = s.openWish(swarm, { priority: "LOW", limits: { credits: 40 }, waitMs: 600_000 });
    s.grant(low);
    s.grant(s.openWish(swarm, { priority: "HIGH", limits: { credits: 40 }, waitMs: 600_000 }));
    s.ask({ type: "set_limits", allocationId: account, limits: limits({ credits: 100 }), policy: BY_PRIORITY });
    expect(conflictOf(s.grant(low)).position).toBe(1);
  });
});

describe("what is refused by name", () => {
  test.each([0, 99, 1.5, Number.NaN, -1_000, LIMITS.agingStepMsMax + 1])("an aging step of %d ms", (agingStepMs) => {
    const s = new Scenario();
    const account = s.account({ credits: 10 });
    const policy = { strategy: "PRIORITY_BASED", agingStepMs } as const;
    const invalid = { code: "invalid", violations: [{ field: "policy.aging_step_ms", message: expect.any(String) }] };
    expect(refusalOf(s.grant(s.openWish(account, { policy })))).toEqual(invalid);
    const root = { allocationId: "new", name: "new", limits: {}, policy } as const;
    expect(refusalOf(s.ask({ type: "open_root", ...root }))).toEqual(invalid);
    const set = { type: "set_limits", allocationId: account, limits: limits({ credits: 10 }), policy } as const;
    expect(refusalOf(s.ask(set))).toEqual(invalid);
    expect(refusalOf(s.ask(s.receiving({}, { policy })))).toEqual(invalid);
  });

  test("a deadline that has passed", () => {
    const { s, account } = full();
    const conflict = conflictOf(s.grant(s.openWish(account, { limits: { durationMs: 0 }, waitMs: 600_000 })));
    expect(conflict).toMatchObject({ conflict: "INSUFFICIENT_TIME", resource: "duration", never: true });
  });
});

describe("how long it will take", () => {
  test("is told from the deadlines of what runs, for those before and the one who asks", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 }, BY_PRIORITY);
    s.open(account, { limits: { credits: 60, durationMs: 3_000 } });
    s.open(account, { limits: { credits: 40, durationMs: 7_000 } });
    const ask = (priority: Priority, credits: number) =>
      conflictOf(s.grant(s.openWish(account, { priority, limits: { credits }, waitMs: 600_000 })));
    expect(ask("NORMAL", 50)).toMatchObject({ position: 1, expectedWaitMs: 3_000 });
    expect(ask("LOW", 30)).toMatchObject({ position: 2, expectedWaitMs: 7_000 });
    expect(ask("HIGH", 10)).toMatchObject({ position: 1, expectedWaitMs: 3_000 });
    // More than will be there: the next that ends is all that is known.
    expect(ask("LOW", 90)).toMatchObject({ position: 4, expectedWaitMs: 3_000 });
  });

  test("is not known where nothing has a deadline, or what has one closes already", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 }, BY_PRIORITY);
    const ask = () => conflictOf(s.grant(s.openWish(account, { limits: { credits: 50 }, waitMs: 600_000 })));
    const unknown = { expectedWaitMs: 0, retryAfterMs: LIMITS.retryAfterMs };
    s.open(account, { limits: { credits: 60 } });
    expect(ask()).toMatchObject({ position: 1, ...unknown });
    const run = s.open(account, { limits: { credits: 0, durationMs: 7_000 } });
    expect(ask()).toMatchObject({ position: 2, expectedWaitMs: 7_000 });
    s.reserve(run, { wanted: { branches: 0 } });
    s.close(run);
    expect(s.node(run).state).toBe("closing");
    expect(ask()).toMatchObject({ position: 3, ...unknown });
  });
});
