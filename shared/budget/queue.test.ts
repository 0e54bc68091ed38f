/** Conflicts: FIRST_COME_FIRST_SERVED denies, QUEUE_AND_WAIT queues, the rest is refused by name. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import type { OpenWish } from "./command.ts";
import { nextDueMs } from "./decide-time.ts";
import type { Message } from "./outcome.ts";
import type { StrategyName } from "./policy.ts";
import { conflictOf, limits, type Opening, refusalOf, Scenario, usage } from "./scenario.test-support.ts";

interface Filling {
  /** Credits that stay free. */
  readonly left?: number;
  readonly queueLengthMax?: number;
}

/** An account under QUEUE_AND_WAIT of which one child has all, or all but what is left. */
function fullAccount({ credits }: { readonly credits: number }, { left = 0, queueLengthMax = 100 }: Filling = {}) {
  const s = new Scenario();
  const account = s.account({ credits }, { strategy: "QUEUE_AND_WAIT", queueLengthMax });
  const child = s.open(account, { limits: { credits: credits - left } });
  const ask = (opening: Opening): OpenWish => {
    const wish = s.openWish(account, { waitMs: 60_000, ...opening });
    s.grant(wish);
    return wish;
  };
  return { s, account, child, ask };
}

/** Who was answered, in this order. */
function decided(messages: readonly Message[]): string[] {
  return messages.flatMap((message) => (message.type === "decided" ? [message.requestId] : []));
}

describe("FIRST_COME_FIRST_SERVED", () => {
  test("denies what does not fit now, says why, and when to try again", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 80, durationMs: 700 } });
    const conflict = conflictOf(s.grant(s.openWish(account, { limits: { credits: 50 }, waitMs: 60_000 })));
    expect(conflict).toMatchObject({
      conflict: "INSUFFICIENT_CREDITS",
      resource: "credits",
      ancestorId: account,
      ancestorPath: account,
      wanted: 50,
      available: 20,
      debt: 0,
      holders: [{ id: run, path: `${account}/${run}`, amount: 80 }],
      never: false,
      retryAfterMs: 700,
      position: 0,
      expectedWaitMs: 700,
    });
    expect(s.node(account).waiters.size).toBe(0);
  });

  test("what can never fit is denied for good", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const conflict = conflictOf(s.grant(s.openWish(account, { limits: { credits: 101 } })));
    expect(conflict).toMatchObject({ never: true, retryAfterMs: 0, expectedWaitMs: 0 });
  });

  test("is what a tree without a strategy has; a strategy is inherited from the nearest node that names one", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { strategy: "QUEUE_AND_WAIT" });
    const swarm = s.open(account, { limits: { credits: 10 } });
    const run = s.open(swarm, { limits: { credits: 5 }, policy: { strategy: "FIRST_COME_FIRST_SERVED" } });
    s.reserve(swarm, { wanted: { credits: 5 } });
    const ask = (parent: string) =>
      s.grant(s.openWish(parent, { limits: { credits: 6 }, min: { credits: 3 }, waitMs: 900 }));
    expect(ask(swarm).type).toBe("queued");
    s.reserve(run, { wanted: { credits: 5 } });
    expect(ask(run).type).toBe("refused");
  });
});

