import { describe, expect, it } from "vitest";
import { LIMITS } from "#std";
import { TwoTiers } from "./testing/two-tiers.ts";

const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;
const INTERVAL = LIMITS.usageReportIntervalMs;
const { leaseTtlMs: TTL, leaseMarginMs: MARGIN, dueBucketMs: BUCKET } = LIMITS;
/** The latest that the parent gives up a holder after it last heard of it. */
const PATIENCE = TTL + MARGIN + 2 * BUCKET;

async function withRun(options: ConstructorParameters<typeof TwoTiers>[0] = {}): Promise<TwoTiers> {
  const tiers = await new TwoTiers(options).start();
  await tiers.grant("run", { credits: 400 });
  return tiers;
}

const leaseOf = async (tiers: TwoTiers, side: "parent" | "child") => (await tiers[side].node("run")).leaseEndsAtMs ?? 0;
const account = async (tiers: TwoTiers) => (await tiers.parent.node("account")).books.credits;
const mayReserve = async (tiers: TwoTiers) => (await tiers.child.run(tiers.reserve("run", 1))).type === "held";

describe("a lease", () => {
  it("is renewed three times within its ttl while nothing else is to be told", async () => {
    const tiers = await withRun({ latencyMs: () => 30 });
    await tiers.clock.advance(10 * TTL);
    const reports = tiers.wire.arrived.up.filter(({ type }) => type === "usage").length;
    expect(reports).toBeGreaterThanOrEqual(29);
    expect(reports).toBeLessThanOrEqual(30);
    const leftMs = (await leaseOf(tiers, "child")) - tiers.clock.monotonicMs();
    expect(leftMs).toBeGreaterThan(TTL - TTL / LIMITS.leaseRenewParts - INTERVAL * 3);
    expect(await mayReserve(tiers)).toBe(true);
    expect((await account(tiers)).inDoubt).toBe(0);
  });

  it("counts at the child from when it asked, however long the answer took", async () => {
    const tiers = await withRun({ latencyMs: () => 700 });
    await tiers.clock.advance(TTL - 1_000);
    const sentMs: number[] = [];
    for (let ms = 0; ms < TTL; ms += 10) {
      await tiers.clock.advance(10);
      const endsAtMs = await leaseOf(tiers, "child");
      sentMs.push(endsAtMs - TTL);
      // Asked for at least the way there and back ago.
      expect(endsAtMs).toBeLessThanOrEqual(tiers.clock.monotonicMs() - 1_400 + TTL);
    }
    expect(new Set(sentMs).size).toBeGreaterThanOrEqual(3);
  });

  it("ends later at the parent than at the child by its margin, whenever the child was last heard", async () => {
    for (let lastHeardMs = 100; lastHeardMs < TTL; lastHeardMs += 700) {
      const tiers = await withRun();
      while (tiers.clock.monotonicMs() < lastHeardMs) {
        await tiers.spend("run", 1);
        await tiers.clock.advance(INTERVAL * 2);
      }
      expect((await leaseOf(tiers, "child")) + MARGIN).toBeLessThanOrEqual(await leaseOf(tiers, "parent"));
    }
  });
});

