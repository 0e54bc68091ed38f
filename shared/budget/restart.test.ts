/** A daemon that starts again on its journal: what it holds, what it has granted, and which final accounts are still to be told. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { decide } from "./decide.ts";
import { nextDueMs } from "./decide-time.ts";
import { refusalOf, Scenario, usage } from "./scenario.test-support.ts";

const TTL_MS = 10_000;
const MARGIN_MS = LIMITS.leaseMarginMs;

/** Dies, and starts again on its journal. */
function startAgain(s: Scenario): void {
  s.restart();
  s.ask({ type: "start" });
}

describe("start", () => {
  test("counts the lives of the daemon, in the journal", () => {
    const s = new Scenario();
    s.account({ credits: 10 });
    expect(s.state.lives).toBe(0);
    startAgain(s);
    expect(s.last.events).toEqual([{ type: "daemon_started", atMs: 0 }]);
    startAgain(s);
    s.restart();
    expect(s.state.lives).toBe(2);
  });

  test("what is held may be spent only once it is renewed; what is in flight is settled", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 10, branches: 3 }, { leaseMs: 50_000 });
    const hold = s.reserve(run, { wanted: { credits: 3 } });
    s.nowMs = 700;
    startAgain(s);
    expect(s.node(run).leaseEndsAtMs).toBe(700);
    expect(refusalOf(s.tryReserve(run, { wanted: { credits: 1 } }))).toMatchObject({ code: "lease_ended" });
    expect(refusalOf(s.grant(s.openWish(run)))).toMatchObject({ code: "lease_ended" });
    expect(s.settle(hold, { credits: 2 }).type).toBe("settled");
    expect(s.wait(LIMITS.dueBucketMs).messages).toEqual([{ type: "lease_ended", allocationId: run, holder: "parent" }]);
    const renew = (epoch: number) => s.ask({ type: "renew_lease", allocationId: run, epoch, endsAtMs: 9_000 });
    expect(refusalOf(renew(2))).toMatchObject({ code: "stale_epoch" });
    renew(1);
    expect(s.tryReserve(run, { wanted: { credits: 1 } }).type).toBe("held");
  });

  test("what is granted runs for a full lease and the margin, also where it was about to end; a doubt stays one", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const silent = s.open(account, { limits: { credits: 10 }, holder: "one", leaseTtlMs: 1_000 });
    s.wait(4_000);
    const alive = s.open(account, { limits: { credits: 20 }, holder: "two", leaseTtlMs: TTL_MS });
    s.nowMs += TTL_MS + MARGIN_MS;
    startAgain(s);
    expect(s.node(alive).leaseEndsAtMs).toBe(s.nowMs + TTL_MS + MARGIN_MS);
    expect(s.node(silent).doubtful).toBe(true);
    expect(s.wait(TTL_MS + MARGIN_MS - LIMITS.dueBucketMs).events).toEqual([]);
    expect(s.wait(LIMITS.dueBucketMs).events).toEqual([expect.objectContaining({ allocationId: alive })]);
    expect(s.credits(account)).toMatchObject({ inDoubt: 30, available: 70 });
  });

  test("what has closed has no lease any more", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100 });
    const run = s.open(account, { limits: { credits: 10 }, holder: "one" });
    const received = s.receive({ credits: 10 });
    s.report(run, 1, usage(), { final: true, caller: "one" });
    s.close(received);
    s.wait(LIMITS.effectMemoryMs);
    startAgain(s);
    expect(nextDueMs(s.state)).toBeUndefined();
  });

  test("below a lease that has ended nothing is given or renewed, although the holder is not given up yet", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 100 }, { leaseMs: 50_000 });
    const wish = s.openWish(run, { limits: { credits: 40 }, holder: "execution", leaseTtlMs: TTL_MS });
    s.grant(wish);
    s.nowMs = 1_000;
    startAgain(s);
    const end = 1_000 + TTL_MS + MARGIN_MS;
    const report = (credits: number) =>
      s.report(wish.allocationId, credits, usage({ credits }), { caller: "execution" });
    s.nowMs = 2_000;
    expect(report(5)).toMatchObject({ type: "reported", leaseTtlMs: 0 });
    expect(s.grant(wish)).toMatchObject({ repeated: true, leaseTtlMs: 0 });
    expect(s.node(wish.allocationId).leaseEndsAtMs).toBe(end);
    s.ask({ type: "renew_lease", allocationId: run, epoch: 1, endsAtMs: 6_000 });
    expect(report(6)).toMatchObject({ leaseTtlMs: 4_000 });
    expect(s.grant(wish)).toMatchObject({ leaseTtlMs: 4_000 });
    expect(s.node(wish.allocationId).leaseEndsAtMs).toBe(end);
  });

  test("a doubt below a lease that has ended is not ended by a report, only what it says is booked", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 100 }, { leaseMs: 5_000 });
    const step = s.open(run, { limits: { credits: 40 }, holder: "execution", leaseTtlMs: TTL_MS });
    s.wait(60_000);
    expect(s.report(step, 1, usage({ credits: 15 }), { caller: "execution" })).toMatchObject({ leaseTtlMs: 0 });
    expect(s.credits(run)).toMatchObject({ granted: 15, inDoubt: 25 });
    s.ask({ type: "renew_lease", allocationId: run, epoch: 1, endsAtMs: s.nowMs + 9_000 });
    expect(s.report(step, 2, usage({ credits: 15 }), { caller: "execution" })).toMatchObject({ leaseTtlMs: 9_000 });
    expect(s.credits(run)).toMatchObject({ granted: 40 });
  });
});

