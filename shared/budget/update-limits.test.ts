/** A person changes limits while work goes on: what grows wakes who waits, what shrinks stops at what is in use, and deadlines move. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import type { Outcome } from "./outcome.ts";
import { conflictOf, type LimitNumbers, limits, refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";

let requests = 0;

function update(s: Scenario, allocationId: string, numbers: LimitNumbers, requestId = `update-${++requests}`): Outcome {
  return s.ask({ type: "update_limits", caller: "person", requestId, allocationId, limits: limits(numbers) });
}

function violationsOf(outcome: Outcome): Record<string, string> {
  const refusal = refusalOf(outcome);
  if (refusal.code !== "invalid") throw new Error(`expected violations, got ${JSON.stringify(refusal)}`);
  return Object.fromEntries(refusal.violations.map(({ field, message }) => [field, message]));
}

/** A swarm in an account, and a run of it that another daemon holds. */
function swarmWithRun(run: LimitNumbers = { credits: 40 }) {
  const s = new Scenario();
  const account = s.account({ credits: 1_000, toolCalls: 50, branches: 10 });
  const policy = { strategy: "QUEUE_AND_WAIT" } as const;
  const swarm = s.open(account, { kind: "swarm", limits: { credits: 100, toolCalls: 10, branches: 5 }, policy });
  const opening = { kind: "run", holder: "holder", caller: "holder", limits: run } as const;
  return { s, account, swarm, run: s.open(swarm, opening) };
}

describe("growing", () => {
  test("is taken from the parent, and who waits is served at once", () => {
    const { s, account, swarm } = swarmWithRun();
    const wish = s.openWish(swarm, { kind: "run", limits: { credits: 80 }, waitMs: 60_000 });
    expect(s.grant(wish).type).toBe("queued");
    expect(update(s, swarm, { credits: 120 })).toEqual({
      type: "updated",
      allocationId: swarm,
      before: expect.objectContaining({ credits: 100, toolCalls: 10, branches: 5 }),
      after: expect.objectContaining({ credits: 120, toolCalls: 10, branches: 5 }),
      repeated: false,
    });
    expect(s.last.messages).toMatchObject([
      { type: "decided", requestId: wish.requestId, outcome: { type: "opened" } },
    ]);
    expect(s.credits(swarm)).toMatchObject({ limit: 120, granted: 120 });
    expect(s.credits(account)).toMatchObject({ available: 880, granted: 120 });
  });

  test("of slots and of several resources at once too, or of none when one is short: the conflict says where", () => {
    const { s, account, swarm } = swarmWithRun();
    expect(update(s, swarm, { branches: 8, toolCalls: 20 })).toMatchObject({ after: { branches: 8, toolCalls: 20 } });
    expect(s.node(account).held.branches).toMatchObject({ inUse: 9 });
    const refused = update(s, swarm, { credits: 200, branches: 10 });
    expect(conflictOf(refused)).toMatchObject({ resource: "branches", ancestorId: account, wanted: 2, available: 1 });
  });

  test("of what another daemon holds is told to it, and its deadline with it", () => {
    const { s, swarm, run } = swarmWithRun({ credits: 40, durationMs: 60_000 });
    update(s, run, { credits: 90 });
    const told = { type: "granted", holder: "holder", allocationId: run, epoch: 1, deadlineAtMs: 60_000 };
    expect(s.last.messages).toMatchObject([{ ...told, grantedTotal: { credits: 90 } }]);
    expect(s.credits(swarm)).toMatchObject({ granted: 90, available: 10 });
    expect(conflictOf(update(s, run, { credits: 101 }))).toMatchObject({ wanted: 11, available: 10 });
  });

  test("of what draws on a pool is drawn from above it", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const pool = s.open(account, { pooled: ["credits"], limits: {} });
    const node = s.open(pool, { limits: { credits: 10 } });
    update(s, node, { credits: 60 });
    expect(s.credits(account)).toMatchObject({ granted: 60, available: 40 });
    update(s, node, { credits: 5 });
    expect(s.credits(account)).toMatchObject({ granted: 5, available: 95 });
    expect(violationsOf(update(s, pool, { credits: 50 }))).toMatchObject({
      "overrides.max_credits": expect.stringContaining(`draws on ${account}`),
    });
  });
});

