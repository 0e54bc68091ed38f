import { describe, expect, it } from "vitest";
import { describeState, type Limits } from "#budget";
import { MemoryDisk } from "#journal";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import type { CommandInput } from "./command-input.ts";
import { EngineClock } from "./engine-clock.ts";
import { some, Tier } from "./testing/tier.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";
import { TierResourceManager } from "./tier-resource-manager.ts";

const BUCKET = LIMITS.dueBucketMs;
const disk = () => new MemoryDisk({ journalId: "journal-1" });

function openRoot(allocationId: string, durationMs?: number): CommandInput {
  const limits = { credits: 1_000, ...(durationMs === undefined ? {} : { durationMs }) } as Limits;
  return { type: "open_root", allocationId, name: allocationId, limits, policy: {} };
}

function reserve(holdId: string, ttlMs: number): CommandInput {
  const wanted = some({ credits: 10 });
  const call = { allocationId: "a", requestId: holdId, holdId, what: "tool", name: "t" } as const;
  return { type: "reserve", ...call, wanted, min: wanted, ttlMs };
}

async function withAccount(start: { readonly monotonicMs?: number } = {}): Promise<Tier> {
  const tier = new Tier(new VirtualClock(), disk(), start);
  await tier.run(openRoot("a"));
  return tier;
}

const creditsOf = (tier: Tier, id = "a") => tier.see((state) => ({ ...state.allocations.get(id)?.books.credits }));

describe("EngineClock", () => {
  it("starts where the journal ended and advances with the monotonic clock", () => {
    const clock = { ms: 700_000, monotonicMs: () => clock.ms };
    const engine = new EngineClock(clock, 4_000);
    expect(engine.nowMs()).toBe(4_000);
    clock.ms += 250;
    expect(engine.nowMs()).toBe(4_250);
  });

  it("never falls, whatever the clock below does", () => {
    const clock = { ms: 100, monotonicMs: () => clock.ms };
    const engine = new EngineClock(clock, 4_000);
    const seen: number[] = [];
    for (const ms of [100, 150, 90, 0, 150, 151]) {
      clock.ms = ms;
      seen.push(engine.nowMs());
    }
    expect(seen).toEqual([4_000, 4_050, 4_050, 4_050, 4_050, 4_051]);
  });
});

describe("engine time", () => {
  it("goes on from the journal when the machine's clock begins anew", async () => {
    const tier = await withAccount({ monotonicMs: 9_000_000 });
    await tier.clock.advance(5_000);
    await tier.run(reserve("hold-1", 60_000));
    const endedMs = tier.loop.nowMs();
    tier.restart({ monotonicMs: 3 });
    expect(tier.loop.nowMs()).toBe(endedMs);
    await tier.clock.advance(1_000);
    await tier.run(reserve("hold-2", 60_000));
    const times = tier.disk.durable().map(({ engineTimeMs }) => engineTimeMs);
    // The second 5,000 is that of the start.
    expect(times).toEqual([0, 5_000, 5_000, 6_000]);
    expect(tier.faults).toEqual([]);
  });

  it("is the time of its batch for every command in it", async () => {
    const clock = new VirtualClock();
    // A clock that runs on with every look at it.
    let looks = 0;
    const running: Clock = { ...bound(clock), monotonicMs: () => clock.monotonicMs() + looks++ };
    const store = disk();
    const loop = new TierResourceManager({
      opened: store.open(),
      clock: running,
      onFatal: (fault) => expect.fail(fault.message),
    });
    loop.submit(openRoot("a"), () => undefined);
    loop.submit(openRoot("b"), () => undefined);
    await clock.settle();
    const [commit] = store.durable();
    expect(commit?.events.map(({ atMs }) => atMs)).toEqual(Array(3).fill(commit?.engineTimeMs));
  });
});

function bound(clock: VirtualClock): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, action) => clock.after(delayMs, action),
    soon: (action) => clock.soon(action),
    atOnce: (action) => clock.atOnce(action),
  };
}

