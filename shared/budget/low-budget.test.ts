/** Budgets that run low: each threshold once, by what is used, to whom it concerns. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { lowPercentOf } from "./low-budget.ts";
import type { Policy } from "./policy.ts";
import { limits, refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";

/** What was told of low budgets: node, resource and threshold; and whom else. */
function told(s: Scenario): string[] {
  return s.last.messages.flatMap((message) => {
    if (message.type !== "low_budget") return [];
    const { allocationId, resource, percent, holder, heldId } = message;
    return [`${allocationId} ${resource} ${percent}${holder === undefined ? "" : ` to ${holder} for ${heldId}`}`];
  });
}

/** Spends so much, in a call that had set aside all of it. */
function spend(s: Scenario, id: string, credits: number): string[] {
  s.settle(s.reserve(id, { wanted: { credits } }), { credits });
  return told(s);
}

describe("at the node that is spent", () => {
  test("each threshold is told once, the highest of those that are passed at once", () => {
    const s = new Scenario();
    const step = s.receive({ credits: 1_000 });
    expect(spend(s, step, 799)).toEqual([]);
    expect(spend(s, step, 1)).toEqual([`${step} credits 80`]);
    expect(s.last.messages).toMatchObject([{ available: 200, limit: 1_000, path: `there/${step}`, holder: undefined }]);
    expect(spend(s, step, 149)).toEqual([]);
    expect(spend(s, step, 1)).toEqual([`${step} credits 95`]);
    expect(spend(s, step, 50)).toEqual([]);
    const other = s.receive({ credits: 10, toolCalls: 10 });
    s.settle(s.reserve(other, { wanted: { credits: 9, toolCalls: 10 } }), { credits: 9, toolCalls: 10 });
    expect(told(s)).toEqual([`${other} credits 80`, `${other} toolCalls 95`]);
  });

  test("what is only set aside is not used: it comes back, and the threshold is still there to be told", () => {
    const s = new Scenario();
    const step = s.receive({ credits: 100 });
    const hold = s.reserve(step, { wanted: { credits: 100 } });
    expect(told(s)).toEqual([]);
    s.settle(hold, { credits: 10 });
    expect(spend(s, step, 75)).toEqual([`${step} credits 80`]);
  });

  test("told again when the limit has grown so that the use fell below, and when it shrinks onto the use", () => {
    const s = new Scenario();
    const account = s.account({ credits: 1_000 });
    const team = s.open(account, { kind: "account", limits: { credits: 100 } });
    const update = (credits: number) =>
      s.ask({
        type: "update_limits",
        caller: "p",
        requestId: s.id("u"),
        allocationId: team,
        limits: limits({ credits }),
      });
    expect(spend(s, team, 85)).toEqual([`${team} credits 80`]);
    update(104);
    expect(spend(s, team, 10)).toEqual([]);
    update(200);
    expect(told(s)).toEqual([]);
    expect(spend(s, team, 65)).toEqual([`${team} credits 80`]);
    update(165);
    expect(told(s)).toEqual([`${team} credits 95`]);
  });

  test("a preemption that takes what is free is told as well; what closes is not", () => {
    const s = new Scenario();
    const step = s.receive({ credits: 1_000 });
    spend(s, step, 300);
    const amounts = some({ credits: 640 });
    const preemption = { preemptionId: "p", epoch: undefined, amounts, mode: "SHRINK", reason: "test" } as const;
    s.ask({ type: "reclaim", allocationId: step, ...preemption });
    expect(told(s)).toEqual([`${step} credits 80`]);
    s.close(step);
    expect(told(s)).toEqual([]);
  });

  test("an overrun, what lapses and is never settled, and a restart that tells nothing twice", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const step = s.open(account, { limits: { credits: 100 } });
    s.reserve(step, { wanted: { credits: 81 }, ttlMs: 1_000 });
    s.wait(1_000 + LIMITS.dueBucketMs);
    expect(told(s)).toEqual([]);
    s.close(step);
    expect(told(s)).toEqual([`${account} credits 80`]);
    s.restart();
    s.ask({ type: "start" });
    expect(told(s)).toEqual([]);
    s.settle(s.reserve(account, { wanted: { credits: 1 } }), { credits: 50 });
    expect(told(s)).toEqual([`${account} credits 95`]);
  });

  test("amounts at the edge of what can be counted", () => {
    const s = new Scenario();
    const step = s.receive({ credits: LIMITS.amountMax });
    const threshold = Number((BigInt(LIMITS.amountMax) * 80n + 99n) / 100n);
    expect(spend(s, step, threshold - 1)).toEqual([]);
    expect(spend(s, step, 1)).toEqual([`${step} credits 80`]);
  });
});

describe("above the node that is spent", () => {
  test("every ancestor whose limit comes to a threshold is told, by reports too; what is granted is not used", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const swarm = s.open(account, { kind: "swarm", limits: { credits: 100 } });
    const run = s.open(swarm, { holder: "holder", caller: "holder", limits: { credits: 100 } });
    expect(told(s)).toEqual([]);
    s.report(run, 1, usage({ credits: 96 }));
    expect(told(s)).toEqual([`${swarm} credits 95`, `${account} credits 95`]);
    expect(lowPercentOf(s.node(run), "credits")).toBe(95);
  });

  test("whoever draws on it is told: it has no other budget", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 100 });
    const branch = s.open(run, { kind: "branch", pooled: ["credits"] });
    const pooled = { pooled: ["credits"], holder: "below", caller: "below" } as const;
    const step = s.open(branch, pooled);
    s.open(run, { holder: "elsewhere", caller: "elsewhere", limits: { credits: 5 } });
    s.grant(s.raiseWish(step, { by: { credits: 90 }, caller: "below" }));
    s.report(step, 1, usage({ credits: 80 }), { caller: "below" });
    expect(told(s)).toEqual([`${run} credits 80`, `${run} credits 80 to below for ${step}`]);
  });
});

describe("thresholds", () => {
  const swarmUnder = (policy: Policy, own: Policy = {}) => {
    const s = new Scenario();
    const account = s.account({ credits: 1_000 }, policy);
    return { s, swarm: s.open(account, { kind: "swarm", limits: { credits: 100 }, policy: own }) };
  };

  test("are inherited, or a node's own, and go with a grant to its holder", () => {
    const { s, swarm } = swarmUnder({ lowBudgetPercents: [10, 50] });
    expect(spend(s, swarm, 50)).toEqual([`${swarm} credits 50`]);
    const wish = s.openWish(swarm, { holder: "holder", limits: { credits: 1 } });
    expect(s.grant(wish)).toMatchObject({ type: "opened", policy: { inherited: { lowBudgetPercents: [10, 50] } } });
    const own = swarmUnder({ lowBudgetPercents: [10] }, { lowBudgetPercents: [99] });
    expect(spend(own.s, own.swarm, 98)).toEqual([]);
    expect(spend(own.s, own.swarm, 1)).toEqual([`${own.swarm} credits 99`]);
  });

  test.each([[[]], [[0]], [[100]], [[50.5]], [[80, 80]], [[95, 80]], [[1, 2, 3, 4, 5, 6, 7, 8, 9]]])(
    "%j are refused by name",
    (lowBudgetPercents) => {
      const s = new Scenario();
      const root = { type: "open_root", allocationId: "a", name: "a", limits: limits({ credits: 1 }) } as const;
      const refusal = refusalOf(s.ask({ ...root, policy: { lowBudgetPercents } }));
      expect(refusal).toMatchObject({ code: "invalid", violations: [{ field: "policy.low_budget_percents" }] });
    },
  );
});
