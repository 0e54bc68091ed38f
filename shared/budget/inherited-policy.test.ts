/** A strategy holds inside what is handed to another daemon, also when it changes while work goes on there. */
import { describe, expect, test } from "vitest";
import { strategyInForce } from "./find-strategy.ts";
import type { OutcomeOf } from "./outcome.ts";
import type { Policy } from "./policy.ts";
import { conflictOf, Scenario } from "./scenario.test-support.ts";
import { orderAt, strategyAt } from "./strategies/index.ts";

type Opened = OutcomeOf<"opened">;

/** Two daemons: a run is granted at the upper one, and taken at the lower one. */
class Pair {
  readonly above = new Scenario("above");
  readonly below = new Scenario("below");
  readonly account: string;
  readonly swarm: string;
  run = "";

  constructor(account: Policy, swarm: Policy = {}) {
    this.account = this.above.account({ credits: 1_000 }, account);
    this.swarm = this.above.open(this.account, { kind: "swarm", limits: { credits: 500 }, policy: swarm });
  }

  /** What the policy of the grant says. */
  grant(policy: Policy = {}): Policy {
    const limits = { credits: 100 };
    const wish = this.above.openWish(this.swarm, { kind: "run", limits, holder: "below", policy });
    const opened = this.above.grant(wish) as Opened;
    this.run = this.below.receive({ credits: 100 }, { policy: opened.policy });
    return opened.policy;
  }

  /** The account's policy is another one; what was told of it arrives below. */
  change(policy: Policy): void {
    const limits = { credits: 1_000 } as never;
    this.above.run({ type: "set_limits", allocationId: this.account, limits, policy });
    for (const message of this.above.last.messages) {
      if (message.type !== "granted") continue;
      const { epoch, inherited } = message;
      const { grantedTotal } = this.below.node(this.run);
      this.below.run({ type: "receive_limit", allocationId: this.run, epoch, grantedTotal, inherited });
    }
  }

  get strategy() {
    return strategyInForce(this.below.node(this.run), undefined);
  }
}

const AGING: Policy = { strategy: "PRIORITY_BASED", agingStepMs: 5_000 };

describe("inside a grant", () => {
  test.each([
    ["PROPORTIONAL_SHARING", false],
    ["QUEUE_AND_WAIT", true],
  ] as const)("what is above the whole limit under %s: it can never fit: %s", (strategy, never) => {
    const pair = new Pair({ strategy });
    pair.grant();
    const outcome = pair.below.tryReserve(pair.run, { wanted: { credits: 101 } });
    expect(conflictOf(outcome)).toMatchObject({ never, wanted: 101, available: 100 });
    expect(conflictOf(outcome).retryAfterMs > 0).toBe(!never);
  });

  test("holds what holds above it, with the path of who says so", () => {
    const pair = new Pair({ ...AGING, preemption: { worst: "PAUSE" }, lowBudgetPercents: [50] });
    expect(pair.grant()).toEqual({
      inherited: { ...AGING, strategyPath: "account-above1", preemption: { worst: "PAUSE" }, lowBudgetPercents: [50] },
    });
    expect(pair.strategy).toEqual({ name: "PRIORITY_BASED", from: "inherited", path: "account-above1" });
    expect(orderAt(pair.below.node(pair.run))).toMatchObject({ agingStepMs: 5_000 });
    const { below, run } = pair;
    below.open(run, { limits: { credits: 80 } });
    const later = below.grant(below.openWish(run, { limits: { credits: 50 }, waitMs: 10_000 }));
    expect(conflictOf(later)).toMatchObject({ position: 1, strategy: { name: "PRIORITY_BASED", from: "inherited" } });
  });

  test("the nearest word counts, and its own before all others", () => {
    const pair = new Pair(AGING, { strategy: "QUEUE_AND_WAIT" });
    expect(pair.grant().inherited).toMatchObject({ strategy: "QUEUE_AND_WAIT", agingStepMs: 5_000 });
    pair.grant({ strategy: "FIRST_COME_FIRST_SERVED" });
    expect(pair.strategy).toMatchObject({ name: "FIRST_COME_FIRST_SERVED", from: "own" });
  });

  test("nothing is said where no policy says anything, and those of equal grants are one", () => {
    const pair = new Pair({});
    expect(pair.grant()).toEqual({});
    expect(pair.strategy.from).toBe("default");
    const other = new Pair(AGING);
    const [first, second] = [other.grant(), other.grant()];
    expect(second).toBe(first);
  });

  test("it goes on to the next daemon", () => {
    const pair = new Pair(AGING);
    pair.grant();
    const wish = pair.below.openWish(pair.run, { limits: { credits: 10 }, holder: "execution" });
    expect(pair.below.grant(wish)).toMatchObject({
      policy: { inherited: { strategy: "PRIORITY_BASED", strategyPath: "account-above1" } },
    });
  });
});

describe("a policy that changes while work goes on", () => {
  test("is told to who holds something, orders those who wait there anew, and serves them", () => {
    const pair = new Pair({ strategy: "QUEUE_AND_WAIT" });
    pair.grant();
    const { below, run } = pair;
    below.open(run, { limits: { credits: 90 } });
    const want = (name: string, credits: number, priority: "LOW" | "HIGH") => {
      const rest = { allocationId: name, name, requestId: name, waitMs: 60_000 } as const;
      return below.grant(below.openWish(run, { limits: { credits }, priority, ...rest }));
    };
    want("large", 50, "LOW");
    expect(want("small", 10, "HIGH").type).toBe("queued");
    pair.change(AGING);
    expect(pair.strategy).toMatchObject({ name: "PRIORITY_BASED", from: "inherited" });
    // It has its turn first now.
    expect(below.node("small").state).toBe("open");
    expect(below.events.filter(({ type }) => type === "policy_set")).toHaveLength(1);
    // The same again says nothing new.
    const { grantedTotal, policy } = below.node(run);
    const again = { type: "receive_limit", allocationId: run, epoch: 1, grantedTotal } as const;
    expect(below.ask({ ...again, inherited: policy.inherited })).toEqual({ type: "done", changed: false });
  });

  test("its own word stays its own; and what is not said above any more does not hold below", () => {
    const pair = new Pair(AGING);
    pair.grant({ strategy: "QUEUE_AND_WAIT" });
    pair.change({ strategy: "PROPORTIONAL_SHARING" });
    expect(pair.strategy).toMatchObject({ name: "QUEUE_AND_WAIT", from: "own" });
    expect(pair.below.node(pair.run).policy.inherited).toMatchObject({ strategy: "PROPORTIONAL_SHARING" });
    pair.grant();
    pair.change({});
    expect(pair.strategy).toMatchObject({ name: "FIRST_COME_FIRST_SERVED", from: "default" });
    expect(strategyAt(pair.below.node(pair.run))).toBe("FIRST_COME_FIRST_SERVED");
    // The parent keeps what it has told, for the next welcome.
    const told = [...pair.above.node(pair.swarm).children].map(({ policy }) => policy.inherited);
    expect(told).toEqual([{}, {}]);
  });

  test("what does not change for a holder is not told to it", () => {
    const pair = new Pair(AGING, { strategy: "QUEUE_AND_WAIT", agingStepMs: 1_000 });
    pair.grant();
    pair.change({ strategy: "PROPORTIONAL_SHARING" });
    expect(pair.above.last.messages).toEqual([]);
  });
});
