import { describe, expect, it } from "vitest";
import type { GrantAnswer, Hello } from "#ports";
import { LIMITS } from "#std";
import { HelloOrder } from "./hello-order.ts";
import { held, lastHello, RawChild } from "./testing/raw-child.ts";
import { some } from "./testing/tier.ts";
import { CHILD, TwoTiers } from "./testing/two-tiers.ts";

const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;

function helloOf(life: number, clockMarkMs: number | undefined, more: Partial<Hello> = {}): Hello {
  const plain = {
    instance: "a",
    journalId: "j",
    address: "h:1",
    tier: "execution",
    capacity: 0,
    allocations: [],
  } as const;
  return { ...plain, incarnation: `life-${life}`, life, clockMarkMs, ...more };
}

describe("HelloOrder", () => {
  it("goes by the life first, then by the clock of that life", () => {
    const order = new HelloOrder();
    const said = [helloOf(2, 50), helloOf(2, 50), helloOf(2, 49), helloOf(1, 9_000), helloOf(2, 51), helloOf(3, 1)];
    expect(said.map((hello) => order.admit(hello))).toEqual([true, false, false, false, true, true]);
    expect(order.admit(helloOf(2, 60_000))).toBe(false);
  });

  it("knows each instance by itself, and takes who does not number its lives as they come", () => {
    const order = new HelloOrder();
    expect(order.admit(helloOf(5, 500))).toBe(true);
    expect(order.admit(helloOf(1, 1, { instance: "b" }))).toBe(true);
    const unnumbered = helloOf(0, undefined, { instance: "c" });
    expect([order.admit(unnumbered), order.admit(unnumbered)]).toEqual([true, true]);
  });

  it("remembers for which incarnation grants have gone back, and not that of one that is no more", () => {
    const order = new HelloOrder();
    const [first, second] = [helloOf(1, 1), helloOf(2, 1)];
    order.admit(first);
    expect(order.hasReturned(first)).toBe(false);
    order.returned(first);
    expect(order.hasReturned(first)).toBe(true);
    order.admit(second);
    expect(order.hasReturned(second)).toBe(false);
    order.returned(second);
    order.returned(first);
    expect(order.hasReturned(second)).toBe(true);
  });

  it("forgets only whom nothing can be on its way to, down to its bound", () => {
    const order = new HelloOrder();
    for (const instance of ["a", "b", "c", "d"]) order.admit(helloOf(1, 1, { instance }));
    order.forget((instance) => instance !== "a", 2);
    expect(order.size).toBe(2);
    expect(order.admit(helloOf(1, 1, { instance: "a" }))).toBe(false);
    expect(order.admit(helloOf(1, 1, { instance: "b" }))).toBe(true);
  });
});

const stateOf = async (tiers: TwoTiers, id: string) => (await tiers.parent.node(id)).state;

/** A child that holds `run`, of which its first hello knew nothing. */
async function withRun(): Promise<TwoTiers> {
  const tiers = await new TwoTiers().start();
  await tiers.clock.advance(1_000);
  await tiers.grant("run", { credits: 400 });
  return tiers;
}

describe("an old hello that comes again", () => {
  it("does not displace the connection of the same life, nor take back what it did not know", async () => {
    const tiers = await withRun();
    const old = new RawChild(tiers);
    await tiers.clock.settle();
    expect([old.closed, old.items]).toEqual([true, []]);
    expect(tiers.states).toEqual(["connected"]);
    expect(await stateOf(tiers, "run")).toBe("open");
  });

  it("does not displace a later life, whose clock may stand lower", async () => {
    const tiers = await withRun();
    const old = { ...lastHello(tiers), clockMarkMs: 900_000 };
    tiers.restartChild({ monotonicMs: 3 });
    tiers.uplink.start();
    await tiers.clock.advance(100);
    const again = new RawChild(tiers, old);
    await tiers.clock.settle();
    expect([again.closed, tiers.uplink.connected]).toEqual([true, true]);
    expect(tiers.downlink.child(CHILD)?.incarnation).toBe("life-2");
    expect(await stateOf(tiers, "run")).toBe("open");
  });

  it("to a parent that has started anew since takes nothing back, for nobody answers its welcome", async () => {
    const tiers = await withRun();
    tiers.wire.reachable = false;
    tiers.restartParent();
    await tiers.clock.advance(10);
    const old = new RawChild(tiers);
    await old.welcome();
    expect(tiers.downlink.children()).toEqual([]);
    old.link.send([{ type: "ask", ask: tiers.open("again", "side", 50) }]);
    old.link.send([{ type: "mark", clockMarkMs: 5, welcomeId: "of another connection" }]);
    await tiers.clock.advance(1_000);
    expect([old.items.length, await stateOf(tiers, "run")]).toEqual([1, "open"]);
    tiers.wire.reachable = true;
    await tiers.clock.advance(REDIAL_MS);
    expect([old.closed, tiers.uplink.connected]).toEqual([true, true]);
    expect(await stateOf(tiers, "run")).toBe("open");
    await tiers.spend("run", 7);
  });
});