describe("what is due comes about by time alone", () => {
  it("a hold lapses once its time to live is over, at most a bucket late", async () => {
    const tier = await withAccount();
    await tier.run(reserve("hold-1", 1_010));
    await tier.clock.advance(1_009);
    expect(await creditsOf(tier)).toMatchObject({ reserved: 10, unconfirmed: 0 });
    await tier.clock.advance(1 + BUCKET);
    expect(await creditsOf(tier)).toMatchObject({ reserved: 0, unconfirmed: 10 });
  });

  it("an extension puts the timer off, and an earlier hold brings it forward", async () => {
    const tier = await withAccount();
    await tier.run(reserve("slow", 1_000));
    await tier.clock.advance(900);
    await tier.run({ type: "extend", allocationId: "a", holdId: "slow", ttlMs: 10_000 });
    await tier.run(reserve("quick", 200));
    await tier.clock.advance(200 + BUCKET);
    expect(await creditsOf(tier)).toMatchObject({ reserved: 10, unconfirmed: 10 });
    await tier.clock.advance(9_800);
    expect(await creditsOf(tier)).toMatchObject({ reserved: 0, unconfirmed: 20 });
  });

  it("a busy queue does not keep what is due from its time", async () => {
    const tier = await withAccount();
    await tier.run(reserve("hold-1", 1_000));
    for (let ms = 0; ms < 1_000 + BUCKET; ms += 10) {
      tier.loop.submit({ type: "close", allocationId: "unknown", reason: "" }, () => undefined);
      await tier.clock.advance(10);
    }
    expect(await creditsOf(tier)).toMatchObject({ reserved: 0, unconfirmed: 10 });
  });

  it("a deadline closes what it is set for", async () => {
    const tier = await withAccount();
    await tier.run(openRoot("b", 500));
    await tier.clock.advance(500 + BUCKET);
    expect(await tier.see((state) => state.allocations.get("b")?.state)).toBe("closed");
    expect(tier.messages).toContainEqual(expect.objectContaining({ type: "closed", allocationId: "b" }));
  });

  it("a slow commit does not lose a timer that fires meanwhile", async () => {
    const store = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
    const tier = new Tier(new VirtualClock(), store);
    tier.loop.submit(openRoot("a"), () => undefined);
    tier.loop.submit(reserve("hold-1", 1_000), () => undefined);
    await tier.clock.settle();
    store.sync();
    await tier.clock.advance(900);
    tier.loop.submit(reserve("hold-2", 60_000), () => undefined);
    await tier.clock.advance(5_000);
    expect(store.waiting).toBe(1);
    store.sync();
    await tier.clock.settle();
    store.sync();
    expect(store.durable().at(-1)?.events).toEqual([{ type: "hold_lapsed", atMs: 5_900, holdId: "hold-1" }]);
  });

  it("a restart sets its timers from the journal", async () => {
    const tier = await withAccount();
    await tier.run(reserve("hold-1", 1_000));
    tier.restart({ monotonicMs: 1 });
    expect(tier.process.timers).toBe(1);
    await tier.clock.advance(1_000 + BUCKET);
    expect(await creditsOf(tier)).toMatchObject({ unconfirmed: 10 });
  });

  it("keeps one timer, however much is due, and none when nothing is", async () => {
    const tier = await withAccount();
    expect(tier.process.timers).toBe(0);
    for (let n = 0; n < 20; n += 1) await tier.run(reserve(`hold-${n}`, 1_000 + 100 * n));
    expect(tier.process.timers).toBe(1);
    await tier.run({ type: "close", allocationId: "a", reason: "over" });
    await tier.clock.advance(10_000 + LIMITS.effectMemoryMs);
    expect(await tier.see((state) => state.allocations.size)).toBe(0);
    expect(tier.process.timers).toBe(0);
  });

  it("changes nothing that a restart would not know", async () => {
    const tier = await withAccount();
    await tier.run(reserve("hold-1", 100));
    await tier.run(openRoot("b", 300));
    await tier.clock.advance(1_000);
    const before = await tier.see((state) => JSON.stringify({ ...(describeState(state) as object), lives: 2 }));
    tier.restart();
    expect(await tier.see((state) => JSON.stringify(describeState(state)))).toBe(before);
  });
});
