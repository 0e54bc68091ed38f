import { describe, expect, it } from "vitest";
import type { UpItem } from "#ports";
import { LIMITS } from "#std";
import { some } from "./testing/tier.ts";
import { TwoTiers } from "./testing/two-tiers.ts";

const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;
const INTERVAL = LIMITS.usageReportIntervalMs;

async function withRun(options: ConstructorParameters<typeof TwoTiers>[0] = {}): Promise<TwoTiers> {
  const tiers = await new TwoTiers(options).start();
  await tiers.grant("run", { credits: 400, toolCalls: 0 });
  return tiers;
}

const isUsage = (item: UpItem): item is Extract<UpItem, { type: "usage" }> => item.type === "usage";
const reportsOf = (tiers: TwoTiers, id = "run") =>
  tiers.wire.arrived.up
    .filter(isUsage)
    .map(({ report }) => report)
    .filter(({ allocationId }) => allocationId === id);

const runAtParent = (tiers: TwoTiers) => tiers.parent.node("run");
const account = async (tiers: TwoTiers) => (await tiers.parent.node("account")).books.credits;

describe("usage reports", () => {
  it("carry all that was used since, once per interval", async () => {
    const tiers = await withRun();
    await tiers.clock.advance(INTERVAL);
    for (let n = 0; n < 20; n += 1) {
      await tiers.spend("run", 5);
      await tiers.clock.advance(INTERVAL / 10);
    }
    await tiers.clock.advance(INTERVAL);
    const reports = reportsOf(tiers);
    expect(reports.length).toBeLessThanOrEqual(4);
    expect(reports.at(-1)).toMatchObject({ usage: { credits: 100, callsPerTool: [["m", 20]] }, final: false });
    expect((await runAtParent(tiers)).books.credits.usage).toBe(100);
  });

  it("say nothing when nothing changed, but for the lease", async () => {
    const tiers = await withRun();
    await tiers.spend("run", 5);
    await tiers.clock.advance(LIMITS.leaseTtlMs / LIMITS.leaseRenewParts - 1);
    expect(reportsOf(tiers)).toHaveLength(1);
    const sequences = reportsOf(tiers).map(({ sequence }) => sequence);
    await tiers.spend("run", 5);
    await tiers.clock.advance(INTERVAL * 2);
    expect(reportsOf(tiers).at(-1)?.sequence).toBeGreaterThan(sequences[0] ?? 0);
  });

  it("are told in parts when there are many, each allocation in its turn", async () => {
    const tiers = await withRun();
    const ids = Array.from({ length: 300 }, (_, at) => `many-${at}`);
    for (const id of ids) await tiers.grant(id, { credits: 1 });
    await tiers.clock.advance(INTERVAL * 2);
    tiers.wire.arrived.up.length = 0;
    for (const id of ids) await tiers.spend(id, 1);
    await tiers.clock.advance(INTERVAL + 10 * LIMITS.usageReportsPauseMs);
    const parts = [0];
    for (const { type } of tiers.wire.arrived.up) {
      if (type === "mark") parts.push(0);
      else if (type === "usage") parts.push((parts.pop() ?? 0) + 1);
    }
    expect(parts.length).toBeGreaterThan(2);
    expect(Math.max(...parts)).toBeLessThanOrEqual(LIMITS.usageReportsPartMax);
    expect(ids.map((id) => reportsOf(tiers, id).map(({ usage }) => usage.credits))).toEqual(ids.map(() => [1]));
  });

  it("are under way at most once per allocation, and one does not wait for another", async () => {
    const tiers = await withRun({ latencyMs: () => 400 });
    await tiers.grant("other", { credits: 100 });
    await tiers.clock.advance(1_000);
    await tiers.spend("run", 1);
    await tiers.clock.advance(INTERVAL * 2);
    for (let n = 0; n < 10; n += 1) {
      await tiers.spend("run", 1);
      await tiers.spend("other", 1);
      await tiers.clock.advance(INTERVAL);
    }
    // 600 ms have passed since the first was sent: it has arrived, and no second one has.
    expect(reportsOf(tiers)).toHaveLength(1);
    await tiers.clock.advance(2_000);
    expect(reportsOf(tiers).map(({ usage }) => usage.credits)).toEqual(
      [1, expect.any(Number), 11].slice(0, reportsOf(tiers).length),
    );
    expect(reportsOf(tiers, "other").at(-1)?.usage.credits).toBe(10);
  });

  it("of one allocation do not come sooner because another one closes", async () => {
    const tiers = await withRun();
    for (let n = 0; n < 10; n += 1) await tiers.grant(`step-${n}`, { credits: 10 });
    await tiers.clock.advance(INTERVAL);
    const before = reportsOf(tiers).length;
    for (let n = 0; n < 10; n += 1) {
      await tiers.spend("run", 1);
      await tiers.child.run({ type: "close", allocationId: `step-${n}`, reason: "done" });
    }
    expect(reportsOf(tiers).length - before).toBeLessThanOrEqual(1);
    await tiers.clock.advance(INTERVAL * 2);
    expect((await runAtParent(tiers)).books.credits.usage).toBe(10);
  });

  it("reach the parent within an interval and what the way takes", async () => {
    const tiers = await withRun({ latencyMs: () => 10 });
    await tiers.clock.advance(1_000);
    await tiers.spend("run", 7);
    await tiers.clock.advance(INTERVAL + 10 + 20);
    expect((await runAtParent(tiers)).books.credits.usage).toBe(7);
  });
});

