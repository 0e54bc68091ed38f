/** Holds that are answered once they are written, and what becomes of them. */
import { describe, expect, it } from "vitest";
import { type Allocation, type Amount, describeState, type Limits, type Outcome } from "#budget";
import { MemoryDisk } from "#journal";
import { LIMITS } from "#std";
import type { CommandInput } from "./command-input.ts";
import { some } from "./testing/tier.ts";
import { VirtualClock, type VirtualProcess } from "./testing/virtual-clock.ts";
import { TierResourceManager } from "./tier-resource-manager.ts";

const LIMIT = 10 * LIMITS.aheadLimitParts;

/** An execution tier over its lives, on a disk that syncs when it is told. */
class Execution {
  readonly clock = new VirtualClock();
  readonly disk = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
  #process: VirtualProcess = this.clock.process();
  loop: TierResourceManager;
  readonly faults: Error[] = [];
  /** What was answered, in order: at once, or when it was durable. */
  readonly told: string[] = [];

  constructor(bootId: string | undefined) {
    this.loop = this.#open(bootId);
  }

  #open(bootId: string | undefined): TierResourceManager {
    const onFatal = (error: Error): void => void this.faults.push(error);
    const opened = this.disk.open();
    return new TierResourceManager({ opened, clock: this.#process, onFatal, checkInvariants: true, bootId });
  }

  async restart({ keeping, bootId }: { readonly keeping: number; readonly bootId: string }): Promise<void> {
    this.#process.end();
    this.disk.crash(keeping);
    this.#process = this.clock.process();
    this.loop = this.#open(bootId);
    await this.synced();
  }

  async synced(): Promise<void> {
    await this.clock.settle();
    while (this.disk.waiting > 0) {
      this.disk.sync();
      await this.clock.settle();
    }
  }

  /** Receives a step of so many credits. */
  async receive(allocationId: string): Promise<void> {
    this.loop.submit(received(allocationId), () => undefined);
    await this.synced();
  }

  /** Submits the commands together; what is answered goes to `told`, by their numbers. */
  async submit(...commands: CommandInput[]): Promise<void> {
    const ahead = new Set<Outcome>();
    const name = (outcome: Outcome, at: number) => `${at} ${outcome.type}`;
    this.loop.submitAll(
      commands,
      (outcomes) => {
        for (const [at, outcome] of outcomes.entries())
          if (!ahead.has(outcome)) this.told.push(`${name(outcome, at)} durable`);
      },
      (outcomes, covered) => {
        for (const [at, outcome] of outcomes.entries()) {
          if (!covered.has(outcome)) continue;
          ahead.add(outcome);
          this.told.push(`${name(outcome, at)} ahead`);
        }
      },
    );
    await this.clock.settle();
  }

  async node(id: string): Promise<Allocation> {
    const seen: Allocation[] = [];
    void this.loop.read((state) => {
      const node = state.allocations.get(id);
      if (node) seen.push(node);
    });
    await this.synced();
    expect(seen).toHaveLength(1);
    return seen[0] as Allocation;
  }
}

function received(allocationId: string): CommandInput {
  return {
    ...{ type: "receive_grant", allocationId, name: allocationId, path: allocationId, depth: 1, kind: "step" },
    ...{ limits: { credits: LIMIT } as Limits, grantedTotal: some({ credits: LIMIT }), returnedTotal: some({}) },
    ...{ pooled: [], priority: "NORMAL", weight: 1, policy: {}, deadlineAtMs: undefined, peer: "parent", token: "t" },
    ...{ epoch: 1, leaseTtlMs: 60_000, leaseEndsAtMs: 60_000, notes: [] },
  } as unknown as CommandInput;
}

function reserve(allocationId: string, holdId: string, credits: number): CommandInput {
  const wanted = some({ credits });
  return {
    ...{ type: "reserve", requestId: `for ${holdId}`, allocationId, holdId, what: "tool", name: "search" },
    ...{ wanted, min: wanted, ttlMs: 10_000 },
  } as CommandInput;
}

function settle(allocationId: string, holdId: string, credits: number): CommandInput {
  const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
  const cost = { credits: credits as Amount, toolCalls: 0 as Amount };
  return { type: "settle", allocationId, holdId, ...cost, final: true, ...facts };
}

async function withSteps(bootId: string | undefined): Promise<Execution> {
  const execution = new Execution(bootId);
  await execution.synced();
  await execution.receive("a");
  await execution.receive("b");
  return execution;
}

describe("a hold is answered once it is written", () => {
  it("as far as the allowance of its allocation goes, each for itself", async () => {
    const execution = await withSteps("first");
    await execution.submit(reserve("a", "h1", 6), reserve("a", "h2", 6), reserve("b", "h3", 10), reserve("a", "h4", 4));
    expect(execution.told).toEqual(["0 held ahead", "2 held ahead", "3 held ahead"]);
    await execution.synced();
    expect(execution.told.slice(3)).toEqual(["1 held durable"]);
    await execution.submit(reserve("a", "h5", 10));
    expect(execution.told.slice(4)).toEqual(["0 held ahead"]);
  });

  it("not out of what came free in the same batch, and a settle never", async () => {
    const execution = await withSteps("first");
    await execution.submit(reserve("a", "all", LIMIT));
    await execution.synced();
    expect(execution.told).toEqual(["0 held durable"]);
    await execution.submit(settle("a", "all", 1), reserve("a", "h1", 5), reserve("b", "h2", 5));
    expect(execution.told.slice(1)).toEqual(["2 held ahead"]);
    await execution.synced();
    expect(execution.told.slice(2)).toEqual(["0 settled durable", "1 held durable"]);
  });

  it("not in a batch that gives budget: a power cut would hide that, too", async () => {
    const execution = await withSteps("first");
    const raise = { type: "receive_limit", allocationId: "a", epoch: 1, grantedTotal: some({ credits: 2 * LIMIT }) };
    await execution.submit(raise as CommandInput, reserve("a", "h1", 5), reserve("b", "h2", 5));
    expect(execution.told).toEqual([]);
    await execution.synced();
    expect(execution.told).toHaveLength(3);
  });

  it("only where that was asked for, of loop and caller", async () => {
    const never = await withSteps(undefined);
    await never.submit(reserve("a", "h1", 5));
    expect(never.told).toEqual([]);
    await never.synced();
    expect(never.told).toEqual(["0 held durable"]);
    const execution = await withSteps("first");
    const told: Outcome[] = [];
    execution.loop.submit(reserve("a", "h1", 5), (outcome) => told.push(outcome));
    await execution.clock.settle();
    expect(told).toEqual([]);
    await execution.synced();
    expect(told).toMatchObject([{ type: "held" }]);
  });

  it("and the same request again is the same hold", async () => {
    const execution = await withSteps("first");
    await execution.submit(reserve("a", "h1", 5));
    await execution.submit(reserve("a", "h1", 5));
    expect(execution.told).toEqual(["0 held ahead"]);
    await execution.synced();
    expect(execution.told).toEqual(["0 held ahead", "0 held durable"]);
    expect((await execution.node("a")).books.credits).toMatchObject({ reserved: 5, available: LIMIT - 5 });
  });
});

describe("when it is over before the sync", () => {
  it("a process leaves its holds to the next one", async () => {
    const execution = await withSteps("first");
    await execution.submit(reserve("a", "h1", 5));
    expect(execution.disk.outliving).toBe(1);
    await execution.restart({ keeping: 1, bootId: "first" });
    expect((await execution.node("a")).books.credits).toMatchObject({ reserved: 5, unconfirmed: 0 });
  });

  it("a power cut takes them, and as much as they may have been is unconfirmed", async () => {
    const execution = await withSteps("first");
    await execution.submit(reserve("a", "h1", 5), reserve("a", "h2", 5));
    expect(execution.told).toHaveLength(2);
    await execution.restart({ keeping: 0, bootId: "second" });
    const a = await execution.node("a");
    expect(a.books.credits).toMatchObject({ reserved: 0, unconfirmed: 10, available: LIMIT - 10 });
    await execution.submit(settle("a", "h1", 3));
    await execution.synced();
    expect(execution.told.at(-1)).toBe("0 settled durable");
    expect(a.books.credits).toMatchObject({ spent: 3, unconfirmed: 7, available: LIMIT - 10 });
  });

  it("a failed sync ends the loop, and tells nothing that waited", async () => {
    const execution = await withSteps("first");
    await execution.submit(reserve("a", "h1", 5), settle("a", "nobody", 1), reserve("a", "h2", LIMIT / 2));
    expect(execution.told).toEqual(["0 held ahead"]);
    execution.disk.fail();
    await execution.clock.settle();
    expect(execution.faults).toHaveLength(1);
    expect(execution.told).toEqual(["0 held ahead"]);
  });
});

it("a replay makes the same state, with what was counted after a power cut", async () => {
  const execution = await withSteps("first");
  await execution.restart({ keeping: 0, bootId: "second" });
  const before = await stateOf(execution);
  expect(before).toContain("/power-cut/");
  const shadow = new MemoryDisk({ journalId: "journal-1" });
  const { journal } = shadow.open();
  for (const commit of execution.disk.durable()) journal.append(commit, () => undefined);
  journal.close();
  const again = new TierResourceManager({
    opened: shadow.open(),
    clock: execution.clock.process(),
    onFatal: (error) => expect.fail(error.message),
    bootId: "second",
  });
  const texts: string[] = [];
  void again.read((state) => texts.push(JSON.stringify(describeState(state))));
  await execution.clock.settle();
  // One life more, and nothing else.
  expect(texts.map((text) => text.replace('"lives":3', '"lives":2'))).toEqual([before]);
});

async function stateOf(execution: Execution): Promise<string> {
  const texts: string[] = [];
  void execution.loop.read((state) => texts.push(JSON.stringify(describeState(state))));
  await execution.synced();
  return texts[0] ?? "";
}
