/** What is told of a policy that is only tried: for each pair of strategies as the model decides, in words, inherited, and refused by name. */
import { describe, expect, it } from "vitest";
import { type Policy, STRATEGIES, type StrategyName } from "./policy.ts";
import { checkPolicy } from "./policy-check.ts";
import { type Opening, Scenario } from "./scenario.test-support.ts";
import { decidedAsTried, shadowMade } from "./shadow-model.test-support.ts";
import { shadowWords } from "./shadow-words.ts";

/** A node of 1,000 credits: 500 are held by LOW work, 300 by HIGH, and where the strategy lets anybody wait two wait for more. */
function busyNode(policy: Policy) {
  const s = new Scenario();
  const top = s.account({ credits: 1_000 }, { ...policy, requestMayChoose: true });
  const low = s.open(top, { name: "low", priority: "LOW", limits: { credits: 500 } });
  s.open(top, { name: "high", priority: "HIGH", limits: { credits: 300 } });
  s.wait(20_000);
  const waiting = { limits: { credits: 700 }, waitMs: 60_000, strategy: "QUEUE_AND_WAIT" } as const;
  ask(s, top, { name: "first", ...waiting });
  s.wait(100);
  ask(s, top, { name: "second", ...waiting, priority: "HIGH" });
  s.wait(100);
  return { s, top, low };
}

function ask(s: Scenario, parentId: string, opening: Opening) {
  return s.ask({ type: "grant", wish: s.openWish(parentId, opening) });
}

const REQUESTS: readonly (readonly [string, Opening])[] = [
  ["fits", { limits: { credits: 50 } }],
  ["takes less", { limits: { credits: 400 }, min: { credits: 10 } }],
  ["takes less, HIGH", { limits: { credits: 400 }, min: { credits: 10 }, priority: "HIGH" }],
  ["waits", { limits: { credits: 650 }, waitMs: 5_000 }],
  ["waits, CRITICAL", { limits: { credits: 650 }, waitMs: 5_000, priority: "CRITICAL" }],
  ["does not wait", { limits: { credits: 650 } }],
  ["does not wait, CRITICAL", { limits: { credits: 650 }, priority: "CRITICAL" }],
  ["can never fit", { limits: { credits: 1_001 }, waitMs: 5_000 }],
  ["is heavy", { limits: { credits: 600 }, min: { credits: 1 }, weight: 3 }],
];

describe.each(STRATEGIES)("%s in force", (strategy) => {
  describe.each(STRATEGIES)("%s tried", (tried) => {
    it.each(REQUESTS)("a request that %s", (_, opening) => {
      const { s, top } = busyNode({ strategy, shadow: { strategy: tried } });
      const wish = s.openWish(top, opening);
      const expected = decidedAsTried(s.events, { type: "grant", wish, nowMs: s.nowMs });
      const made = shadowMade(s.ask({ type: "grant", wish }));
      // Where both are the same there is nothing to try.
      expect(made).toEqual(strategy === tried ? undefined : expected);
    });
  });
});

it("tells of a share that comes partly out of a reserve, and of what others give at once, no more than the share", () => {
  const s = new Scenario();
  const policy = { strategy: "PROPORTIONAL_SHARING", shadow: { queueLengthMax: 1 } } as const;
  const top = s.account({ credits: 36, emergencyReserve: 4, toolCalls: 24, branches: 24, memoryBytes: 72 }, policy);
  s.open(top, { limits: { credits: 24, toolCalls: 1, memoryBytes: 9 }, min: { credits: 0, toolCalls: 1 } });
  const limits = { credits: 11, toolCalls: 5, branches: 1, memoryBytes: 55 };
  const wish = s.openWish(top, { priority: "CRITICAL", limits, min: { credits: 7, toolCalls: 5 } });
  const expected = decidedAsTried(s.events, { type: "grant", wish, nowMs: s.nowMs });
  expect(expected.kind).toBe("GRANTED_IN_PART");
  expect(shadowMade(s.ask({ type: "grant", wish }))).toEqual(expected);
});