describe("QUEUE_AND_WAIT", () => {
  test("what does not fit waits, and is told when it has what it waited for: first in, first out", () => {
    const { s, account, child, ask } = fullAccount({ credits: 100 });
    const first = ask({ limits: { credits: 60 } });
    expect(s.last.outcome).toMatchObject({ type: "queued", conflict: { position: 1, available: 0, never: false } });
    const second = ask({ limits: { credits: 30 } });
    const third = ask({ limits: { credits: 20 } });
    expect(s.last.outcome).toMatchObject({ conflict: { position: 3 } });
    s.close(child);
    expect(decided(s.last.messages)).toEqual([first.requestId, second.requestId]);
    expect(s.last.messages).toContainEqual({
      type: "decided",
      caller: "client",
      requestId: first.requestId,
      outcome: expect.objectContaining({ type: "opened", allocationId: first.allocationId, repeated: false }),
    });
    expect(conflictOf(s.grant(third))).toMatchObject({ position: 1, available: 10 });
    expect(s.credits(account)).toMatchObject({ granted: 90 });
  });

  test("a small one behind a large one waits, although it would fit: the head is not delayed", () => {
    const { s, account, ask } = fullAccount({ credits: 100 }, { left: 20 });
    ask({ limits: { credits: 90 } });
    ask({ limits: { credits: 20 } });
    expect(s.last.outcome).toMatchObject({
      type: "queued",
      conflict: { position: 2, available: 20, resource: "credits" },
    });
    expect(s.node(account).waiters.size).toBe(2);
  });

  test("backfill: what takes nothing that the waiting need goes ahead", () => {
    const { s, account, ask } = fullAccount({ credits: 100 });
    ask({ limits: { credits: 90 } });
    expect(s.grant(s.openWish(account, {})).type).toBe("opened");
  });

  test("backfill leaves what the head needs also of what is free now", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100, toolCalls: 60 }, { strategy: "QUEUE_AND_WAIT" });
    const child = s.open(account, { limits: { credits: 100 } });
    // The head lacks credits. Of the 60 tool calls it will need 50, so that only 10 may go to others.
    const head = s.openWish(account, { limits: { credits: 40, toolCalls: 50 }, waitMs: 60_000 });
    s.grant(head);
    const greedy = s.openWish(account, { limits: { toolCalls: 20 }, waitMs: 60_000 });
    expect(conflictOf(s.grant(greedy))).toMatchObject({ position: 2, resource: "toolCalls", available: 60 });
    expect(s.grant(s.openWish(account, { limits: { toolCalls: 10 }, waitMs: 60_000 })).type).toBe("queued");
    s.ask({ type: "cancel_request", caller: "client", requestId: greedy.requestId });
    expect(decided(s.last.messages)).toHaveLength(2);
    s.close(child);
    expect(decided(s.last.messages)).toEqual([head.requestId]);
  });

  test("however many wait for one resource, who waits for another is served at once", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10, toolCalls: 1 }, { strategy: "QUEUE_AND_WAIT" });
    s.open(account, { limits: { credits: 10 } });
    const caller = s.open(account, { limits: { toolCalls: 1 } });
    const wishes = Array.from({ length: LIMITS.backfillScanMax + 44 }, () =>
      s.openWish(account, { limits: { credits: 1 }, waitMs: 60_000 }),
    );
    s.quickly(() => {
      for (const wish of wishes) s.grant(wish);
    });
    const last = s.openWish(account, { limits: { toolCalls: 1 }, waitMs: 60_000 });
    s.grant(last);
    s.close(caller);
    expect(decided(s.last.messages)).toEqual([last.requestId]);
  });

  test("looking for one that can go ahead has an end; its turn comes when the queue has moved", () => {
    const s = new Scenario();
    const account = s.account({ branches: 10 }, { strategy: "QUEUE_AND_WAIT" });
    s.open(account, { limits: { branches: 3, durationMs: 9_000 } });
    s.open(account, { limits: { branches: 4, durationMs: 10_000 } });
    // The first lacks one slot for nine seconds; only who ends by then may have the one that is free.
    const head = s.openWish(account, { limits: { branches: 1 }, waitMs: 60_000 });
    const long = Array.from({ length: LIMITS.backfillScanMax }, () => s.openWish(account, { waitMs: 60_000 }));
    s.quickly(() => {
      for (const wish of [head, ...long]) s.grant(wish);
    });
    const short = s.openWish(account, { limits: { durationMs: 9_000 }, waitMs: 60_000 });
    expect(s.grant(short).type).toBe("opened");
    s.close(short.allocationId);
    s.reserve(account, { wanted: { branches: 1 }, ttlMs: 200 });
    const next = s.openWish(account, { limits: { durationMs: 6_000 }, waitMs: 60_000 });
    s.grant(next);
    s.wait(200);
    expect(decided(s.last.messages)).toEqual([]);
    s.ask({ type: "cancel_request", caller: "client", requestId: long[0]?.requestId ?? "" });
    s.ask({ type: "cancel_request", caller: "client", requestId: long[1]?.requestId ?? "" });
    expect(decided(s.last.messages)).toEqual([long[1]?.requestId, next.requestId]);
  });

  test("all that wait are honoured together, not only the first", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10, toolCalls: 10 }, { strategy: "QUEUE_AND_WAIT" });
    s.open(account, { limits: { credits: 10 } });
    const ask = (credits: number, toolCalls: number) =>
      s.grant(s.openWish(account, { limits: { credits, toolCalls }, waitMs: 9_000 })).type;
    expect([ask(1, 4), ask(1, 4), ask(0, 3), ask(0, 2)]).toEqual(["queued", "queued", "queued", "queued"]);
    expect(ask(0, 0)).toBe("opened");
  });

  test("a wait has an end, the caller's or the policy's: then the answer is the conflict", () => {
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { strategy: "QUEUE_AND_WAIT", queueWaitMsMax: 500 });
    s.open(account, { limits: { credits: 10 } });
    const short = s.openWish(account, { limits: { credits: 5 }, waitMs: 200 });
    const long = s.openWish(account, { limits: { credits: 6 }, waitMs: 60_000 });
    s.grant(short);
    s.grant(long);
    const { messages } = s.wait(200);
    expect(messages).toEqual([
      {
        type: "decided",
        caller: "client",
        requestId: short.requestId,
        outcome: {
          type: "refused",
          refusal: { code: "conflict", conflict: expect.objectContaining({ position: 0, wanted: 5 }) },
        },
      },
    ]);
    expect(decided(s.wait(300).messages)).toEqual([long.requestId]);
    expect(s.grant(s.openWish(account, { limits: { credits: 5 }, waitMs: 0 })).type).toBe("refused");
  });

  test("when the head gives up, those behind it have their turn at once", () => {
    const { s, ask } = fullAccount({ credits: 100 }, { left: 20 });
    const head = ask({ limits: { credits: 90 }, waitMs: 100 });
    const next = ask({ limits: { credits: 15 } });
    expect(decided(s.wait(100).messages)).toEqual([head.requestId, next.requestId]);
    expect(s.last.messages.at(-1)).toMatchObject({ outcome: { type: "opened" } });
  });

  test("the queue is bounded, and a full one refuses clearly", () => {
    const { s, ask } = fullAccount({ credits: 10 }, { queueLengthMax: 2 });
    ask({ limits: { credits: 1 } });
    ask({ limits: { credits: 1 } });
    ask({ limits: { credits: 1 } });
    expect(refusalOf(s.last.outcome)).toMatchObject({ code: "too_many", retryAfterMs: LIMITS.retryAfterMs });
  });

  test("a wait can be cancelled once, by its caller", () => {
    const { s, ask } = fullAccount({ credits: 10 });
    const { requestId } = ask({ limits: { credits: 1 } });
    const cancel = (caller: string) => s.ask({ type: "cancel_request", caller, requestId });
    expect(refusalOf(cancel("somebody else"))).toMatchObject({ code: "not_found" });
    expect(cancel("client")).toEqual({ type: "done", changed: true });
    const [answer] = s.last.messages;
    expect(answer).toMatchObject({ outcome: { refusal: { code: "withdrawn", path: expect.stringContaining("/") } } });
    expect(refusalOf(cancel("client"))).toMatchObject({ code: "not_found" });
  });

  test("a parent that closes turns everyone away", () => {
    const { s, account, ask } = fullAccount({ credits: 10 });
    const one = ask({ limits: { credits: 1 } });
    const two = ask({ limits: { credits: 2 } });
    s.close(account);
    expect(decided(s.last.messages)).toEqual([one.requestId, two.requestId]);
  });

  test("what can never fit does not wait", () => {
    const { s, ask } = fullAccount({ credits: 10 });
    ask({ limits: { credits: 11 } });
    expect(conflictOf(s.last.outcome)).toMatchObject({ never: true, position: 0 });
  });

  test("who was served is not woken for any more", () => {
    const { s, child, ask } = fullAccount({ credits: 100 });
    ask({ limits: { credits: 10 } });
    expect(nextDueMs(s.state)).toBe(60_000);
    s.close(child);
    expect(nextDueMs(s.state)).toBe(LIMITS.effectMemoryMs);
  });

  test("two daemons with the same journal queue and serve alike", () => {
    const { s, child, ask } = fullAccount({ credits: 100 });
    const wishes = [30, 80, 20, 50].map((credits) => ask({ limits: { credits } }));
    s.restart();
    s.close(child);
    expect(decided(s.last.messages)).toEqual([wishes[0]?.requestId]);
  });
});

