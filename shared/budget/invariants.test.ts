/** The checker itself: each invariant can fail, and says which and where. */
import { describe, expect, test } from "vitest";
import type { Amount } from "./amount.ts";
import { evolve } from "./evolve.ts";
import { assertInvariants } from "./invariants.ts";
import { Scenario } from "./scenario.test-support.ts";
import type { Allocation, Hold } from "./state.ts";

const x = (n: number) => n as Amount;

/** Writes wrong terms into a node's credit book. */
function assign(node: Allocation, terms: Readonly<Record<string, number>>): void {
  Object.assign(node.books.credits, terms);
}

/** An account with a run, a step in it, a grant to another daemon, a closed step, calls that live, lapsed and ended, a request that waits. */
function somewhere() {
  const s = new Scenario();
  const account = s.account({ credits: 1_000, branches: 9 }, { strategy: "QUEUE_AND_WAIT" });
  const run = s.open(account, { limits: { credits: 300, branches: 2, durationMs: 90_000 } });
  const there = s.open(account, { limits: { credits: 100 }, holder: "holder" });
  const step = s.open(run, { limits: { credits: 50 } });
  s.close(s.open(run, { limits: { credits: 50 }, allocationId: "closed" }));
  s.reserve(run, { wanted: { credits: 5 }, ttlMs: 10 });
  s.wait(50);
  s.reserve(run, { wanted: { credits: 7, branches: 1 }, holdId: "live" });
  s.settle(s.reserve(run, { wanted: { credits: 1 } }));
  s.grant(s.openWish(account, { limits: { credits: 900 }, waitMs: 60_000 }));
  return { s, account: s.node(account), run: s.node(run), there: s.node(there), step: s.node(step) };
}

type Somewhere = ReturnType<typeof somewhere>;

const BREAKS: readonly (readonly [string, (w: Somewhere) => void])[] = [
  ["I1", ({ run }) => assign(run, { available: 1 })],
  ["I2", ({ run }) => assign(run, { spent: -1 })],
  ["I2", ({ account }) => assign(account, { limit: 0.5 })],
  ["I2 available and debt", ({ run }) => assign(run, { debt: 3, available: run.books.credits.available + 3 })],
  ["I2 unlimited", ({ run }) => Object.assign(run.books.credits, { elastic: true })],
  ["I3 children", ({ account }) => assign(account, { granted: 399, available: 601 })],
  ["I3 reserved", ({ run }) => assign(run, { reserved: 6, available: run.books.credits.available + 1 })],
  ["I3 unconfirmed", ({ run }) => assign(run, { unconfirmed: 6, available: run.books.credits.available - 1 })],
  ["I4 in use", ({ account }) => Object.assign(account.held.branches, { inUse: 5 })],
  ["I4 limit", ({ account }) => Object.assign(account.held.branches, { limit: 1 })],
  ["I4 peak", ({ account }) => Object.assign(account.held.branches, { peak: 0 })],
  ["I5 .* still stands", ({ there }) => Object.assign(there, { state: "closed" })],
  ["I5", ({ run }) => Object.assign(run, { state: "closed" })],
  ["I6", breakDoubt],
  ["I7", ({ run }) => assign(run, { usage: 1 })],
  ["I7 overrun", ({ run }) => assign(run, { overrun: 1 })],
  ["I8", ({ step }) => Object.assign(step, { deadlineAtMs: undefined })],
  ["I8", ({ step }) => Object.assign(step, { deadlineAtMs: 90_001 })],
  ["I9", ({ run }) => Object.assign(run, { grantedTotal: { ...run.grantedTotal, credits: 301 } })],
  ["I9", ({ run }) => Object.assign(run, { returnedTotal: { ...run.returnedTotal, branches: 1 } })],
  ["I10 root", ({ s, account }) => s.state.roots.delete(account)],
  ["I10 waiter", ({ s, account }) => s.state.effects.delete([...account.waiters][0]?.effectKey ?? "")],
  ["I10 live holds", ({ run }) => Object.assign(run, { liveHolds: 0 })],
  ["I10 holders", ({ account }) => Object.assign(account, { holders: new Map() })],
  ["I10 hold", ({ s }) => s.state.holds.set("over", ended(s.state.holds.get("live")))],
];

/** A call that is over and still stands among those in flight. */
function ended(hold: Hold | undefined): Hold {
  return Object.assign(Object.create(null), hold, { state: "ended" });
}

/** A local node in doubt, with books that would be right if that were possible. */
function breakDoubt({ run, account }: Somewhere): void {
  Object.assign(run, { doubtful: true });
  assign(account, { granted: 100, inDoubt: 300 });
}

describe("the invariants", () => {
  test("hold for a state with something of everything", () => {
    expect(() => assertInvariants(somewhere().s.state)).not.toThrow();
  });

  test.each(BREAKS)("%s is noticed", (name, breakIt) => {
    const world = somewhere();
    breakIt(world);
    expect(() => assertInvariants(world.s.state)).toThrow(new RegExp(`^${name}\\b`));
  });
});

describe("an event that does not fit the state is a broken invariant", () => {
  const at = { atMs: 100 } as const;
  const nothing = { credits: x(0), toolCalls: x(0), branches: x(0), memoryBytes: x(0) };
  test.each([
    ["an unknown allocation", { type: "policy_set", ...at, allocationId: "nobody", policy: {} }],
    ["an unknown hold", { type: "hold_lapsed", ...at, holdId: "none" }],
    ["time that fell", { type: "memory_released", atMs: 0, upToMs: 0 }],
    ["a waiter that is not there", { type: "request_dequeued", ...at, effectKey: "none", cause: "refused" }],
    [
      "a preemption that is not there",
      { type: "reclaim_ended", ...at, preemptionId: "p", allocationId: "account-1", cause: "met" },
    ],
    ["a close that was not begun", { type: "allocation_closed", ...at, allocationId: "account-1" }],
    ["doubt about a local node", { type: "lease_ended", ...at, allocationId: "account-1" }],
    [
      "a raise of a closed node",
      { type: "limit_raised", ...at, allocationId: "closed", by: nothing, effect: undefined },
    ],
    [
      "a return of a closed node",
      { type: "limit_lowered", ...at, allocationId: "closed", by: nothing, preemptionId: undefined },
    ],
    [
      "a late settle of an open allocation",
      { type: "late_settle_recorded", ...at, holdId: "live", credits: x(1), toolCalls: x(0) },
    ],
  ] as const)("%s", (_, event) => {
    const { s } = somewhere();
    expect(() => evolve(s.state, event)).toThrow(expect.objectContaining({ name: "InvariantError" }));
  });
});
