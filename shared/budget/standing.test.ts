/** How things stand now is read off the state alone: nothing of it is lost with a memory of decisions. */
import { expect, test } from "vitest";
import { LIMITS } from "#std";
import { limits, Scenario, some } from "./scenario.test-support.ts";
import { allocationStanding, requestStandings } from "./standing.ts";

const LISTED = { listed: LIMITS.whyListedMax };

function standing(s: Scenario, id: string): string[] {
  return allocationStanding(s.state, s.node(id), { nowMs: s.nowMs, ...LISTED });
}

function request(s: Scenario, requestId: string): string[] {
  return requestStandings(s.state, requestId, { nowMs: s.nowMs, ...LISTED, scanned: 100 });
}

test("an open node says what it has free and how its children compete", () => {
  const s = new Scenario();
  const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
  s.open(account, { limits: { credits: 80 } });
  expect(standing(s, account)).toEqual([
    "open (NORMAL): 20 of 100 credits free; its children compete under QUEUE_AND_WAIT (its own)",
  ]);
});

test("a request that waits says its place and for how long; the node says how many wait", () => {
  const s = new Scenario();
  const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
  s.open(account, { limits: { credits: 80 } });
  s.grant(s.openWish(account, { requestId: "first", limits: { credits: 50 }, waitMs: 60_000 }));
  s.grant(s.openWish(account, { requestId: "second", limits: { credits: 60 }, waitMs: 60_000 }));
  s.wait(250);
  const [line, ...more] = request(s, "second");
  expect(more).toEqual([]);
  expect(line).toContain(
    "request second for a step with 60 credits, NORMAL, willing to wait 60000 ms, waiting for 250 ms",
  );
  expect(line).toContain("it waits at place 2 under QUEUE_AND_WAIT (its own)");
  expect(standing(s, account)).toContain("2 requests wait here, under QUEUE_AND_WAIT (its own)");
});

test("who waits for more of its own is told at the allocation", () => {
  const s = new Scenario();
  const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
  const run = s.open(account, { limits: { credits: 100 } });
  s.grant(s.raiseWish(run, { requestId: "more", by: { credits: 10 }, waitMs: 60_000 }));
  const told = standing(s, run).filter((line) => line.startsWith("request more for 10 credits more"));
  expect(told).toHaveLength(1);
  expect(s.node(account).waiters.size).toBe(1);
});

test("an answered request names what it was granted", () => {
  const s = new Scenario();
  const account = s.account({ credits: 100 });
  const run = s.open(account, { requestId: "asked", limits: { credits: 10 } });
  expect(request(s, "asked")).toEqual([`request asked was granted ${s.node(run).path} (${run}), which is open`]);
  expect(request(s, "other")).toEqual([]);
});

test("doubt, debt, preemption and the end each have their line", () => {
  const s = new Scenario();
  const account = s.account({ credits: 100 });
  const held = s.open(account, { limits: { credits: 60 }, holder: "process-7", leaseTtlMs: 5_000 });
  s.ask({
    type: "reclaim",
    preemptionId: "p-1",
    allocationId: held,
    epoch: undefined,
    amounts: some({ credits: 20 }),
    mode: "SHRINK",
    reason: "for the demo",
  });
  expect(standing(s, held)).toContain(
    "preempted (SHRINK) by p-1: nothing came back, 20 credits still wanted; for the demo",
  );
  s.wait(60_000);
  expect(standing(s, held)).toContain(
    "the lease of process-7 ended unrenewed: 60 credits in doubt, neither spendable nor lost until it is back or a person writes it off",
  );
  const local = s.open(account, { limits: { credits: 10 } });
  const hold = s.reserve(local, { wanted: { credits: 10 } });
  s.settle(hold, { credits: 75 });
  expect(standing(s, local).some((line) => line.startsWith("owes "))).toBe(true);
  s.close(local);
  s.wait(40);
  expect(standing(s, local)[0]).toMatch(/^closed 40 ms ago: /);
});

test("a grant from above whose lease is over spends nothing, and says so below it, too", () => {
  const s = new Scenario();
  const run = s.receive({ credits: 100 }, { leaseMs: 1_000 });
  const step = s.open(run, { limits: limits({ credits: 10 }) });
  s.wait(2_000);
  for (const id of [run, step]) {
    expect(standing(s, id)).toContain(
      `the lease of ${s.node(run).path} has ended: nothing new is spent until the tier above renews it`,
    );
  }
});