describe("what a hello does not name", () => {
  it("goes back when the welcome to it is answered, and then the child may be given work", async () => {
    const tiers = await withRun();
    tiers.wire.reachable = false;
    tiers.restartParent();
    const child = new RawChild(tiers, { life: 2, incarnation: "other", allocations: [] });
    await child.welcome();
    expect([await stateOf(tiers, "run"), tiers.downlink.children()]).toEqual(["open", []]);
    await child.answer();
    expect(await stateOf(tiers, "run")).toBe("closed");
    expect((await tiers.parent.node("account")).books.credits).toMatchObject({ available: 1_000, spent: 0 });
    expect(tiers.downlink.children()).toHaveLength(1);
  });

  it("stays while a handover of this parent may be on its way to the same life", async () => {
    const tiers = await withRun();
    await tiers.parent.run({ type: "grant", wish: tiers.wish("late", { credits: 100 }) });
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect(lastHello(tiers).allocations.map(({ allocationId }) => allocationId)).toEqual(["run"]);
    expect(await stateOf(tiers, "late")).toBe("open");
  });

  it("stays when it was granted after the hello and is told on the same link", async () => {
    const tiers = await new TwoTiers({ policy: { strategy: "QUEUE_AND_WAIT" } }).start();
    await tiers.grant("run", { credits: 400 });
    await tiers.grant("other", { credits: 600 });
    const taken: string[] = [];
    const answers: GrantAnswer[] = [];
    tiers.uplink.ask(tiers.open("side", "side", 100, { min: some({ credits: 100 }), waitMs: 60_000 }), (answer) => {
      answers.push(answer);
      if (answer.type !== "opened") return;
      taken.push(answer.grant.allocationId);
      tiers.child.loop.submit(tiers.receive(answer.grant), () => undefined);
    });
    await tiers.clock.settle();
    expect(answers).toMatchObject([{ type: "queued" }]);
    // The room for it comes with the hello itself, to a parent that has started anew and takes this hello for that of a new life.
    tiers.restartParent();
    await tiers.child.run({ type: "close", allocationId: "other", reason: "done" });
    await tiers.clock.advance(REDIAL_MS);
    expect(taken).toHaveLength(1);
    const [id = ""] = taken;
    expect([await stateOf(tiers, id), (await tiers.child.node(id)).state]).toEqual(["open", "open"]);
  });

  it("waits, with all that the child sends meanwhile, in the order in which it came", async () => {
    const tiers = await withRun();
    tiers.wire.reachable = false;
    tiers.restartParent();
    const child = new RawChild(tiers, { life: 2, incarnation: "other", allocations: [held("run")] });
    child.link.send([{ type: "ask", ask: tiers.raise("more", "run", 50) }]);
    await child.welcome();
    expect(child.items).toHaveLength(1);
    await child.answer({ type: "ask", ask: tiers.raise("and more", "run", 5) });
    expect(child.items.slice(1)).toMatchObject([
      { requestId: "more", answer: { type: "raised", grantedTotal: { credits: 450 } } },
      { requestId: "and more", answer: { type: "raised", grantedTotal: { credits: 455 } } },
    ]);
  });

  it("costs the connection when too much of it waits", async () => {
    const tiers = await withRun();
    const child = new RawChild(tiers, { instance: "child-2" });
    await child.welcome();
    const cancel = { type: "cancel", requestId: "r" } as const;
    for (let sent = 0; sent <= LIMITS.streamBacklogItemsMax && !child.closed; sent += 4_096) {
      child.link.send(Array(4_096).fill(cancel));
      await tiers.clock.settle();
    }
    expect(child.closed).toBe(true);
  });
});

describe("whose welcome is in force at the child", () => {
  it("is nobody's from the loss of a link until the next welcome, and then that life's of the parent", async () => {
    const tiers = await withRun();
    expect(tiers.uplink.parent).toMatchObject({ instance: "parent-1", incarnation: "parent-life-1" });
    tiers.parent.syncMs = "by hand";
    tiers.restartParent();
    await tiers.clock.settle();
    expect(tiers.uplink.parent).toBeUndefined();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.parent).toBeUndefined();
    tiers.parent.syncMs = 0;
    tiers.parent.disk.sync();
    await tiers.clock.settle();
    expect(tiers.uplink.parent).toMatchObject({ instance: "parent-1", incarnation: "parent-life-2" });
  });
});