describe("a silent child", () => {
  it("stops spending before the parent gives it up", async () => {
    const tiers = await withRun();
    await tiers.clock.advance(4_700);
    await tiers.spend("run", 150);
    await tiers.clock.advance(100);
    expect((await account(tiers)).granted).toBe(400);
    tiers.wire.reachable = false;
    tiers.wire.cut();
    let stoppedAtMs: number | undefined;
    let doubtAtMs: number | undefined;
    for (let ms = 0; ms < PATIENCE; ms += 100) {
      await tiers.clock.advance(100);
      if (stoppedAtMs === undefined && !(await mayReserve(tiers))) stoppedAtMs = tiers.clock.monotonicMs();
      if (doubtAtMs === undefined && (await tiers.parent.node("run")).doubtful) doubtAtMs = tiers.clock.monotonicMs();
    }
    expect(stoppedAtMs).toBeGreaterThan(4_700 + TTL / 2);
    expect(doubtAtMs).toBeGreaterThanOrEqual((stoppedAtMs ?? 0) + MARGIN - 200);
    expect(await tiers.child.run(tiers.reserve("run", 1))).toMatchObject({ refusal: { code: "lease_ended" } });
    expect(tiers.parent.messages).toContainEqual({ type: "lease_ended", allocationId: "run", holder: "child-1" });
  });

  it("that comes back is believed to the credit: 400 granted, 150 reported, 250 in doubt, 320 spent", async () => {
    const tiers = await withRun();
    await tiers.clock.advance(INTERVAL);
    await tiers.spend("run", 150);
    await tiers.clock.advance(INTERVAL * 2);
    tiers.wire.reachable = false;
    tiers.wire.cut();
    await tiers.spend("run", 170);
    await tiers.clock.advance(PATIENCE + INTERVAL * 2);
    expect(await account(tiers)).toMatchObject({ available: 600, granted: 150, inDoubt: 250, spent: 0 });
    tiers.wire.reachable = true;
    await tiers.clock.advance(REDIAL_MS);
    expect(await account(tiers)).toMatchObject({ available: 600, granted: 400, inDoubt: 0 });
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(320);
    expect(await mayReserve(tiers)).toBe(true);
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    await tiers.child.run({ type: "release", allocationId: "run", holdId: "hold-3" });
    await tiers.clock.settle();
    expect(await account(tiers)).toMatchObject({ available: 680, granted: 0, inDoubt: 0, spent: 320 });
  });

  it("that closed meanwhile settles the doubt with its final account", async () => {
    const tiers = await withRun();
    await tiers.spend("run", 150);
    await tiers.clock.advance(INTERVAL * 2);
    tiers.wire.reachable = false;
    tiers.wire.cut();
    await tiers.spend("run", 170);
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    await tiers.clock.advance(PATIENCE + INTERVAL * 2);
    expect((await account(tiers)).inDoubt).toBe(250);
    tiers.wire.reachable = true;
    await tiers.clock.advance(REDIAL_MS);
    expect(await account(tiers)).toMatchObject({ available: 680, granted: 0, inDoubt: 0, spent: 320 });
  });

  it("that comes back within its lease never was in doubt", async () => {
    const tiers = await withRun();
    for (let n = 0; n < 12; n += 1) {
      tiers.wire.cut();
      await tiers.clock.advance(TTL / 4);
    }
    expect(await mayReserve(tiers)).toBe(true);
    expect(tiers.parent.messages.filter(({ type }) => type === "lease_ended")).toEqual([]);
  });
});

/** Every renewal asked for is lost with its link, and so is that of the first hello after it. */
async function loseRenewals(tiers: TwoTiers, count: number): Promise<void> {
  const reports = () => tiers.wire.arrived.up.filter(({ type }) => type === "usage").length;
  for (let lost = 0; lost < count; lost += 1) {
    const before = reports();
    while (reports() === before) await tiers.clock.advance(10);
    tiers.wire.cut();
  }
}

describe("a renewal that is lost", () => {
  it.each([1, 2])("does not cost the lease when %d in a row are", async (count) => {
    const tiers = await withRun({ latencyMs: () => 30 });
    for (let round = 0; round < 3; round += 1) {
      await loseRenewals(tiers, count);
      for (let ms = 0; ms < TTL; ms += 500) {
        await tiers.clock.advance(500);
        expect(await mayReserve(tiers)).toBe(true);
      }
    }
    expect(tiers.parent.messages.filter(({ type }) => type === "lease_ended")).toEqual([]);
  });

  it("is asked for more often once little is left: it is back soon after a parent that had none to give", async () => {
    const tiers = await withRun();
    // As with a parent whose own lease has ended: it answers, and does not renew.
    const accept = tiers.downlink.accept.bind(tiers.downlink);
    let renews = false;
    tiers.downlink.accept = (link) => {
      const send = link.send.bind(link);
      link.send = (items) =>
        send(
          items.map((item) => {
            if (item.type === "ack" && !renews) return { ...item, ack: { ...item.ack, lease: undefined } };
            if (item.type !== "welcome" || renews) return item;
            const allocations = item.welcome.allocations.map((one) => ({ ...one, lease: undefined }));
            return { ...item, welcome: { ...item.welcome, allocations } };
          }),
        );
      accept(link);
    };
    tiers.wire.cut();
    await tiers.clock.advance(TTL + REDIAL_MS);
    expect(await mayReserve(tiers)).toBe(false);
    renews = true;
    await tiers.clock.advance(TTL / LIMITS.leaseRenewParts / LIMITS.leaseRenewHaste + INTERVAL * 2);
    expect(await mayReserve(tiers)).toBe(true);
  });
});