describe("a final report", () => {
  it("goes out at once, closes the parent's side, and is not said again", async () => {
    const tiers = await withRun();
    await tiers.clock.advance(INTERVAL);
    await tiers.spend("run", 150);
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    await tiers.clock.settle();
    expect((await runAtParent(tiers)).state).toBe("closed");
    expect(await account(tiers)).toMatchObject({ available: 850, spent: 150, granted: 0 });
    expect(tiers.stops).toEqual([]);
    await tiers.clock.advance(60_000);
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect(reportsOf(tiers).filter(({ final }) => final)).toHaveLength(1);
    const hello = tiers.wire.arrived.up.filter(({ type }) => type === "hello").at(-1);
    expect(hello).toMatchObject({ hello: { allocations: [] } });
  });

  it("waits for the report before it, and is then said", async () => {
    const tiers = await withRun({ latencyMs: () => 100 });
    await tiers.clock.advance(1_000);
    await tiers.spend("run", 1);
    await tiers.clock.advance(INTERVAL);
    await tiers.spend("run", 149);
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    await tiers.clock.advance(1_000);
    expect(reportsOf(tiers).map(({ final }) => final)).toEqual([false, true]);
    expect(await account(tiers)).toMatchObject({ available: 850, spent: 150 });
  });

  it("lost on its way is said again by hello, and again by a report until it is answered", async () => {
    const tiers = await withRun();
    await tiers.spend("run", 150);
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect((await runAtParent(tiers)).state).toBe("closed");
    await tiers.clock.advance(60_000);
    expect(reportsOf(tiers).filter(({ final }) => final)).toHaveLength(1);
    expect(await account(tiers)).toMatchObject({ available: 850, spent: 150 });
  });

  it("of a child that was never welcomed since is told by its next hello", async () => {
    const tiers = await withRun();
    await tiers.spend("run", 150);
    tiers.wire.cut();
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    tiers.restartChild();
    tiers.uplink.start();
    await tiers.clock.advance(REDIAL_MS);
    expect(await account(tiers)).toMatchObject({ available: 850, spent: 150 });
  });
});

describe("surplus", () => {
  it("is free at the parent as soon as the child has given it back", async () => {
    const tiers = await withRun();
    await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: some({ credits: 100 }) });
    await tiers.clock.settle();
    expect(await account(tiers)).toMatchObject({ available: 900, granted: 100 });
    expect((await tiers.child.node("run")).books.credits).toMatchObject({ limit: 100, available: 100 });
  });

  it("given back while the link is down comes with hello", async () => {
    const tiers = await withRun();
    tiers.wire.cut();
    await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: some({ credits: 100 }) });
    await tiers.clock.advance(REDIAL_MS);
    expect(await account(tiers)).toMatchObject({ available: 900, granted: 100 });
  });

  it("given back between hello and welcome is not held until the next renewal", async () => {
    const tiers = await withRun({ latencyMs: () => 20 });
    tiers.wire.cut();
    while (tiers.wire.dials < 2) await tiers.clock.advance(1);
    expect(tiers.uplink.connected).toBe(false);
    await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: some({ credits: 100 }) });
    await tiers.clock.advance(200);
    expect(tiers.uplink.connected).toBe(true);
    expect(await account(tiers)).toMatchObject({ available: 900, granted: 100 });
  });

  it("is counted once, however often it is told", async () => {
    const tiers = await withRun();
    for (const keep of [300, 200, 100]) {
      await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: some({ credits: keep }) });
      tiers.wire.cut({ repeat: 10, parentLearnsAfterMs: 10 });
      await tiers.clock.advance(REDIAL_MS);
    }
    expect(await account(tiers)).toMatchObject({ available: 900, granted: 100 });
    expect((await runAtParent(tiers)).returnedTotal.credits).toBe(300);
  });
});