describe("shrinking", () => {
  test("goes down to what is used, set aside and granted; below that the least is named and nothing changes", () => {
    const { s, account, swarm } = swarmWithRun();
    s.settle(s.reserve(swarm, { wanted: { credits: 10 } }), { credits: 10 });
    s.reserve(swarm, { wanted: { credits: 5 } });
    const refused = violationsOf(update(s, swarm, { credits: 54, toolCalls: 5, branches: 0 }));
    expect(refused).toEqual({
      "overrides.max_credits": expect.stringContaining("55 of its 100 used, set aside or granted: 55 is the least"),
      "overrides.max_concurrent_branches": expect.stringContaining("1 is the least"),
    });
    expect(update(s, swarm, { credits: 55, toolCalls: 5, branches: 1 }).type).toBe("updated");
    expect(s.credits(swarm)).toMatchObject({ limit: 55, granted: 40, reserved: 5, spent: 10 });
    expect(s.credits(account)).toMatchObject({ available: 945 });
  });

  test("serves who waits above", () => {
    const { s, account, swarm } = swarmWithRun();
    const policy = { strategy: "QUEUE_AND_WAIT" } as const;
    s.ask({
      type: "set_limits",
      allocationId: account,
      limits: limits({ credits: 100, toolCalls: 50, branches: 10 }),
      policy,
    });
    const wish = s.openWish(account, { kind: "swarm", limits: { credits: 50 }, waitMs: 60_000 });
    expect(s.grant(wish).type).toBe("queued");
    update(s, swarm, { credits: 50 });
    expect(s.last.messages).toMatchObject([{ type: "decided", requestId: wish.requestId }]);
  });

  test("of what another daemon holds is for that daemon: the refusal names the command", () => {
    const { s, run } = swarmWithRun();
    const message = violationsOf(update(s, run, { credits: 30 }))["overrides.max_credits"];
    expect(message).toContain(`bursar preempt ${s.node(run).path}`);
  });

  test("stops at what is in doubt", () => {
    const { s, swarm } = swarmWithRun();
    s.wait(30_000 + LIMITS.leaseMarginMs + LIMITS.dueBucketMs);
    expect(s.credits(swarm)).toMatchObject({ inDoubt: 40 });
    expect(violationsOf(update(s, swarm, { credits: 39 }))["overrides.max_credits"]).toContain("40 is the least");
  });
});

describe("what cannot be changed is refused by its field", () => {
  test("limited or not, parts that are larger than the whole, and sums beyond all counting", () => {
    const { s, account, swarm } = swarmWithRun();
    const wrong = violationsOf(update(s, swarm, { memoryBytes: 5, priorityBonus: 61, emergencyReserve: 0 }));
    expect(Object.keys(wrong)).toEqual(["overrides.max_memory_bytes", "overrides.priority_bonus"]);
    expect(wrong["overrides.max_memory_bytes"]).toContain("is not limited in it");
    update(s, account, { credits: 100 });
    const beyond = violationsOf(update(s, account, { credits: LIMITS.amountMax }));
    expect(beyond["overrides.max_credits"]).toContain("everything ever given");
  });

  test("the carved parts go on fitting into the credits", () => {
    const s = new Scenario();
    const node = s.open(s.account({ credits: 100 }), { limits: { credits: 50, emergencyReserve: 20 } });
    expect(violationsOf(update(s, node, { credits: 19 }))["overrides.max_credits"]).toContain("20 is the least");
    expect(update(s, node, { credits: 20 }).type).toBe("updated");
  });

  test("what is unknown, closing, or has its limits from above", () => {
    const { s, swarm } = swarmWithRun();
    const received = s.receive({ credits: 10 });
    expect(refusalOf(update(s, "nobody", { credits: 1 })).code).toBe("not_found");
    expect(refusalOf(update(s, received, { credits: 20 })).code).toBe("not_permitted");
    s.close(swarm);
    expect(refusalOf(update(s, swarm, { credits: 200 })).code).toBe("closing");
  });
});