describe("final accounts of received grants", () => {
  const acknowledge = (s: Scenario, allocationId: string, sequence: number) =>
    s.ask({ type: "acknowledge_final", allocationId, sequence });
  /** The sequence of a report of the node as it stands. */
  const sequenceOf = (s: Scenario, id: string) => s.node(id).usageSequence + 1;

  test("the record is kept until the tier above has taken the account, and ten minutes more", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 10 });
    const older = sequenceOf(s, run);
    expect(acknowledge(s, run, older)).toEqual({ type: "done", changed: false });
    s.settle(s.reserve(run, { wanted: { credits: 4 } }), { credits: 4 });
    s.close(run);
    s.wait(LIMITS.effectMemoryMs * 5);
    s.restart();
    expect([...s.state.unacknowledged].map(({ id }) => id)).toEqual([run]);
    expect(acknowledge(s, run, older)).toEqual({ type: "done", changed: false });
    expect(acknowledge(s, run, sequenceOf(s, run))).toEqual({ type: "done", changed: true });
    expect(acknowledge(s, run, sequenceOf(s, run))).toEqual({ type: "done", changed: false });
    expect([s.state.unacknowledged.size, s.state.acknowledged.size]).toEqual([0, 1]);
    s.wait(LIMITS.effectMemoryMs - 1);
    expect(s.ask({ ...s.receiving({ credits: 10 }), allocationId: run })).toMatchObject({ repeated: true });
    s.wait(1);
    expect([s.state.allocations.size, s.state.roots.size, s.state.acknowledged.size]).toEqual([0, 0, 0]);
    expect(refusalOf(acknowledge(s, run, 9))).toMatchObject({ code: "not_found" });
  });

  test("of those that are acknowledged the latest are kept, with what closed below them", () => {
    const s = new Scenario();
    const [first, second] = [s.receive({ branches: 2 }), s.receive({ branches: 2 })];
    const below = s.open(first);
    for (const id of [first, second]) s.close(id);
    acknowledge(s, first, sequenceOf(s, first));
    const others = Array.from({ length: LIMITS.closedRootsMax - 1 }, () => Object.create(s.node(first)));
    const state = { ...s.state, acknowledged: new Set([s.node(first), ...others]) };
    const last = { type: "acknowledge_final", allocationId: second, sequence: sequenceOf(s, second) } as const;
    expect(decide(state, { ...last, nowMs: s.nowMs }).outcome).toEqual({ type: "done", changed: true });
    expect(state.acknowledged.size).toBe(LIMITS.closedRootsMax);
    expect([first, below, second].map((id) => state.allocations.has(id))).toEqual([false, false, true]);
    expect([...state.roots].map(({ id }) => id)).toEqual([second]);
  });

  test("beyond the bound of those that are not, no grant is taken", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 10 });
    s.close(run);
    const waiting = new Set(Array.from({ length: LIMITS.closedRootsMax }, () => Object.create(s.node(run))));
    const { outcome } = decide(
      { ...s.state, unacknowledged: waiting },
      { ...s.receiving({ credits: 10 }), nowMs: s.nowMs },
    );
    expect(refusalOf(outcome)).toMatchObject({ code: "too_many", retryAfterMs: LIMITS.retryAfterMs });
  });

  test("a grant that was given up and comes again opens with its lease over: it spends nothing", () => {
    const s = new Scenario();
    const grant = s.receiving({ credits: 10 }, { leaseMs: TTL_MS });
    s.quickly(() => {
      s.ask(grant);
      s.close(grant.allocationId);
      acknowledge(s, grant.allocationId, sequenceOf(s, grant.allocationId));
      s.wait(LIMITS.effectMemoryMs);
      expect(s.ask(grant)).toMatchObject({ type: "opened", repeated: false });
    });
    const spending = s.tryReserve(grant.allocationId, { wanted: { credits: 1 } });
    expect(refusalOf(spending)).toMatchObject({ code: "lease_ended" });
  });
});