function told(strategy: StrategyName, shadow: StrategyName, opening: Opening): string | undefined {
  const { s, top } = busyNode({ strategy, shadow: { strategy: shadow } });
  const outcome = ask(s, top, opening);
  return "shadow" in outcome && outcome.shadow ? shadowWords(outcome.shadow) : undefined;
}

describe("in words", () => {
  it("what would have been granted", () => {
    expect(told("QUEUE_AND_WAIT", "FIRST_COME_FIRST_SERVED", { limits: { credits: 1_001 } })).toBe(
      "shadow FIRST_COME_FIRST_SERVED (its own): would have been refused: INSUFFICIENT_CREDITS: account-1 has 200 credits free of the 1001 wanted; held by account-1/low (500), account-1/high (300); it can never fit, ask for less or have the limit raised",
    );
    const s = new Scenario();
    const top = s.account({ credits: 100 }, { shadow: { strategy: "PRIORITY_BASED" } });
    const wish = s.openWish(top, { limits: { credits: 150 }, min: { credits: 10 } });
    expect(s.ask({ type: "grant", wish })).toMatchObject({
      type: "opened",
      partial: true,
      shadow: { would: "GRANTED_IN_PART", was: "GRANTED_IN_PART", agrees: true },
    });
  });

  it("whose turn it would have been", () => {
    expect(told("FIRST_COME_FIRST_SERVED", "QUEUE_AND_WAIT", { limits: { credits: 650 }, waitMs: 900 })).toBe(
      "shadow QUEUE_AND_WAIT (its own): would have waited at place 3: INSUFFICIENT_CREDITS: account-1 has 200 credits free of the 650 wanted; held by account-1/low (500), account-1/high (300); nobody knows when something changes",
    );
    const urgent = { limits: { credits: 650 }, waitMs: 900, priority: "CRITICAL" } as const;
    expect(told("QUEUE_AND_WAIT", "PRIORITY_BASED", urgent)).toContain("would have waited at place 1:");
  });

  it("who would have given way", () => {
    const urgent = { limits: { credits: 650 }, waitMs: 900, priority: "CRITICAL" } as const;
    expect(told("QUEUE_AND_WAIT", "PREEMPTION_ALLOWED", urgent)).toMatch(
      /^shadow PREEMPTION_ALLOWED \(its own\): would have been granted what others give back: account-1\/low \(SHRINK\)/,
    );
  });
});

