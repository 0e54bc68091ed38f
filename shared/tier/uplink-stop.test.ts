import { describe, expect, it } from "vitest";
import { LIMITS } from "#std";
import { CHILD, TwoTiers } from "./testing/two-tiers.ts";

const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;

describe("stopping an uplink", () => {
  it("sends what is due, ends the link, and leaves no timer", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    await Promise.all([tiers.uplink.stop(), tiers.clock.settle()]);
    await tiers.clock.settle();
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(150);
    expect(tiers.comings.at(-1)).toBe(`${CHILD} gone`);
    // What is left is the loop's own: the lease that will end.
    await Promise.all([tiers.child.loop.close(), tiers.clock.settle()]);
    expect(tiers.child.process.timers).toBe(0);
  });

  it("waits for the answer before a final account, and sends it", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    const release = await tiers.parent.holdCommits();
    await tiers.clock.advance(LIMITS.usageReportIntervalMs);
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    const stopped = tiers.uplink.stop();
    await tiers.clock.advance(10);
    release();
    await tiers.clock.advance(10);
    await stopped;
    expect((await tiers.parent.node("run")).state).toBe("closed");
    expect(tiers.child.process.timers).toBeLessThanOrEqual(1);
  });

  it("does not wait for an answer beyond its grace", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    await tiers.parent.holdCommits();
    let stopped = false;
    void tiers.uplink.stop(300).then(() => {
      stopped = true;
    });
    await tiers.clock.advance(299);
    expect(stopped).toBe(false);
    await tiers.clock.advance(1);
    expect(stopped).toBe(true);
  });

  it("does not wait for the answer of a link that is lost meanwhile", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    await tiers.parent.holdCommits();
    let stopped = false;
    void tiers.uplink.stop(60_000).then(() => {
      stopped = true;
    });
    await tiers.clock.settle();
    expect(stopped).toBe(false);
    tiers.wire.cut();
    await tiers.clock.settle();
    expect(stopped).toBe(true);
  });

  it("leaves no timer when the link was lost while a report waited for the disk", async () => {
    const tiers = await new TwoTiers().start();
    const release = await tiers.child.holdCommits();
    await tiers.clock.advance(LIMITS.usageReportIntervalMs);
    tiers.wire.cut();
    await tiers.clock.settle();
    await tiers.uplink.stop();
    release();
    await tiers.clock.settle();
    expect(tiers.child.process.timers).toBe(0);
  });

  it("while it waits to dial again, or before it was welcomed, dials no more", async () => {
    const tiers = await new TwoTiers().start();
    tiers.wire.cut();
    await tiers.clock.settle();
    await tiers.uplink.stop();
    expect(tiers.child.process.timers).toBe(0);
    const dials = tiers.wire.dials;
    tiers.uplink = tiers.newUplink();
    tiers.uplink.start();
    await tiers.uplink.stop();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.wire.dials).toBe(dials);
    expect(tiers.child.process.timers).toBe(0);
  });

  it("does not hang when the loop has ended or its queue is full", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.child.holdCommits();
    tiers.child.fillQueue();
    await tiers.uplink.stop();
    const others = await new TwoTiers().start();
    await Promise.all([others.child.loop.close(), others.clock.settle()]);
    await others.uplink.stop();
    await others.clock.settle();
    expect(others.child.process.timers).toBe(0);
  });

  it("leaves no listener with the loop", async () => {
    const tiers = await new TwoTiers().start();
    for (let n = 0; n <= LIMITS.subscribersMax; n += 1) await tiers.newUplink().stop();
    expect(tiers.newUplink().connected).toBe(false);
  });
});
