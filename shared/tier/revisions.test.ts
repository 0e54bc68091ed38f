/** Limits that a person changes above while the child works: they arrive once or twice, early or late, and over lost links. */
import { describe, expect, it } from "vitest";
import type { Limits, Policy } from "#budget";
import { LIMITS } from "#std";
import { TwoTiers } from "./testing/two-tiers.ts";

const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;
const LEASE_PART_MS = LIMITS.leaseTtlMs / LIMITS.leaseRenewParts;

let requests = 0;

async function update(tiers: TwoTiers, limits: { readonly [L in keyof Limits]?: number }): Promise<void> {
  requests += 1;
  const command = { type: "update_limits", caller: "person", requestId: `u${requests}`, allocationId: "run" } as const;
  expect(await tiers.parent.run({ ...command, limits: limits as Limits })).toMatchObject({ type: "updated" });
}

const atChild = async (tiers: TwoTiers) => {
  const { books, deadlineAtMs } = await tiers.child.node("run");
  return { credits: books.credits.limit, leftMs: deadlineAtMs && Math.round(deadlineAtMs - tiers.child.loop.nowMs()) };
};

/** Of the account above the run. */
async function setStrategy(tiers: TwoTiers): Promise<void> {
  const command = { type: "update_limits", caller: "person", requestId: "strategy", allocationId: "account" } as const;
  const set = { ...command, limits: {}, strategy: "QUEUE_AND_WAIT" } as const;
  expect(await tiers.parent.run(set)).toMatchObject({ type: "updated" });
}

const strategyAtChild = async (tiers: TwoTiers) => (await tiers.child.node("run")).policy.inherited?.strategy;

describe("a grant that grows while it is held", () => {
  it("grows at its holder at once, and its deadline moves", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 }, { durationMs: 60_000 });
    await update(tiers, { credits: 600, durationMs: 90_000 });
    await tiers.clock.settle();
    expect(await atChild(tiers)).toEqual({ credits: 600, leftMs: 90_000 });
    await update(tiers, { durationMs: 5_000 });
    await tiers.clock.advance(5_000 + 2 * LIMITS.dueBucketMs);
    expect((await tiers.child.node("run")).state).not.toBe("open");
    expect((await tiers.parent.node("run")).state).not.toBe("open");
  });

  it("grows with the welcome after a lost link, to where it stands by then", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 }, { durationMs: 60_000 });
    tiers.wire.cut();
    await update(tiers, { credits: 500, durationMs: 120_000 });
    await update(tiers, { credits: 700, durationMs: 100_000 });
    await tiers.clock.advance(REDIAL_MS);
    const { credits, leftMs = 0 } = await atChild(tiers);
    expect(credits).toBe(700);
    const parentLeftMs = ((await tiers.parent.node("run")).deadlineAtMs ?? 0) - tiers.parent.loop.nowMs();
    expect(Math.abs(leftMs - parentLeftMs)).toBeLessThanOrEqual(LIMITS.deadlineDriftMs);
  });

  it("is told again with the first report when it overtook the handover of the grant", async () => {
    const tiers = await new TwoTiers().start();
    const outcome = await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 400 }) });
    if (outcome.type !== "opened") throw new Error("not opened");
    const grant = tiers.handover(outcome);
    await update(tiers, { credits: 600 });
    await tiers.clock.settle();
    await tiers.child.run(tiers.receive(grant));
    expect((await atChild(tiers)).credits).toBe(400);
    await tiers.clock.advance(LEASE_PART_MS + LIMITS.usageReportIntervalMs);
    expect((await atChild(tiers)).credits).toBe(600);
    const revisions = () => tiers.wire.arrived.down.filter(({ type }) => type === "revision").length;
    expect(revisions()).toBe(2);
    await tiers.clock.advance(3 * LEASE_PART_MS);
    expect(revisions()).toBe(2);
  });

  it("is told with the first report when its link was lost before the grant came, with the policies that it was told of before", async () => {
    const tiers = await new TwoTiers().start();
    const outcome = await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 400 }) });
    if (outcome.type !== "opened") throw new Error("not opened");
    const grant = tiers.handover(outcome);
    await setStrategy(tiers);
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    await update(tiers, { credits: 600 });
    await tiers.child.run(tiers.receive(grant));
    expect(await strategyAtChild(tiers)).toBeUndefined();
    await tiers.clock.advance(LEASE_PART_MS + LIMITS.usageReportIntervalMs);
    expect(await strategyAtChild(tiers)).toBe("QUEUE_AND_WAIT");
    expect((await atChild(tiers)).credits).toBe(600);
  });

  it("keeps the policies that it was told of on its way when it grows on its way, too", async () => {
    const tiers = await new TwoTiers().start();
    const outcome = await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 400 }) });
    if (outcome.type !== "opened") throw new Error("not opened");
    const grant = tiers.handover(outcome);
    await setStrategy(tiers);
    await update(tiers, { credits: 600 });
    await tiers.clock.settle();
    await tiers.child.run(tiers.receive(grant));
    await tiers.clock.advance(LEASE_PART_MS + LIMITS.usageReportIntervalMs);
    expect(await strategyAtChild(tiers)).toBe("QUEUE_AND_WAIT");
    expect((await atChild(tiers)).credits).toBe(600);
  });
});