describe("where it stands", () => {
  it("is inherited, and what is nearer counts", () => {
    const s = new Scenario();
    const top = s.account({ credits: 1_000 }, { shadow: { strategy: "QUEUE_AND_WAIT" } });
    const own = s.open(top, { limits: { credits: 100 }, policy: { shadow: { strategy: "PRIORITY_BASED" } } });
    const none = s.open(top, { limits: { credits: 100 } });
    const other = s.open(top, { limits: { credits: 100 }, policy: { strategy: "PRIORITY_BASED" } });
    const strategyFor = (parentId: string) => {
      const outcome = ask(s, parentId, { limits: { credits: 10 } });
      return "shadow" in outcome ? outcome.shadow?.strategy : undefined;
    };
    expect(strategyFor(own)).toMatchObject({ name: "PRIORITY_BASED", from: "own" });
    expect(strategyFor(none)).toMatchObject({ name: "QUEUE_AND_WAIT", from: "inherited", path: "account-1" });
    // It says for itself which strategy it has: trying another one above changes nothing here.
    expect(strategyFor(other)).toBeUndefined();
  });

  it("is tried until the policy says otherwise, also after a restart", () => {
    const s = new Scenario();
    const top = s.account({ credits: 1_000 }, { shadow: { strategy: "QUEUE_AND_WAIT" } });
    const isTried = () => "shadow" in ask(s, top, { limits: { credits: 1 } });
    expect(isTried()).toBe(true);
    s.restart();
    expect(isTried()).toBe(true);
    s.ask({ type: "set_limits", allocationId: top, limits: { credits: 1_000 } as never, policy: {} });
    expect(isTried()).toBe(false);
  });

  it("an equal request that comes again is told nothing of it", () => {
    const s = new Scenario();
    const top = s.account({ credits: 1_000 }, { shadow: { strategy: "QUEUE_AND_WAIT" } });
    const command = { type: "grant", wish: s.openWish(top, { limits: { credits: 5 } }) } as const;
    expect(s.ask(command)).toHaveProperty("shadow");
    expect(s.ask(command)).not.toHaveProperty("shadow");
  });

  it("is part of what is asked: the same id with another one is another request", () => {
    const s = new Scenario();
    const top = s.account({ credits: 1_000 });
    const wish = s.openWish(top, { limits: { credits: 5 }, policy: { shadow: { strategy: "QUEUE_AND_WAIT" } } });
    s.expect("opened", { type: "grant", wish });
    const other = { ...wish, policy: { shadow: { strategy: "PRIORITY_BASED" } } } as const;
    expect(s.ask({ type: "grant", wish: other })).toMatchObject({ refusal: { code: "request_reused" } });
  });
});

describe("what may be chosen, and how many may wait", () => {
  it("is tried like the strategy", () => {
    const s = new Scenario();
    const top = s.account(
      { credits: 10 },
      { strategy: "QUEUE_AND_WAIT", shadow: { queueLengthMax: 1, requestMayChoose: true } },
    );
    s.open(top, { limits: { credits: 10 } });
    const wants = { limits: { credits: 5 }, waitMs: 1_000 } as const;
    expect(ask(s, top, wants)).toMatchObject({ type: "queued", shadow: { would: "QUEUED", agrees: true } });
    expect(ask(s, top, wants)).toMatchObject({
      type: "queued",
      shadow: { would: "REFUSED", refusal: { code: "too_many" }, agrees: false },
    });
    expect(ask(s, top, { ...wants, strategy: "PRIORITY_BASED" })).toMatchObject({
      type: "refused",
      refusal: { code: "not_permitted" },
      shadow: { was: "REFUSED", would: "REFUSED", refusal: { code: "too_many" }, strategy: { from: "request" } },
    });
  });
});

describe("refused by name", () => {
  it.each<readonly [string, Policy, string]>([
    ["nothing to try", { shadow: {} }, "policy.shadow"],
    ["a shadow in a shadow", { shadow: { shadow: { strategy: "PRIORITY_BASED" } } as Policy }, "policy.shadow.shadow"],
    ["what decides nothing", { shadow: { lowBudgetPercents: [50] } as Policy }, "policy.shadow.low_budget_percents"],
    ["a step too short", { shadow: { agingStepMs: 1 } }, "policy.shadow.aging_step_ms"],
    [
      "rules out of range",
      { shadow: { preemption: { worthPercentMin: 101 } } },
      "policy.shadow.preemption.worth_percent_min",
    ],
  ])("%s", (_, policy, field) => {
    expect(checkPolicy(policy)).toMatchObject({ code: "invalid", violations: [{ field }] });
  });

  it("a strategy that this version does not have", () => {
    const policy = { shadow: { strategy: "LOTTERY" as StrategyName } };
    expect(checkPolicy(policy)).toMatchObject({ code: "unsupported", message: expect.stringContaining("LOTTERY") });
  });

  it("with nothing changed", () => {
    const s = new Scenario();
    const policy = { shadow: {} };
    const command = { type: "open_root", allocationId: "a", name: "a", limits: {}, policy } as const;
    expect(s.ask(command)).toMatchObject({ type: "refused", refusal: { code: "invalid" } });
  });
});
