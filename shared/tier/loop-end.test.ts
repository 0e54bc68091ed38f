import { describe, expect, it } from "vitest";
import type { Limits } from "#budget";
import { MemoryDisk } from "#journal";
import type { Commit, OpenedJournal } from "#ports";
import { LIMITS } from "#std";
import type { CommandInput } from "./command-input.ts";
import { Tier } from "./testing/tier.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";
import { TierResourceManager } from "./tier-resource-manager.ts";

const slow = () => new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
const newTier = (disk = slow()) => new Tier(new VirtualClock(), disk);

const eventsOf = (tier: Tier) => [...tier.disk.open().commits].flatMap(({ events }) => events.map(({ type }) => type));

function openRoot(allocationId: string, durationMs?: number): CommandInput {
  const limits = { credits: 1_000, ...(durationMs === undefined ? {} : { durationMs }) } as Limits;
  return { type: "open_root", allocationId, name: allocationId, limits, policy: {} };
}

describe("a failed commit", () => {
  it("is told once, answers nothing, tells no message and leaves no timer", async () => {
    const tier = newTier();
    const log: string[] = [];
    tier.loop.submit(openRoot("a", 60_000), () => undefined);
    await tier.clock.settle();
    tier.disk.sync();
    tier.messages.length = 0;
    expect(tier.process.timers).toBe(1);
    tier.loop.submit({ type: "close", allocationId: "a", reason: "" }, () => log.push("close"));
    void tier.loop.read(() => log.push("read"));
    await tier.clock.settle();
    tier.loop.submit(openRoot("b"), () => log.push("next batch"));
    tier.disk.fail("disk-full");
    expect(tier.process.timers).toBe(0);
    await tier.clock.advance(120_000);
    expect(tier.faults.map((fault) => Reflect.get(fault, "reason"))).toEqual(["disk-full"]);
    expect(log).toEqual(["read"]); // evaluated in its turn, before the commit; what was seen is not told:
    tier.loop.submit(openRoot("c"), () => log.push("after"));
    await tier.clock.advance(1_000);
    expect(log).toEqual(["read"]);
    expect(tier.messages).toEqual([]);
    expect(tier.process.timers).toBe(0);
  });

  it("never lets a reader know what was not durable", async () => {
    const tier = newTier();
    const told: number[] = [];
    tier.loop.submit(openRoot("a"), () => undefined);
    void tier.loop.read((state) => state.allocations.size).then((size) => told.push(size));
    await tier.clock.settle();
    tier.disk.fail();
    await tier.clock.settle();
    expect(told).toEqual([]);
    await expect(tier.loop.read(() => 0)).rejects.toThrow("ended");
  });
});

describe("a fault in the loop", () => {
  const opened = (append: OpenedJournal["journal"]["append"], commits: Commit[] = []): OpenedJournal => ({
    journal: { journalId: "j", append, close: () => undefined },
    snapshot: undefined,
    commits,
  });

  it("of a listener ends it: what follows could not be trusted", async () => {
    const tier = newTier(new MemoryDisk({ journalId: "journal-1" }));
    const log: string[] = [];
    tier.loop.subscribe((message) => {
      throw new Error(`cannot take ${message.type}`);
    });
    tier.loop.submit(openRoot("a"), () => log.push("opened"));
    tier.loop.submit({ type: "close", allocationId: "a", reason: "" }, () => log.push("closed"));
    await tier.clock.settle();
    expect(tier.faults.map(({ message }) => message)).toEqual(["cannot take closing"]);
    expect(log).toEqual([]);
  });

  it("of the journal that throws ends it", async () => {
    const clock = new VirtualClock();
    const faults: Error[] = [];
    const journal = opened(() => {
      throw new Error("no such disk");
    });
    const loop = new TierResourceManager({ opened: journal, clock, onFatal: (fault) => faults.push(fault) });
    loop.submit(openRoot("a"), () => faults.push(new Error("answered")));
    await clock.settle();
    expect(faults.map(({ message }) => message)).toEqual(["no such disk"]);
  });

  it("of a reader is the reader's: the loop goes on", async () => {
    const tier = newTier(new MemoryDisk({ journalId: "journal-1" }));
    const read = tier.loop.read(() => {
      throw new Error("cannot draw this");
    });
    const told = expect(read).rejects.toThrow("cannot draw this");
    await tier.clock.settle();
    await told;
    expect(tier.faults).toEqual([]);
    expect(await tier.run(openRoot("a"))).toMatchObject({ type: "opened" });
  });

  it("of the disk's contents is thrown at the start", () => {
    const clock = new VirtualClock();
    const event = { type: "allocation_closed", atMs: 5, allocationId: "never opened" } as const;
    const journal = opened(() => undefined, [{ engineTimeMs: 5, events: [event] }]);
    expect(() => new TierResourceManager({ opened: journal, clock, onFatal: () => undefined })).toThrow("never opened");
  });
});