test("one effect per request: the same again answers the same, also after a restart; with other content it is refused", () => {
  const { s, swarm, run } = swarmWithRun();
  const first = update(s, swarm, { credits: 150 }, "one");
  update(s, swarm, { credits: 200 }, "two");
  s.restart();
  expect(update(s, swarm, { credits: 150 }, "one")).toEqual({ ...first, repeated: true });
  expect(s.credits(swarm)).toMatchObject({ limit: 200 });
  expect(refusalOf(update(s, swarm, { credits: 151 }, "one")).code).toBe("request_reused");
  s.close(swarm);
  s.report(run, 1, usage(), { final: true });
  expect(s.node(swarm).state).toBe("closed");
  expect(update(s, swarm, { credits: 150 }, "one")).toMatchObject({ repeated: true, after: { credits: 150 } });
  s.wait(LIMITS.effectMemoryMs + 1_000);
  expect(refusalOf(update(s, swarm, { credits: 150 }, "one")).code).toBe("not_found");
});

test("what changes nothing has no effect, and may be asked for just to see", () => {
  const { s, swarm } = swarmWithRun();
  expect(update(s, swarm, {})).toMatchObject({ before: { credits: 100 }, after: { credits: 100 } });
  expect(update(s, swarm, { credits: 100 })).toMatchObject({ after: { credits: 100 } });
  expect(s.last.events).toEqual([]);
});

describe("a deadline", () => {
  function swarmUntil(durationMs: number) {
    const s = new Scenario();
    const account = s.account({ credits: 1_000 });
    const swarm = s.open(account, { kind: "swarm", limits: { credits: 900, durationMs } });
    const holder = { holder: "holder", caller: "holder" } as const;
    const open = (own?: number) =>
      s.open(swarm, { ...holder, limits: { credits: 10, ...(own === undefined ? {} : { durationMs: own }) } });
    return { s, account, swarm, own: open(20_000), none: open() };
  }

  test("moved later takes along what had the same, and leaves earlier ones; holders are told", () => {
    const { s, swarm, own, none } = swarmUntil(60_000);
    update(s, swarm, { durationMs: 90_000 });
    expect([own, none].map((id) => s.node(id).deadlineAtMs)).toEqual([20_000, 90_000]);
    expect(s.last.messages).toMatchObject([{ type: "granted", allocationId: none, deadlineAtMs: 90_000 }]);
    s.wait(60_000 + LIMITS.dueBucketMs);
    expect([swarm, own, none].map((id) => s.node(id).state)).toEqual(["open", "closing", "open"]);
  });

  test("moved earlier cuts what is below it, and passes then", () => {
    const { s, swarm, own, none } = swarmUntil(60_000);
    s.nowMs = 5_000;
    expect(update(s, swarm, { durationMs: 10_000 })).toMatchObject({
      before: { durationMs: 60_000 },
      after: { durationMs: 10_000 },
    });
    expect([own, none].map((id) => s.node(id).deadlineAtMs)).toEqual([10_000, 10_000]);
    s.wait(5_000 + LIMITS.dueBucketMs);
    expect(s.node(none).state).toBe("closing");
  });

  test("is never in the past, nor later than the parent's; what had none gets one", () => {
    const { s, account, swarm, own } = swarmUntil(60_000);
    s.nowMs = 5_000;
    const field = "overrides.max_duration_ms";
    expect(violationsOf(update(s, swarm, { durationMs: 5_000 }))[field]).toContain("it must be above 5000");
    expect(violationsOf(update(s, own, { durationMs: 60_001 }))[field]).toContain("60000 is the most");
    update(s, account, { durationMs: 30_000 });
    expect([account, swarm, own].map((id) => s.node(id).deadlineAtMs)).toEqual([30_000, 30_000, 20_000]);
  });

  test("comes with the parent's counter; what the journey took is no move", () => {
    const s = new Scenario();
    const received = s.receive({ credits: 10 });
    const step = s.open(received, { holder: "below", limits: { credits: 5 } });
    const revise = (deadlineLeftMs: number, credits = 10) =>
      s.ask({
        type: "receive_limit",
        allocationId: received,
        epoch: 1,
        grantedTotal: some({ credits }),
        deadlineLeftMs,
      });
    expect(revise(60_000)).toEqual({ type: "done", changed: true });
    expect(s.last.messages).toMatchObject([
      { type: "granted", holder: "below", allocationId: step, deadlineAtMs: 60_000 },
    ]);
    s.nowMs = 1_000;
    expect(revise(59_000 + LIMITS.deadlineDriftMs)).toEqual({ type: "done", changed: false });
    expect(revise(29_000, 25)).toEqual({ type: "done", changed: true });
    expect([received, step].map((id) => s.node(id).deadlineAtMs)).toEqual([30_000, 30_000]);
    expect(s.credits(received)).toMatchObject({ limit: 25 });
  });
});