describe("a budget that runs low", () => {
  /** A child with `run`, which draws on the account's 100 credits and has set aside what it may spend. */
  async function drawing(): Promise<TwoTiers> {
    const policy: Policy = { lowBudgetPercents: [50, 90] };
    const tiers = await new TwoTiers({ credits: 100, policy }).start();
    const pooled = { ...tiers.wish("run", {}), pooled: ["credits"] } as const;
    const outcome = await tiers.parent.run({ type: "grant", wish: pooled });
    if (outcome.type !== "opened") throw new Error("not opened");
    await tiers.child.run(tiers.receive(tiers.handover(outcome)));
    return tiers;
  }

  const toldTo = (tiers: TwoTiers) =>
    tiers.wire.arrived.down.flatMap((item) =>
      item.type === "ack" && item.ack.directive === "LOW_BUDGET" ? [item.ack] : [],
    );
  const percents = (tiers: TwoTiers) => toldTo(tiers).map(({ lowBudget }) => lowBudget?.percent);

  async function spendAbove(tiers: TwoTiers, credits: number): Promise<void> {
    const held = await tiers.parent.run(tiers.reserve("account", credits));
    if (held.type !== "held") throw new Error("not held");
    await tiers.parent.run(tiers.settle("account", held.holdId, credits));
  }

  it("is told to the holders of what draws on it, and to nobody else", async () => {
    const tiers = await drawing();
    await tiers.grant("own", { credits: 30 });
    tiers.ask(tiers.raise("more", "run", 60));
    await tiers.clock.settle();
    await tiers.spend("run", 49);
    await tiers.clock.advance(LIMITS.usageReportIntervalMs * 2);
    expect(toldTo(tiers)).toEqual([]);
    await tiers.spend("own", 1);
    await tiers.clock.advance(LIMITS.usageReportIntervalMs * 2);
    expect(toldTo(tiers)).toMatchObject([
      { allocationId: "run", lowBudget: { allocationId: "account", resource: "credits", percent: 50, limit: 100 } },
    ]);
    expect(tiers.stops).toEqual([]);
  });

  it("while the link is lost is told on the next one, as it stands by then, and once", async () => {
    const tiers = await drawing();
    tiers.wire.cut();
    await spendAbove(tiers, 50);
    await spendAbove(tiers, 41);
    await tiers.clock.advance(REDIAL_MS);
    expect(toldTo(tiers)).toMatchObject([
      {
        allocationId: "run",
        directive: "LOW_BUDGET",
        sequence: 0,
        lowBudget: { percent: 90, available: 9, limit: 100 },
      },
    ]);
    await tiers.clock.advance(3 * LEASE_PART_MS);
    expect(percents(tiers)).toEqual([90]);
  });

  it("by what the hello itself brings is told once", async () => {
    const tiers = await drawing();
    tiers.ask(tiers.raise("more", "run", 60));
    await tiers.clock.settle();
    tiers.wire.cut();
    await tiers.spend("run", 55);
    await tiers.clock.advance(REDIAL_MS + 3 * LEASE_PART_MS);
    expect(percents(tiers)).toEqual([50]);
  });

  it("no more, because its limit has grown meanwhile, is not told; nor of what is closed", async () => {
    const tiers = await drawing();
    tiers.wire.cut();
    await spendAbove(tiers, 60);
    const update = { type: "update_limits", caller: "person", requestId: "u", allocationId: "account" } as const;
    await tiers.parent.run({ ...update, limits: { credits: 1_000 } as Limits });
    await tiers.clock.advance(REDIAL_MS);
    expect(percents(tiers)).toEqual([]);
    await spendAbove(tiers, 450);
    await tiers.clock.settle();
    expect(percents(tiers)).toEqual([50]);
    await tiers.parent.run({ type: "close", allocationId: "run", reason: "enough" });
    await tiers.clock.settle();
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect(percents(tiers)).toEqual([50]);
  });
});