describe("a connection anew", () => {
  it("renews with its welcome, counted from hello, however long that was on its way", async () => {
    const tiers = await withRun({ latencyMs: () => 700 });
    await tiers.clock.advance(4_000);
    tiers.wire.cut();
    const dials = tiers.wire.dials;
    while (tiers.wire.dials === dials) await tiers.clock.advance(1);
    const helloMs = tiers.clock.monotonicMs();
    const reports = tiers.wire.arrived.up.filter(({ type }) => type === "usage").length;
    await tiers.clock.advance(1_400);
    expect(tiers.uplink.connected).toBe(true);
    // The parent wrote the renewal down 700 ms after hello was sent, and its answer says what is left of that.
    expect(await leaseOf(tiers, "child")).toBe(helloMs + TTL);
    expect(await leaseOf(tiers, "parent")).toBe(helloMs + 700 + TTL + MARGIN);
    expect(tiers.wire.arrived.up.filter(({ type }) => type === "usage")).toHaveLength(reports);
  });
});

describe("a restart", () => {
  it("of the parent puts no child in doubt that is there", async () => {
    const tiers = await withRun();
    for (let n = 0; n < 4; n += 1) {
      await tiers.clock.advance(TTL / 2);
      tiers.restartParent({ monotonicMs: n });
    }
    await tiers.clock.advance(TTL);
    expect(tiers.parent.messages.filter(({ type }) => type === "lease_ended")).toEqual([]);
    expect(await mayReserve(tiers)).toBe(true);
  });

  it("of the parent does not shorten what a silent child was promised", async () => {
    const tiers = await withRun();
    await tiers.clock.advance(4_700);
    await tiers.spend("run", 1);
    await tiers.clock.advance(100);
    tiers.wire.reachable = false;
    tiers.restartParent({ monotonicMs: 0 });
    while (!(await tiers.parent.node("run")).doubtful) {
      await tiers.clock.advance(100);
      if (await mayReserve(tiers)) expect((await tiers.parent.node("run")).doubtful).toBe(false);
    }
    expect(await mayReserve(tiers)).toBe(false);
  });

  it("of the parent gives every holder a whole lease and its margin again, from its start on", async () => {
    const tiers = await withRun();
    await tiers.clock.advance(4_700);
    tiers.wire.reachable = false;
    tiers.restartParent({ monotonicMs: 0 });
    const startedMs = tiers.parent.loop.nowMs();
    expect(await leaseOf(tiers, "parent")).toBe(startedMs + TTL + MARGIN);
  });

  it("of the child ends its leases until the parent has answered hello, however long they would have run", async () => {
    const tiers = await withRun({ latencyMs: () => 200 });
    await tiers.clock.advance(1_000);
    tiers.restartChild({ monotonicMs: 1 });
    expect(await tiers.child.run(tiers.reserve("run", 1))).toMatchObject({ refusal: { code: "lease_ended" } });
    tiers.uplink.start();
    await tiers.clock.advance(399);
    expect(await mayReserve(tiers)).toBe(false);
    await tiers.clock.advance(1);
    expect(await mayReserve(tiers)).toBe(true);
  });

  it("of the child keeps what it had spent, and the parent learns it with hello", async () => {
    const tiers = await withRun();
    await tiers.spend("run", 150);
    await tiers.clock.advance(INTERVAL * 2);
    tiers.wire.cut();
    await tiers.spend("run", 170);
    tiers.restartChild({ monotonicMs: 1 });
    tiers.uplink.start();
    await tiers.clock.advance(REDIAL_MS);
    expect((await tiers.parent.node("run")).books.credits).toMatchObject({ limit: 400, usage: 320 });
    await tiers.clock.advance(3 * TTL);
    expect(await mayReserve(tiers)).toBe(true);
    expect((await account(tiers)).inDoubt).toBe(0);
  });
});
