/** A person sets the strategy of an account or swarm while work goes on: it holds at once, for who waits and for what inherits it. */
import { describe, expect, test } from "vitest";
import type { Outcome } from "./outcome.ts";
import type { StrategyName } from "./policy.ts";
import { type LimitNumbers, limits, refusalOf, Scenario } from "./scenario.test-support.ts";

type Wanted = StrategyName | "INHERITED";

let requests = 0;

function set(
  s: Scenario,
  allocationId: string,
  strategy: Wanted,
  numbers: LimitNumbers = {},
  requestId?: string,
): Outcome {
  const request = { caller: "person", requestId: requestId ?? `set-${++requests}` };
  return s.ask({ type: "update_limits", ...request, allocationId, limits: limits(numbers), strategy });
}

/** A swarm with all of its credits out, where a large LOW request waits before a small HIGH one. */
function queue() {
  const s = new Scenario();
  const account = s.account({ credits: 1_000 });
  const policy = { strategy: "QUEUE_AND_WAIT", queueLengthMax: 7 } as const;
  const swarm = s.open(account, { kind: "swarm", limits: { credits: 100 }, policy });
  const run = s.open(swarm, { kind: "run", holder: "holder", caller: "holder", limits: { credits: 60 } });
  const low = s.openWish(swarm, { kind: "run", limits: { credits: 80 }, priority: "LOW", waitMs: 60_000 });
  const high = s.openWish(swarm, { kind: "run", limits: { credits: 40 }, priority: "HIGH", waitMs: 60_000 });
  return { s, account, swarm, run, low, high };
}

describe("another strategy", () => {
  test("holds at once for who waits, and nothing else of the policy or the limits changes", () => {
    const { s, swarm, low, high } = queue();
    for (const wish of [low, high]) expect(s.grant(wish).type).toBe("queued");
    const answer = set(s, swarm, "PRIORITY_BASED");
    expect(answer).toMatchObject({
      type: "updated",
      before: { credits: 100 },
      after: { credits: 100 },
      repeated: false,
    });
    expect(s.last.messages.filter(({ type }) => type === "decided")).toMatchObject([
      { requestId: high.requestId, outcome: { type: "opened" } },
    ]);
    expect(s.node(swarm).policy).toEqual({ strategy: "PRIORITY_BASED", queueLengthMax: 7 });
  });

  test("is told to who holds what inherits it, and may be given back to what is above", () => {
    const { s, account, swarm, run } = queue();
    set(s, swarm, "PREEMPTION_ALLOWED");
    const told = (strategy: string, strategyPath: string) => [
      { type: "granted", allocationId: run, inherited: { strategy, strategyPath } },
    ];
    expect(s.last.messages).toMatchObject(told("PREEMPTION_ALLOWED", s.node(swarm).path));
    set(s, account, "PROPORTIONAL_SHARING");
    expect(s.last.messages).toEqual([]);
    set(s, swarm, "INHERITED");
    expect(s.node(swarm).policy).toEqual({ queueLengthMax: 7 });
    expect(s.last.messages).toMatchObject(told("PROPORTIONAL_SHARING", s.node(account).path));
  });

  test("comes together with limits, all of it or nothing", () => {
    const { s, swarm } = queue();
    expect(refusalOf(set(s, swarm, "PRIORITY_BASED", { credits: 5 })).code).toBe("invalid");
    expect(s.node(swarm).policy.strategy).toBe("QUEUE_AND_WAIT");
    expect(set(s, swarm, "PRIORITY_BASED", { credits: 120 })).toMatchObject({ after: { credits: 120 } });
    expect(s.node(swarm).policy.strategy).toBe("PRIORITY_BASED");
  });

  test("is one effect per request, also after a restart; the one that is there is none", () => {
    const { s, swarm } = queue();
    expect(set(s, swarm, "QUEUE_AND_WAIT")).toMatchObject({ type: "updated" });
    expect(s.last.events).toEqual([]);
    const first = set(s, swarm, "PRIORITY_BASED", {}, "one");
    set(s, swarm, "QUEUE_AND_WAIT", {}, "two");
    s.restart();
    expect(set(s, swarm, "PRIORITY_BASED", {}, "one")).toEqual({ ...first, repeated: true });
    expect(s.node(swarm).policy.strategy).toBe("QUEUE_AND_WAIT");
    expect(refusalOf(set(s, swarm, "INHERITED", {}, "one")).code).toBe("request_reused");
  });

  test("is not for what another daemon holds: the refusal says what to change", () => {
    const { s, swarm, run } = queue();
    const message = expect.stringContaining(`change the strategy of ${s.node(swarm).path}`);
    expect(refusalOf(set(s, run, "PRIORITY_BASED"))).toMatchObject({ violations: [{ field: "strategy", message }] });
  });

  test("says nothing of how much a swarm wishes where its account divides by weight", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    set(s, account, "PROPORTIONAL_SHARING");
    const least = { min: { credits: 10 } } as const;
    const one = s.open(account, { kind: "swarm", limits: { credits: 100 }, ...least });
    const other = s.openWish(account, { kind: "swarm", limits: { credits: 100 }, ...least, waitMs: 60_000 });
    s.grant(other);
    expect(s.credits(one).limit).toBe(50);
    set(s, one, "PRIORITY_BASED");
    s.close(other.allocationId);
    expect(s.credits(one).limit).toBe(100);
  });
});
