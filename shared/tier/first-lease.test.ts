import { describe, expect, it } from "vitest";
import { LIMITS } from "#std";
import { handoverOf } from "./handover.ts";
import { RawChild } from "./testing/raw-child.ts";
import { CHILD, TwoTiers } from "./testing/two-tiers.ts";

const { leaseTtlMs: TTL, leaseMarginMs: MARGIN, usageReportIntervalMs: INTERVAL } = LIMITS;

/** What is left of the lease by each side's own clock; the child's may be over. */
async function leftOf(tiers: TwoTiers): Promise<{ readonly child: number; readonly parent: number }> {
  const left = async (side: "parent" | "child") =>
    ((await tiers[side].node("run")).leaseEndsAtMs ?? 0) - tiers[side].loop.nowMs();
  return { child: await left("child"), parent: await left("parent") };
}

const mayReserve = async (tiers: TwoTiers) => (await tiers.child.run(tiers.reserve("run", 1))).type === "held";

/** Granted at the parent; the child does not know yet. */
async function granted(tiers: TwoTiers) {
  const outcome = await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 100 }) });
  if (outcome.type !== "opened") throw new Error(JSON.stringify(outcome));
  return { outcome, grant: tiers.handover(outcome) };
}

describe("the first lease of a grant", () => {
  it.each([0, 900, 4_000, TTL - 100])("counts from the parent's commit when it was %d ms on its way", async (wayMs) => {
    const tiers = await new TwoTiers().start();
    const { grant } = await granted(tiers);
    tiers.wire.cut();
    tiers.wire.reachable = false;
    await tiers.clock.advance(wayMs);
    await tiers.child.run(tiers.receive(grant));
    const left = await leftOf(tiers);
    expect(left.child).toBeLessThanOrEqual(TTL - wayMs);
    expect(left.child).toBeGreaterThan(TTL - wayMs - 100);
    expect(left.child + MARGIN).toBeLessThanOrEqual(left.parent);
    expect(await mayReserve(tiers)).toBe(true);
  });

  it.each([TTL, TTL + MARGIN + 5_000])(
    "is over when the grant was %d ms on its way; then it is asked for at once",
    async (wayMs) => {
      const tiers = await new TwoTiers().start();
      const { grant } = await granted(tiers);
      await tiers.clock.advance(wayMs);
      await tiers.child.run(tiers.receive(grant));
      expect(await tiers.child.run(tiers.reserve("run", 1))).toMatchObject({ refusal: { code: "lease_ended" } });
      await tiers.clock.advance(2 * INTERVAL);
      expect(await mayReserve(tiers)).toBe(true);
      const left = await leftOf(tiers);
      expect(left.child + MARGIN).toBeLessThanOrEqual(left.parent);
    },
  );

  it("is over from the beginning when the parent knows no clock of the holder", async () => {
    const tiers = await new TwoTiers().start();
    const { outcome } = await granted(tiers);
    const grant = handoverOf(outcome, { nowMs: tiers.parent.loop.nowMs(), holderMarkMs: undefined });
    await tiers.child.run(tiers.receive(grant));
    expect(await mayReserve(tiers)).toBe(false);
    await tiers.clock.advance(2 * INTERVAL);
    expect(await mayReserve(tiers)).toBe(true);
    expect(tiers.wire.arrived.up.filter(({ type }) => type === "usage")).toHaveLength(1);
  });

  it("counts from when the grant was decided, however slow the parent's disk is", async () => {
    const tiers = await new TwoTiers().start();
    tiers.parent.syncMs = 9_000;
    const grants: ReturnType<TwoTiers["handover"]>[] = [];
    tiers.parent.loop.submit({ type: "grant", wish: tiers.wish("run", { credits: 100 }) }, (outcome) => {
      if (outcome.type === "opened") grants.push(tiers.handover(outcome));
    });
    await tiers.clock.advance(9_000);
    const [grant] = grants;
    if (!grant) throw new Error("the grant was not told");
    await tiers.child.run(tiers.receive(grant));
    const left = await leftOf(tiers);
    expect(left.child).toBeGreaterThan(TTL - 9_200);
    expect(left.child + MARGIN).toBeLessThanOrEqual(left.parent);
  });

  it.each([
    ["faster", { parent: -500, child: 500 }],
    ["slower", { parent: 500, child: -500 }],
  ])("holds when the holder's clock runs %s, after hours of silence about anything else", async (_, driftPpm) => {
    const tiers = await new TwoTiers({ driftPpm, latencyMs: () => 20 }).start();
    await tiers.clock.advance(3_600_000);
    await tiers.grant("run", { credits: 100 });
    const left = await leftOf(tiers);
    expect(left.child + MARGIN - 10).toBeLessThanOrEqual(left.parent);
    expect(left.child).toBeGreaterThan(TTL - 100);
  });

  it("is that of what a child opens for itself, too", async () => {
    const tiers = await new TwoTiers({ latencyMs: () => 300 }).start();
    await tiers.grant("run", { credits: 100 });
    const answers = tiers.ask(tiers.open("side", "side", 50));
    await tiers.clock.advance(600);
    const [answer] = answers;
    if (answer?.type !== "opened") throw new Error(JSON.stringify(answers));
    // Decided 300 ms ago, and the mark was 300 ms on its way up.
    expect(answer.grant.holderMarkMs).toBe(tiers.child.loop.nowMs() - 600);
  });
});

describe("marks of the child's clock", () => {
  it("come with every report, and every third of a lease while there is none", async () => {
    const tiers = await new TwoTiers().start();
    const marks = () => tiers.wire.arrived.up.filter(({ type }) => type === "mark").length;
    await tiers.clock.advance(10 * TTL);
    expect(marks()).toBeGreaterThanOrEqual(29);
    expect(marks()).toBeLessThanOrEqual(31);
    await tiers.grant("run", { credits: 100 });
    const before = marks();
    await tiers.spend("run", 1);
    await tiers.clock.advance(INTERVAL);
    expect(marks()).toBe(before + 1);
  });

  it("of another connection say nothing: they may be of another life", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.clock.advance(1_000);
    const child = new RawChild(tiers, { instance: "child-2", life: 1, clockMarkMs: 1_000 });
    const welcomeId = await child.welcome();
    child.link.send([
      { type: "mark", clockMarkMs: 1_010, welcomeId },
      { type: "mark", clockMarkMs: 900_000, welcomeId: `${welcomeId}-of-another` },
      { type: "mark", clockMarkMs: 700, welcomeId },
    ]);
    await tiers.clock.settle();
    const { outcome } = await granted(tiers);
    expect(tiers.downlink.handoverTo("child-2", outcome).holderMarkMs).toBe(1_010);
    expect(tiers.downlink.handoverTo(CHILD, outcome).holderMarkMs).toBe(tiers.child.loop.nowMs());
    expect(tiers.downlink.handoverTo("nobody", outcome).holderMarkMs).toBeUndefined();
  });

  it("begin anew with each life of the child", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.clock.advance(60_000);
    // Nothing of this minute is in the child's journal, so the next life's clock stands where it was.
    tiers.restartChild({ monotonicMs: 5 });
    tiers.uplink.start();
    await tiers.clock.advance(50);
    await tiers.grant("run", { credits: 100 });
    expect(tiers.child.loop.nowMs()).toBeLessThan(1_000);
    const left = await leftOf(tiers);
    expect(left.child + MARGIN).toBeLessThanOrEqual(left.parent);
    expect(left.child).toBeGreaterThan(TTL - 200);
  });
});
