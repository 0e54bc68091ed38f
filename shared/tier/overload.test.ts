import { describe, expect, it } from "vitest";
import type { Hello, UpItem } from "#ports";
import { LIMITS } from "#std";
import { some } from "./testing/tier.ts";
import { TwoTiers } from "./testing/two-tiers.ts";

/** Longer than any pause between two attempts to dial. */
const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;
const INTERVAL = LIMITS.usageReportIntervalMs;

async function withRun(): Promise<TwoTiers> {
  const tiers = await new TwoTiers().start();
  await tiers.grant("run", { credits: 400 });
  return tiers;
}

/** The parent takes no command more, until the returned function is called. */
async function overloaded(tiers: TwoTiers): Promise<() => void> {
  const release = await tiers.parent.holdCommits();
  tiers.parent.fillQueue();
  return release;
}

const reportsOf = (tiers: TwoTiers) => tiers.wire.arrived.up.filter(({ type }) => type === "usage");
const account = async (tiers: TwoTiers) => (await tiers.parent.node("account")).books.credits;

function lastHello(items: readonly UpItem[]): Hello {
  const found = items.filter((item) => item.type === "hello").at(-1);
  if (!found) throw new Error("no hello arrived");
  return found.hello;
}

describe("a full queue", () => {
  it("of the parent makes the child dial again, and nothing is lost", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    tiers.wire.cut();
    await tiers.clock.settle();
    const release = await tiers.parent.holdCommits();
    tiers.parent.fillQueue();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(false);
    release();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(true);
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(150);
  });

  it("of the child puts the hello off", async () => {
    const tiers = await new TwoTiers().start();
    tiers.wire.cut();
    await tiers.clock.settle();
    const release = await tiers.child.holdCommits();
    tiers.child.fillQueue();
    await tiers.clock.advance(REDIAL_MS);
    release();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(true);
  });

  it("of the child puts its reports off", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    const release = await tiers.child.holdCommits();
    tiers.child.fillQueue();
    await tiers.clock.advance(1_000);
    release();
    await tiers.clock.advance(1_000);
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(150);
  });

  it("takes a hello that holds more than the queue", async () => {
    const tiers = await withRun();
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    const hello = lastHello(tiers.wire.arrived.up);
    const count = LIMITS.commandQueueMax;
    const allocations = hello.allocations.flatMap((held) =>
      Array.from({ length: count }, (_, n) => ({
        ...held,
        allocationId: n === count - 1 ? "run" : `unknown-${n}`,
        usage: { ...held.usage, ...some({ credits: 7 }) },
      })),
    );
    tiers.wire.arrived.down.length = 0;
    tiers.wire
      .dial()
      .send([{ type: "hello", hello: { ...hello, clockMarkMs: tiers.clock.monotonicMs(), allocations } }]);
    await tiers.clock.settle();
    const welcome = tiers.wire.arrived.down.find(({ type }) => type === "welcome");
    expect(welcome).toMatchObject({ welcome: { allocations: { length: count } } });
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(7);
  });
});

describe("a parent that is overloaded", () => {
  it("refuses a request with a time, and takes the same one later", async () => {
    const tiers = await withRun();
    const release = await overloaded(tiers);
    const answers = tiers.ask(tiers.raise("more", "run", 100));
    await tiers.clock.settle();
    expect(answers).toMatchObject([
      { type: "denied", error: { refusal: { reason: "QUEUE_FULL", retryAfterMs: LIMITS.retryAfterMs } } },
    ]);
    release();
    await tiers.clock.settle();
    const again = tiers.ask(tiers.raise("more", "run", 100));
    await tiers.clock.settle();
    expect(again).toMatchObject([{ type: "raised" }]);
  });

  it("does not end the work whose report it cannot take; the report comes again", async () => {
    const tiers = await withRun();
    const release = await overloaded(tiers);
    await tiers.spend("run", 150);
    await tiers.clock.advance(INTERVAL * 3);
    expect(tiers.stops).toEqual([]);
    release();
    await tiers.clock.advance(LIMITS.retryAfterMs + INTERVAL * 2);
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(150);
    expect(reportsOf(tiers)).toHaveLength(2);
  });

  it("learns with the next report of surplus that it could not take", async () => {
    const tiers = await withRun();
    const release = await overloaded(tiers);
    await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: some({ credits: 100 }) });
    release();
    await tiers.clock.settle();
    expect(await account(tiers)).toMatchObject({ available: 600, granted: 400 });
    await tiers.clock.advance(LIMITS.leaseTtlMs / LIMITS.leaseRenewParts + INTERVAL * 2);
    expect(await account(tiers)).toMatchObject({ available: 900, granted: 100 });
  });

  it("gets a final account again, after the time it asked for", async () => {
    const tiers = await withRun();
    const release = await overloaded(tiers);
    await tiers.spend("run", 150);
    await tiers.child.run({ type: "close", allocationId: "run", reason: "done" });
    await tiers.clock.advance(INTERVAL * 3);
    expect(reportsOf(tiers)).toHaveLength(1);
    release();
    await tiers.clock.advance(LIMITS.retryAfterMs + INTERVAL * 2);
    expect((await tiers.parent.node("run")).state).toBe("closed");
    expect(await account(tiers)).toMatchObject({ available: 850, spent: 150 });
  });

  it("learns from the hello that is said again what a new life of its child had never taken", async () => {
    const tiers = await withRun();
    await tiers.parent.run({ type: "grant", wish: tiers.wish("lost", { credits: 100 }) });
    tiers.restartChild();
    const release = await overloaded(tiers);
    tiers.uplink.start();
    await tiers.clock.advance(REDIAL_MS);
    release();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(true);
    expect(await account(tiers)).toMatchObject({ available: 600, granted: 400, spent: 0 });
  });
});
