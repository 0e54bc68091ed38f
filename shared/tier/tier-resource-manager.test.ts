import { describe, expect, it } from "vitest";
import { describeState, type Limits, type Outcome } from "#budget";
import { MemoryDisk } from "#journal";
import { LIMITS } from "#std";
import type { CommandInput } from "./command-input.ts";
import { some, Tier } from "./testing/tier.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";

const slow = () => new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });

function openRoot(allocationId: string, credits = 1_000): CommandInput {
  return { type: "open_root", allocationId, name: allocationId, limits: { credits } as Limits, policy: {} };
}

function reserve(holdId: string, credits: number, ttlMs = 1_000): CommandInput {
  const wanted = some({ credits });
  return {
    type: "reserve",
    allocationId: "a",
    requestId: holdId,
    holdId,
    what: "tool",
    name: "t",
    wanted,
    min: wanted,
    ttlMs,
  };
}

/** Submits and notes what came of it, in the order in which it came. */
function submitter(tier: Tier, log: string[]) {
  return (name: string, command: CommandInput) =>
    tier.loop.submit(command, (outcome) => log.push(`${name} ${outcome.type}`));
}

async function withAccount(): Promise<Tier> {
  const tier = new Tier(new VirtualClock(), slow());
  tier.loop.submit(openRoot("a"), () => undefined);
  await tier.clock.settle();
  tier.disk.sync();
  return tier;
}

describe("nothing leaves before it is durable", () => {
  it("outcomes and reads wait for the sync", async () => {
    const tier = new Tier(new VirtualClock(), slow());
    const log: string[] = [];
    submitter(tier, log)("open", openRoot("a"));
    void tier.loop.read((state) => state.allocations.size).then((size) => log.push(`read ${size}`));
    await tier.clock.advance(10_000);
    expect(log).toEqual([]);
    expect(tier.disk.waiting).toBe(1);
    tier.disk.sync();
    await tier.clock.settle();
    expect(log).toEqual(["open opened", "read 1"]);
  });

  it("messages wait too, and are told before the callers of their batch are answered", async () => {
    const tier = await withAccount();
    const log: string[] = [];
    tier.loop.subscribe((message) => log.push(`message ${message.type}`));
    submitter(tier, log)("close", { type: "close", allocationId: "a", reason: "over" });
    await tier.clock.advance(10_000);
    expect(log).toEqual([]);
    tier.disk.sync();
    expect(log).toEqual(["message closing", "message closed", "close done"]);
  });

  it("a refusal waits for what it was decided on", async () => {
    const tier = await withAccount();
    const log: string[] = [];
    const submit = submitter(tier, log);
    submit("first", reserve("hold-1", 1_000));
    submit("second", reserve("hold-2", 1));
    await tier.clock.settle();
    submit("third", reserve("hold-3", 1));
    await tier.clock.settle();
    expect(log).toEqual([]);
    tier.disk.sync();
    await tier.clock.settle();
    expect(log).toEqual(["first held", "second refused", "third refused"]);
    expect(tier.disk.durable()).toHaveLength(2);
  });

  it("what rests on nothing new needs no commit", async () => {
    const tier = await withAccount();
    expect(await tier.run(reserve("hold-1", 1_001))).toMatchObject({ type: "refused" });
    expect(await tier.see((state) => state.holds.size)).toBe(0);
    expect(tier.disk.waiting).toBe(0);
    expect(tier.disk.durable()).toHaveLength(1);
  });

  it("a crash forgets what was never answered", async () => {
    const tier = await withAccount();
    const log: string[] = [];
    submitter(tier, log)("lost", reserve("hold-1", 600));
    await tier.clock.settle();
    tier.restart();
    expect(await tier.see((state) => state.allocations.get("a")?.books.credits)).toMatchObject({
      available: 1_000,
      reserved: 0,
    });
    expect(log).toEqual([]);
  });
});