describe("close", () => {
  it("answers what was queued, makes it durable, and frees the journal", async () => {
    const tier = newTier();
    const log: string[] = [];
    tier.loop.submit(openRoot("a", 60_000), () => log.push("a"));
    await tier.clock.settle();
    tier.loop.submit(openRoot("b"), () => log.push("b"));
    const closed = tier.loop.close().then(() => log.push("closed"));
    await tier.clock.settle();
    expect(log).toEqual([]);
    tier.disk.sync();
    await tier.clock.settle();
    tier.disk.sync();
    await closed;
    expect(log).toEqual(["a", "b", "closed"]);
    expect(tier.process.timers).toBe(0);
    expect([...tier.disk.open().commits]).toHaveLength(2);
  });

  it("twice is once, and both callers are told", async () => {
    const tier = newTier(new MemoryDisk({ journalId: "journal-1" }));
    const first = tier.loop.close();
    const second = tier.loop.close();
    await tier.clock.settle();
    await Promise.all([first, second, tier.loop.close()]);
    expect(eventsOf(tier)).toEqual(["daemon_started"]);
  });

  it("ends with a full queue too", async () => {
    const tier = newTier();
    tier.loop.submit(openRoot("a"), () => undefined);
    await tier.clock.settle();
    let answered = 0;
    for (let n = 0; n < LIMITS.commandQueueMax; n += 1) {
      tier.loop.submit({ type: "close", allocationId: "unknown", reason: "" }, () => answered++);
    }
    const closed = tier.loop.close();
    tier.disk.sync();
    await tier.clock.settle();
    await closed;
    expect(answered).toBe(LIMITS.commandQueueMax);
    expect([...tier.disk.open().commits]).toHaveLength(1);
  });

  it("ends although others go on asking", async () => {
    const tier = newTier(new MemoryDisk({ journalId: "journal-1" }));
    const again = (): void => tier.loop.submit({ type: "close", allocationId: "unknown", reason: "" }, () => again());
    again();
    await Promise.all([tier.loop.close(), tier.clock.settle()]);
    expect(eventsOf(tier)).toEqual(["daemon_started"]);
  });

  it("after a failed commit frees the journal", async () => {
    const tier = newTier();
    tier.loop.submit(openRoot("a"), () => undefined);
    await tier.clock.settle();
    tier.disk.fail();
    await tier.loop.close();
    expect(tier.disk.open().commits).toEqual([]);
    expect(tier.faults).toHaveLength(1);
  });

  it("that meets a failing commit does not hang", async () => {
    const tier = newTier();
    tier.loop.submit(openRoot("a"), () => undefined);
    await tier.clock.settle();
    const closed = tier.loop.close();
    tier.disk.fail();
    await tier.clock.settle();
    await closed;
    expect(tier.faults).toHaveLength(1);
  });

  it("makes later reads fail by name", async () => {
    const tier = newTier(new MemoryDisk({ journalId: "journal-1" }));
    await Promise.all([tier.loop.close(), tier.clock.settle()]);
    await expect(tier.loop.read(() => 0)).rejects.toThrow("ended");
  });
});