describe("waiting for more of an allocation", () => {
  test("a raise waits like any other", () => {
    const { s, account, child } = fullAccount({ credits: 10 });
    const run = s.open(account);
    const raise = s.raiseWish(run, { by: { credits: 5 }, waitMs: 60_000 });
    expect(conflictOf(s.grant(raise)).position).toBe(1);
    s.close(child);
    expect(decided(s.last.messages)).toEqual([raise.requestId]);
    expect(s.credits(run)).toEqual({ limit: 5, available: 5 });
  });

  test("when the allocation closes, whoever waits for more of it is told, and is in nobody's way", () => {
    const { s, account, child, ask } = fullAccount({ credits: 10 });
    const run = s.open(account);
    const raise = s.raiseWish(run, { by: { credits: 10 }, waitMs: 60_000 });
    s.grant(raise);
    const next = ask({ limits: { credits: 1 } });
    s.close(run);
    expect(s.last.messages).toContainEqual({
      type: "decided",
      caller: "client",
      requestId: raise.requestId,
      outcome: {
        type: "refused",
        refusal: { code: "closing", allocationId: run, path: `${account}/${run}`, reason: "finished" },
      },
    });
    s.close(child);
    expect(decided(s.last.messages)).toEqual([next.requestId]);
    expect(s.credits(run)).toEqual({});
  });

  test("so it is when it closes in another daemon, before that daemon has said its last word", () => {
    const { s, account } = fullAccount({ credits: 10 });
    const run = s.open(account, { holder: "holder" });
    const raise = s.raiseWish(run, { by: { credits: 10 }, caller: "holder", waitMs: 60_000 });
    s.grant(raise);
    s.close(run);
    expect(s.node(run).state).toBe("closing");
    expect(decided(s.last.messages)).toEqual([raise.requestId]);
  });

  test("the same when its holder in another daemon calls it over", () => {
    const { s, account } = fullAccount({ credits: 10 });
    const run = s.open(account, { holder: "holder" });
    s.grant(s.raiseWish(run, { by: { credits: 10 }, caller: "holder", waitMs: 60_000 }));
    s.report(run, 1, usage(), { final: true });
    expect(decided(s.last.messages)).toHaveLength(1);
    expect(s.node(account).waiters.size).toBe(0);
  });

  test.each([0, 60_000])(
    "a raised node serves who waits at it, also when the raise itself had to wait (%d ms)",
    (waitMs) => {
      const { s, account, child } = fullAccount({ credits: 10 }, { left: 4 });
      const run = s.open(account, { limits: { credits: 4 } });
      s.reserve(run, { wanted: { credits: 4 } });
      const inside = s.openWish(run, { limits: { credits: 3 }, waitMs: 60_000 });
      expect(s.grant(inside).type).toBe("queued");
      const raise = s.raiseWish(run, { by: { credits: 5 }, waitMs });
      if (waitMs === 0) {
        s.close(child);
        s.grant(raise);
      } else {
        expect(s.grant(raise).type).toBe("queued");
        s.close(child);
      }
      expect(decided(s.last.messages)).toContain(inside.requestId);
      expect(s.credits(run)).toEqual({ limit: 9, available: 2, reserved: 4, granted: 3 });
    },
  );
});