describe("group commit", () => {
  it("commits once for all that arrived together, and once for all that arrived meanwhile", async () => {
    const tier = await withAccount();
    const log: string[] = [];
    const submit = submitter(tier, log);
    for (let n = 1; n <= 50; n += 1) submit(`early ${n}`, reserve(`early-${n}`, 1));
    await tier.clock.settle();
    for (let n = 1; n <= 50; n += 1) {
      submit(`late ${n}`, reserve(`late-${n}`, 1));
      await tier.clock.settle();
    }
    expect(tier.disk.waiting).toBe(1);
    tier.disk.sync();
    await tier.clock.settle();
    expect(log).toHaveLength(50);
    expect(tier.disk.waiting).toBe(1);
    tier.disk.sync();
    const numbers = Array.from({ length: 50 }, (_, index) => index + 1);
    expect(log).toEqual([...numbers.map((n) => `early ${n} held`), ...numbers.map((n) => `late ${n} held`)]);
    expect(tier.disk.durable().map(({ events }) => events.length)).toEqual([2, 50, 50]);
  });

  it("decides commands that belong together in one batch and answers them together", async () => {
    const tier = await withAccount();
    const answers: (readonly Outcome[])[] = [];
    tier.loop.submitAll([reserve("hold-1", 700), reserve("hold-2", 700)], (outcomes) => answers.push(outcomes));
    await tier.clock.settle();
    tier.disk.sync();
    expect(answers.map((outcomes) => outcomes.map(({ type }) => type))).toEqual([["held", "refused"]]);
  });

  it("closes a batch at the bound of its events and goes on with the rest", async () => {
    const disk = new MemoryDisk({ journalId: "journal-1" });
    const tier = new Tier(new VirtualClock(), disk, { checkInvariants: false });
    const count = LIMITS.commitEventsMax + 10;
    let answered = 0;
    for (let n = 0; n < count; n += 1) {
      tier.loop.submit({ type: "open_root", allocationId: `a${n}`, name: `a${n}`, limits: {}, policy: {} }, () => {
        answered += 1;
      });
    }
    await tier.clock.settle();
    expect(answered).toBe(count);
    expect(tier.disk.durable().map(({ events }) => events.length)).toEqual([LIMITS.commitEventsMax, 11]);
  });

  it("keeps a batch of large notes within one journal row", async () => {
    const tier = await withAccount();
    let answered = 0;
    for (let n = 0; n < 40; n += 1) {
      const value = String(n % 10).repeat(LIMITS.noteCharsMax);
      tier.loop.submit({ type: "attach_note", allocationId: "a", key: `note-${n % LIMITS.notesMax}`, value }, () => {
        answered += 1;
      });
    }
    for (let commits = 0; commits < 40 && answered < 40; commits += 1) {
      await tier.clock.settle();
      tier.disk.sync();
    }
    const bytes = tier.disk.durable().map((commit) => Buffer.byteLength(JSON.stringify(commit)));
    expect(answered).toBe(40);
    expect(Math.max(...bytes)).toBeLessThanOrEqual(LIMITS.commitRowBytesMax);
  });
});

describe("the bound of the queue", () => {
  it("refuses at once what is beyond it, and takes more when there is room again", async () => {
    const tier = await withAccount();
    tier.loop.submit(reserve("under-way", 1), () => undefined);
    await tier.clock.settle();
    let answered = 0;
    const unknown = { type: "close", allocationId: "unknown", reason: "" } as const;
    for (let n = 0; n < LIMITS.commandQueueMax; n += 1) tier.loop.submit(unknown, () => answered++);
    const refused: Outcome[] = [];
    tier.loop.submit(reserve("beyond", 1), (outcome) => refused.push(outcome));
    tier.loop.submitAll([unknown, unknown], (outcomes) => refused.push(...outcomes));
    const tooMany = { code: "too_many", retryAfterMs: LIMITS.retryAfterMs };
    expect(refused).toEqual(Array(3).fill({ type: "refused", refusal: expect.objectContaining(tooMany) }));
    await expect(tier.loop.read(() => 0)).rejects.toThrow(`${LIMITS.commandQueueMax} commands already wait`);
    expect(await tier.loop.ask(unknown)).toMatchObject({ refusal: tooMany });
    expect(answered).toBe(0);
    tier.disk.sync();
    await tier.clock.settle();
    expect(answered).toBe(LIMITS.commandQueueMax);
    expect(await tier.run(unknown)).toMatchObject({ refusal: { code: "not_found" } });
  });

  it("counts commands, however many arrive together", async () => {
    const tier = await withAccount();
    tier.loop.submit(reserve("under-way", 1), () => undefined);
    await tier.clock.settle();
    const together = Array<CommandInput>(LIMITS.streamItemsMax).fill({ type: "close", allocationId: "x", reason: "" });
    let refused = 0;
    for (let n = 0; n < 20; n += 1) {
      tier.loop.submitAll(together, ([first]) => {
        if (first?.type === "refused" && first.refusal.code === "too_many") refused += 1;
      });
    }
    expect(refused).toBe(20 - LIMITS.commandQueueMax / LIMITS.streamItemsMax);
  });
});

