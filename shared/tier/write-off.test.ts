import { describe, expect, it } from "vitest";
import { LIMITS } from "#std";
import { TwoTiers } from "./testing/two-tiers.ts";

const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;
const INTERVAL = LIMITS.usageReportIntervalMs;
const { leaseTtlMs: TTL, leaseMarginMs: MARGIN, dueBucketMs: BUCKET } = LIMITS;
const PATIENCE = TTL + MARGIN + 2 * BUCKET;

const account = async (tiers: TwoTiers) => (await tiers.parent.node("account")).books.credits;
const finals = ({ wire }: TwoTiers) =>
  wire.arrived.up.flatMap((item) => (item.type === "usage" && item.report.final ? [item.report] : []));
const writeOff = {
  type: "write_off",
  caller: "person",
  requestId: "w-1",
  allocationId: "run",
  reason: "gone",
} as const;

/** 400 granted, 150 reported, 320 spent; the child silent beyond its lease. */
async function silent(): Promise<TwoTiers> {
  const tiers = await new TwoTiers().start();
  await tiers.grant("run", { credits: 400 });
  await tiers.spend("run", 150);
  await tiers.clock.advance(INTERVAL * 2);
  tiers.wire.reachable = false;
  tiers.wire.cut();
  await tiers.spend("run", 170);
  await tiers.clock.advance(PATIENCE);
  return tiers;
}

describe("a holder that comes back after it was written off", () => {
  it("is stopped by the answer to hello; its final account corrects the books and ends it", async () => {
    const tiers = await silent();
    expect(await tiers.parent.run(writeOff)).toMatchObject({ type: "written_off", amounts: { credits: 250 } });
    expect(await account(tiers)).toMatchObject({ available: 600, inDoubt: 0, spent: 400 });
    tiers.wire.reachable = true;
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.stops[0]).toBe("run: closed by the tier above");
    expect(await account(tiers)).toMatchObject({ available: 680, inDoubt: 0, spent: 320 });
    expect(await tiers.child.see((state) => [state.unacknowledged.size, state.acknowledged.size])).toEqual([0, 1]);
    await tiers.clock.advance(TTL);
    expect(finals(tiers)).toHaveLength(1);
  });

  it("is stopped on the link that it never lost: it may not report under the old epoch", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    await tiers.clock.advance(INTERVAL * 2);
    tiers.child.process.stop();
    await tiers.clock.advance(PATIENCE);
    expect(await tiers.parent.run(writeOff)).toMatchObject({ type: "written_off" });
    const refused: string[] = [];
    tiers.child.process.continue();
    tiers.child.loop.submit(tiers.reserve("run", 1), (outcome) => refused.push(outcome.type));
    await tiers.clock.advance(INTERVAL * 4);
    expect(refused).toEqual(["refused"]);
    expect((await tiers.child.node("run")).state).toBe("closed");
    expect(await account(tiers)).toMatchObject({ available: 850, inDoubt: 0, spent: 150 });
  });

  it("and never had taken the grant gives it all back with a hello that does not name it", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 400 }) });
    tiers.wire.reachable = false;
    tiers.wire.cut();
    await tiers.clock.advance(PATIENCE);
    await tiers.parent.run(writeOff);
    expect(await account(tiers)).toMatchObject({ available: 600, spent: 400 });
    tiers.restartChild();
    tiers.wire.reachable = true;
    tiers.uplink.start();
    await tiers.clock.advance(REDIAL_MS);
    expect(await account(tiers)).toMatchObject({ available: 1_000, spent: 0 });
  });
});

describe("a final account", () => {
  it("is told again when a true account from below corrects it after it was taken", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    const wish = { ...tiers.wish("part", { credits: 100 }), parentId: "run", holder: "below", leaseTtlMs: 1_000 };
    await tiers.child.run({ type: "grant", wish });
    await tiers.clock.advance(1_000 + MARGIN + 2 * BUCKET);
    await tiers.child.run({ ...writeOff, allocationId: "part" });
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    await tiers.clock.advance(INTERVAL * 4);
    expect(await account(tiers)).toMatchObject({ available: 900, spent: 100 });
    expect(finals(tiers)).toMatchObject([{ usage: { credits: 100, provisional: true } }]);
    const truth = { credits: 40 as never, overrunCredits: 0 as never };
    const last = finals(tiers).at(-1);
    if (!last) throw new Error("no final account");
    const usage = { ...last.usage, ...truth, corrections: 0, provisional: false };
    const report = { type: "report_usage", caller: "below", allocationId: "part", epoch: 1, sequence: 1 } as const;
    await tiers.child.run({ ...report, usage, final: true });
    await tiers.clock.advance(INTERVAL * 4);
    expect(finals(tiers)).toMatchObject([{}, { usage: { credits: 40, corrections: 1, provisional: false } }]);
    expect(await account(tiers)).toMatchObject({ available: 960, spent: 40 });
    expect(await tiers.child.see((state) => [state.unacknowledged.size, state.acknowledged.size])).toEqual([0, 1]);
  });

  it("that the parent does not know is kept, and told once on each connection: another may stand in for the one that granted", async () => {
    const tiers = await new TwoTiers().start();
    const outcome = await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 1 }) });
    if (outcome.type !== "opened") throw new Error(outcome.type);
    const grant = tiers.handover({ ...outcome, allocationId: "of-another" });
    await tiers.child.run(tiers.receive(grant));
    await tiers.child.run({ type: "close", allocationId: "of-another", reason: "done" });
    await tiers.clock.advance(TTL);
    expect(await tiers.child.see((state) => [state.unacknowledged.size, state.acknowledged.size])).toEqual([1, 0]);
    expect(finals(tiers)).toHaveLength(1);
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.wire.arrived.up.findLast(({ type }) => type === "hello")).toMatchObject({
      hello: { allocations: [{ allocationId: "of-another", final: true }] },
    });
    expect(finals(tiers)).toHaveLength(2);
  });
});