describe("a daemon whose lease has ended", () => {
  test("grants nothing to those who wait until it is renewed, and then at once", () => {
    const s = new Scenario();
    const received = s.receive({ credits: 10 }, { leaseMs: 1_000, policy: { strategy: "QUEUE_AND_WAIT" } });
    const run = s.open(received, { limits: { credits: 10 } });
    const inside = s.open(run, { limits: { credits: 10 } });
    const top = s.openWish(received, { limits: { credits: 4 }, waitMs: 60_000 });
    const deep = s.openWish(run, { limits: { credits: 3 }, waitMs: 60_000 });
    s.grant(top);
    s.grant(deep);
    s.wait(1_000);
    s.close(inside);
    expect(decided(s.last.messages)).toEqual([]);
    s.ask({ type: "renew_lease", allocationId: received, epoch: 1, endsAtMs: 9_000 });
    expect(decided(s.last.messages)).toEqual([deep.requestId]);
    expect(s.node(received).waiters.size).toBe(1);
  });
});

describe("strategies that this version does not have", () => {
  test("are refused by name", () => {
    // As a newer version might write it down.
    const strategy = "LOTTERY" as StrategyName;
    const s = new Scenario();
    const account = s.account({ credits: 10 }, { requestMayChoose: true });
    const unsupported = { code: "unsupported", message: expect.stringContaining(strategy) };
    expect(refusalOf(s.grant(s.openWish(account, { strategy })))).toEqual(unsupported);
    const policy = { strategy };
    const opened = s.grant(s.openWish(account, { policy }));
    expect(refusalOf(opened)).toEqual(unsupported);
    const root = { allocationId: "new", name: "new", limits: {}, policy } as const;
    expect(refusalOf(s.ask({ type: "open_root", ...root }))).toEqual(unsupported);
    expect(
      refusalOf(s.ask({ type: "set_limits", allocationId: account, limits: limits({ credits: 10 }), policy })),
    ).toEqual(unsupported);
    expect(refusalOf(s.ask(s.receiving({}, { policy })))).toEqual(unsupported);
  });
});