describe("listeners", () => {
  it("that leave while a message is told get it or not, but never after", async () => {
    const tier = await withAccount();
    const log: string[] = [];
    const leave = tier.loop.subscribe((message) => {
      log.push(`first ${message.type}`);
      leave();
      leaveToo();
    });
    const leaveToo = tier.loop.subscribe((message) => log.push(`second ${message.type}`));
    tier.loop.subscribe((message) => log.push(`third ${message.type}`));
    tier.loop.submit({ type: "close", allocationId: "a", reason: "over" }, () => undefined);
    await tier.clock.settle();
    tier.disk.sync();
    expect(log).toEqual(["first closing", "third closing", "third closed"]);
  });

  it("may submit what a message calls for; it is the next batch", async () => {
    const tier = await withAccount();
    const log: string[] = [];
    const submit = submitter(tier, log);
    tier.loop.subscribe((message) => {
      if (message.type === "closed") submit("after", openRoot("b"));
    });
    submit("close", { type: "close", allocationId: "a", reason: "over" });
    await tier.clock.settle();
    tier.disk.sync();
    expect(log).toEqual(["close done"]);
    await tier.clock.settle();
    tier.disk.sync();
    expect(log).toEqual(["close done", "after opened"]);
  });

  it("an answer that asks again does not keep others from their turn", async () => {
    const tier = await withAccount();
    const order: string[] = [];
    const again = (left: number): void =>
      tier.loop.submit({ type: "close", allocationId: "unknown", reason: "" }, () => {
        order.push("loop");
        if (left > 0) again(left - 1);
      });
    const other = (left: number): void =>
      tier.clock.soon(() => {
        order.push("other");
        if (left > 0) other(left - 1);
      });
    again(3);
    other(3);
    await tier.clock.settle();
    expect(order).toEqual(["loop", "other", "loop", "other", "loop", "other", "loop", "other"]);
  });
});

describe("when a turn begins", () => {
  const nothing: CommandInput = { type: "close", allocationId: "unknown", reason: "" };

  /** What comes first: the turn for these commands, or what the event loop has to do besides. */
  async function orderOf(tier: Tier, commands: readonly CommandInput[]): Promise<readonly string[]> {
    const order: string[] = [];
    tier.clock.soon(() => order.push("other"));
    tier.loop.submitAll(commands, () => order.push("loop"));
    await tier.clock.settle();
    return order;
  }

  it("in a calm loop it does at once, and takes all that what runs now leads to", async () => {
    const tier = await withAccount();
    await tier.clock.settle();
    expect(await orderOf(tier, [nothing])).toEqual(["loop", "other"]);
    tier.loop.submit(reserve("hold-1", 1), () => undefined);
    void Promise.resolve().then(() => tier.loop.submit(reserve("hold-2", 1), () => undefined));
    await tier.clock.settle();
    tier.disk.sync();
    expect(tier.disk.durable().map(({ events }) => events.length)).toEqual([2, 2]);
  });

  it("after a turn it waits for what else is read, until the event loop has gone round and nothing came", async () => {
    const tier = await withAccount();
    const order: string[] = [];
    tier.loop.submit(nothing, () => {
      tier.clock.soon(() => order.push("other"));
      tier.loop.submit(nothing, () => order.push("loop"));
    });
    await tier.clock.settle();
    expect(order).toEqual(["other", "loop"]);
    expect(await orderOf(tier, [nothing])).toEqual(["loop", "other"]);
  });

  it("after a turn with many commands it waits, however long that was ago, until one had few", async () => {
    const tier = await withAccount();
    await orderOf(tier, new Array<CommandInput>(LIMITS.calmCommandsMax + 1).fill(nothing));
    await tier.clock.advance(1_000);
    expect(await orderOf(tier, [nothing])).toEqual(["other", "loop"]);
    expect(await orderOf(tier, [nothing])).toEqual(["loop", "other"]);
  });
});

describe("a restart", () => {
  it("rebuilds the state from the same disk", async () => {
    const tier = await withAccount();
    tier.loop.submit(reserve("hold-1", 300), () => undefined);
    tier.loop.submit(reserve("hold-2", 200, 60_000), () => undefined);
    await tier.clock.settle();
    tier.disk.sync();
    await tier.clock.advance(2_000);
    tier.disk.sync();
    const before = await tier.see((state) => JSON.stringify({ ...(describeState(state) as object), lives: 2 }));
    tier.restart({ monotonicMs: 5 });
    expect(await tier.see((state) => JSON.stringify(describeState(state)))).toBe(before);
    expect(before).toContain('"reserved":200,"unconfirmed":300');
  });
});