describe("the end from above", () => {
  it("reaches the child at once as STOP, and what it settles meanwhile is no doubt", async () => {
    const tiers = await withRun();
    const held = await tiers.child.run(tiers.reserve("run", 100, { holdId: "call" }));
    expect(held.type).toBe("held");
    await tiers.parent.run({ type: "close", allocationId: "run", reason: "the swarm was stopped" });
    await tiers.clock.settle();
    expect(tiers.stops).toEqual(["run: the swarm was stopped"]);
    expect(await account(tiers)).toMatchObject({ available: 900, granted: 100 });
    await tiers.clock.advance(LIMITS.leaseTtlMs * 2);
    expect(await account(tiers)).toMatchObject({ granted: 100, inDoubt: 0 });
    await tiers.child.run(tiers.settle("run", "call", 60));
    await tiers.clock.settle();
    expect(await account(tiers)).toMatchObject({ available: 940, spent: 60, granted: 0 });
    expect((await runAtParent(tiers)).state).toBe("closed");
  });

  it("that was lost comes again with the answer to the next report", async () => {
    const tiers = await withRun();
    const held = await tiers.child.run(tiers.reserve("run", 100, { holdId: "call" }));
    expect(held.type).toBe("held");
    tiers.wire.cut({ childLearnsAfterMs: 30, parentLearnsAfterMs: 30 });
    await tiers.parent.run({ type: "close", allocationId: "run", reason: "the swarm was stopped" });
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.stops.length).toBeGreaterThan(0);
    expect((await tiers.child.node("run")).state).toBe("closing");
  });

  it("that came before the grant itself comes again with the answer to the first report", async () => {
    const tiers = await new TwoTiers().start();
    const opened = await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 400 }) });
    await tiers.parent.run({ type: "close", allocationId: "run", reason: "the swarm was stopped" });
    if (opened.type !== "opened") throw new Error(JSON.stringify(opened));
    await tiers.child.run(tiers.receive(tiers.handover(opened)));
    await tiers.spend("run", 1);
    await tiers.clock.advance(INTERVAL * 2);
    expect(tiers.stops).toEqual(["run: the swarm was stopped", "run: the swarm was stopped"]);
    expect(await account(tiers)).toMatchObject({ available: 999, spent: 1 });
  });

  it("told between hello and welcome comes behind the welcome", async () => {
    const tiers = await withRun();
    await tiers.grant("other", { credits: 100 });
    tiers.wire.cut();
    await tiers.spend("run", 1);
    tiers.parent.syncMs = "by hand";
    await tiers.clock.advance(REDIAL_MS);
    const seen = tiers.wire.arrived.down.length;
    expect(tiers.uplink.connected).toBe(false);
    tiers.parent.loop.submit({ type: "close", allocationId: "other", reason: "enough" }, () => undefined);
    tiers.parent.syncMs = 0;
    tiers.parent.disk.sync();
    await tiers.clock.settle();
    expect(tiers.wire.arrived.down.slice(seen).map(({ type }) => type)[0]).toBe("welcome");
    expect(tiers.stops).toContain("other: enough");
  });

  it("is not mistaken for the answer to a report that it meets on its way", async () => {
    const tiers = await withRun({ latencyMs: () => 400 });
    await tiers.child.run(tiers.reserve("run", 100, { holdId: "call" }));
    const before = (await tiers.child.node("run")).leaseEndsAtMs ?? 0;
    // The renewal of a lease that nothing was charged to yet is under way.
    const dueMs = before - LIMITS.leaseTtlMs + LIMITS.leaseTtlMs / LIMITS.leaseRenewParts;
    await tiers.clock.advance(dueMs - tiers.clock.monotonicMs() - 100);
    await tiers.parent.run({ type: "close", allocationId: "run", reason: "enough" });
    await tiers.clock.advance(INTERVAL * 5);
    expect([tiers.stops, reportsOf(tiers)]).toEqual([[], []]);
    await tiers.clock.advance(300);
    expect([tiers.stops, reportsOf(tiers)]).toMatchObject([["run: enough"], [{ final: false }]]);
    await tiers.clock.advance(1_000);
    expect(reportsOf(tiers)).toHaveLength(1);
    expect(await tiers.child.node("run")).toMatchObject({ state: "closing" });
    expect((await tiers.child.node("run")).leaseEndsAtMs).toBeGreaterThan(before);
  });
});
