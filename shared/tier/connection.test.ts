import { describe, expect, it } from "vitest";
import type { ChildLink, DownItem, Hello, ParentLink } from "#ports";
import { LIMITS } from "#std";
import { MemoryWire } from "./testing/memory-link.ts";
import { some } from "./testing/tier.ts";
import { CHILD, TwoTiers } from "./testing/two-tiers.ts";

/** The first hello that arrived. */
function helloOf(tiers: TwoTiers): Hello {
  const item = tiers.wire.arrived.up.find(({ type }) => type === "hello");
  if (item?.type !== "hello") throw new Error("no hello arrived");
  return item.hello;
}

/** Longer than any pause between two attempts to dial. */
const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;

describe("hello and welcome", () => {
  it("introduces the child with everything it holds", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    const hello = tiers.wire.arrived.up.filter(({ type }) => type === "hello").at(-1);
    expect(hello).toMatchObject({
      hello: {
        instance: CHILD,
        journalId: "child-journal",
        allocations: [
          { allocationId: "run", epoch: 1, final: false, usage: { credits: 150 }, grantedTotal: { credits: 400 } },
        ],
      },
    });
    const welcome = tiers.wire.arrived.down.filter(({ type }) => type === "welcome").at(-1);
    expect(welcome).toMatchObject({
      welcome: {
        instance: "parent-1",
        allocations: [{ allocationId: "run", epoch: 1, state: "open", grantedTotal: { credits: 400 } }],
      },
    });
    expect(tiers.downlink.children()).toMatchObject([{ instance: CHILD, address: "127.0.0.1:1", tier: "execution" }]);
    expect(tiers.states).toEqual(["connected", "lost: connection reset", "connected"]);
    expect(tiers.comings).toEqual([`${CHILD} here`, `${CHILD} gone`, `${CHILD} here`]);
    expect(tiers.uplink.connected).toBe(true);
  });

  it("books what hello says before it is answered, and answers when that is durable", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    tiers.wire.cut();
    await tiers.spend("run", 150);
    tiers.parent.syncMs = "by hand";
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.states.at(-1)).toBe("lost: connection reset");
    expect(tiers.wire.arrived.down.filter(({ type }) => type === "welcome")).toHaveLength(1);
    tiers.parent.syncMs = 0;
    tiers.parent.disk.sync();
    await tiers.clock.settle();
    expect(tiers.states.at(-1)).toBe("connected");
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(150);
  });

  it("brings the counter that a child had been told and lost", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    tiers.child.syncMs = "by hand";
    const answers = tiers.ask(tiers.raise("more", "run", 50));
    await tiers.clock.settle();
    expect(answers).toMatchObject([{ type: "raised" }]);
    tiers.restartChild();
    tiers.child.syncMs = 0;
    expect((await tiers.child.node("run")).books.credits.limit).toBe(400);
    tiers.uplink.start();
    await tiers.clock.advance(REDIAL_MS);
    expect((await tiers.child.node("run")).books.credits.limit).toBe(450);
  });

  it("brings the counter of a grant that grew while the link was down", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    const answers = tiers.ask(tiers.raise("more", "run", 50));
    tiers.wire.cut({ parentLearnsAfterMs: 50 });
    await tiers.clock.advance(20);
    expect(answers).toEqual([]);
    await tiers.clock.advance(REDIAL_MS);
    expect((await tiers.child.node("run")).books.credits.limit).toBe(450);
  });

  it("stops what the parent does not know", async () => {
    const tiers = await new TwoTiers().start();
    const grant = tiers.handover({
      ...(await tiers.parent.run({ type: "grant", wish: tiers.wish("run", { credits: 1 }) })),
    } as never);
    await tiers.child.run(tiers.receive({ ...grant, allocationId: "stranger" }));
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.stops).toContain("stranger: unknown to the tier above");
    expect((await tiers.child.node("stranger")).state).toBe("closed");
  });

  it("stops what the parent has closed meanwhile, and the parent closes with its final account", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 30);
    tiers.wire.cut();
    await tiers.parent.run({ type: "close", allocationId: "run", reason: "enough" });
    expect((await tiers.child.node("run")).state).toBe("open");
    await tiers.clock.advance(REDIAL_MS + 200);
    expect(tiers.stops[0]).toBe("run: closed by the tier above");
    expect((await tiers.parent.node("run")).state).toBe("closed");
    expect((await tiers.parent.node("account")).books.credits).toMatchObject({ available: 970, spent: 30 });
  });

  it("a second hello on a link ends it", async () => {
    const tiers = await new TwoTiers().start();
    let parentEnd: ParentLink | undefined;
    const accept = tiers.downlink.accept.bind(tiers.downlink);
    tiers.downlink.accept = (link) => {
      parentEnd = link;
      accept(link);
    };
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect(parentEnd).toBeDefined();
    const hello = tiers.wire.arrived.up.find(({ type }) => type === "hello");
    if (hello?.type !== "hello") throw new Error("no hello arrived");
    const childEnd = tiers.wire.dial();
    childEnd.send([hello]);
    childEnd.send([{ type: "hello", hello: { ...hello.hello, instance: "child-2" } }]);
    await tiers.clock.settle();
    expect(tiers.downlink.children().map(({ instance }) => instance)).not.toContain("child-2");
    expect(childEnd.send([])).toBe(false);
  });
});

describe("a lost link", () => {
  it("is dialled again with a pause that grows, and at once small again after a success", async () => {
    const tiers = await new TwoTiers({ fraction: () => 0.999_999 }).start();
    tiers.wire.reachable = false;
    tiers.wire.cut();
    const pauses: number[] = [];
    let lastMs = tiers.clock.monotonicMs();
    for (let dials = tiers.wire.dials; pauses.length < 7; dials = tiers.wire.dials) {
      while (tiers.wire.dials === dials) await tiers.clock.advance(1);
      pauses.push(tiers.clock.monotonicMs() - lastMs);
      lastMs = tiers.clock.monotonicMs();
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1_600, 2_000, 2_000]);
    tiers.wire.reachable = true;
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(true);
    tiers.wire.cut();
    await tiers.clock.advance(150);
    expect(tiers.uplink.connected).toBe(true);
  });

  it("is dialled again when it is lost while a report waits for the disk", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    const release = await tiers.child.holdCommits();
    // The time of the next report comes; its reading waits behind the commit.
    await tiers.clock.advance(LIMITS.usageReportIntervalMs);
    tiers.wire.cut();
    await tiers.clock.settle();
    release();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(true);
  });

  it("does not leave a report marked as under way that was never sent", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 10);
    const release = await tiers.child.holdCommits();
    await tiers.clock.advance(LIMITS.usageReportIntervalMs);
    tiers.wire.cut();
    await tiers.clock.settle();
    release();
    await tiers.clock.advance(REDIAL_MS);
    const sent = tiers.wire.arrived.up.length;
    await tiers.spend("run", 10);
    await tiers.clock.advance(LIMITS.leaseTtlMs);
    const reports = tiers.wire.arrived.up.slice(sent).filter(({ type }) => type === "usage");
    expect(reports.length).toBeGreaterThanOrEqual(3);
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(20);
  });

  it("is over for both when the parent restarts; the child finds it again", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.spend("run", 150);
    tiers.restartParent();
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(true);
    expect((await tiers.parent.node("run")).books.credits.usage).toBe(150);
  });
});

describe("a link that is over", () => {
  it("is not heard any more, whatever it still brings", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await Promise.all([tiers.uplink.stop(), tiers.clock.settle()]);
    let bring: (items: readonly DownItem[]) => void = () => undefined;
    let end: () => void = () => undefined;
    const link: ChildLink = {
      send: () => true,
      onItems: (handler) => {
        bring = handler;
      },
      onClose: (handler) => {
        end = handler;
      },
      close: () => undefined,
    };
    const uplink = tiers.newUplink(() => link);
    uplink.start();
    await tiers.clock.settle();
    bring([
      { type: "welcome", welcome: { welcomeId: "w", instance: "parent-1", incarnation: "first", allocations: [] } },
    ]);
    expect(uplink.connected).toBe(true);
    const revision = { type: "revision", allocationId: "run", epoch: 1 } as const;
    bring([{ ...revision, grantedTotal: some({ credits: 500 }) }]);
    end();
    bring([{ ...revision, grantedTotal: some({ credits: 900 }) }]);
    expect((await tiers.child.node("run")).books.credits.limit).toBe(500);
    await uplink.stop();
  });
});

describe("a child that dials twice", () => {
  it("is heard on its latest link; the one before is closed", async () => {
    const tiers = await new TwoTiers().start();
    tiers.wire.cut({ parentLearnsAfterMs: 60_000 });
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.uplink.connected).toBe(true);
    expect(tiers.downlink.children()).toHaveLength(1);
    await tiers.grant("run", { credits: 400 });
    const answers = tiers.ask(tiers.raise("more", "run", 50));
    await tiers.clock.advance(60_000);
    expect(answers).toMatchObject([{ type: "raised" }]);
    expect(tiers.downlink.children()).toHaveLength(1);
    expect(tiers.uplink.connected).toBe(true);
  });

  it("loses the one before, which lives", async () => {
    const tiers = await new TwoTiers().start();
    const later = { ...helloOf(tiers), clockMarkMs: 1 };
    const other = new MemoryWire({ clock: tiers.clock, accept: () => (end) => tiers.downlink.accept(end) });
    other.dial().send([{ type: "hello", hello: later }]);
    await tiers.clock.settle();
    expect(tiers.states).toEqual(["connected", "lost: closed"]);
    expect(tiers.comings).toEqual([`${CHILD} here`]);
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.downlink.children()).toHaveLength(1);
  });

  it("and is lost before it was welcomed had never come", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    tiers.wire.cut();
    await tiers.spend("run", 1);
    await tiers.parent.holdCommits();
    expect(tiers.comings).toEqual([`${CHILD} here`, `${CHILD} gone`]);
    await tiers.clock.advance(REDIAL_MS);
    expect(tiers.wire.arrived.up.at(-1)?.type).toBe("hello");
    tiers.wire.cut();
    await tiers.clock.settle();
    expect(tiers.comings).toEqual([`${CHILD} here`, `${CHILD} gone`]);
    expect(tiers.downlink.child(CHILD)).toBeUndefined();
  });

  it("keeps its place while the parent has room for no more children", async () => {
    const tiers = await new TwoTiers().start();
    for (let n = 2; n <= LIMITS.childDaemonsMax + 1; n += 1) {
      const link = tiers.wire.dial();
      link.onItems(([item]) => {
        if (item?.type !== "welcome") return;
        link.send([{ type: "mark", clockMarkMs: undefined, welcomeId: item.welcome.welcomeId }]);
      });
      link.send([{ type: "hello", hello: { ...helloOf(tiers), instance: `child-${n}` } }]);
    }
    await tiers.clock.settle();
    expect(tiers.downlink.children()).toHaveLength(LIMITS.childDaemonsMax);
    expect(tiers.downlink.child(CHILD)).toBeDefined();
    expect(tiers.downlink.child(`child-${LIMITS.childDaemonsMax + 1}`)).toBeUndefined();
  });
});

describe("a parent that does not read", () => {
  it("costs the link, not the work: the child dials again and sends again", async () => {
    const tiers = await new TwoTiers({ backlogItemsMax: 11 }).start();
    await tiers.grant("run", { credits: 400 });
    tiers.wire.stall("parent");
    const answers = Array.from({ length: 10 }, (_, n) => tiers.ask(tiers.raise(`more-${n}`, "run", 1)));
    await tiers.spend("run", 5);
    await tiers.clock.advance(LIMITS.usageReportIntervalMs);
    expect(tiers.states.at(-1)).toBe("lost: the other side does not read");
    await tiers.clock.advance(REDIAL_MS);
    expect(answers.flat().map(({ type }) => type)).toEqual(Array(10).fill("raised"));
    expect((await tiers.parent.node("run")).books.credits).toMatchObject({ limit: 410, usage: 5 });
  });
});

describe("a new life of the child", () => {
  it("returns with its hello what it never took; what it took stays", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.grant("run", { credits: 400 });
    await tiers.parent.run({ type: "grant", wish: tiers.wish("lost", { credits: 100 }) });
    tiers.restartChild();
    tiers.uplink.start();
    await tiers.clock.advance(REDIAL_MS);
    expect((await tiers.parent.node("lost")).state).toBe("closed");
    expect((await tiers.parent.node("account")).books.credits).toMatchObject({
      available: 600,
      granted: 400,
      spent: 0,
    });
  });

  it("is told from a new link of the same life, to which a grant may still be on its way", async () => {
    const tiers = await new TwoTiers().start();
    await tiers.parent.run({ type: "grant", wish: tiers.wish("late", { credits: 100 }) });
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect((await tiers.parent.node("late")).state).toBe("open");
  });

  it("is not confused with the others, however many have said hello since", async () => {
    const tiers = await new TwoTiers().start();
    const hello = tiers.wire.arrived.up.find(({ type }) => type === "hello");
    if (hello?.type !== "hello") throw new Error("no hello arrived");
    for (let n = 0; n <= LIMITS.childDaemonsMax; n += 1) {
      const link = new MemoryWire({ clock: tiers.clock, accept: () => (end) => tiers.downlink.accept(end) }).dial();
      link.send([{ type: "hello", hello: { ...hello.hello, instance: `other-${n}` } }]);
      await tiers.clock.settle();
      link.close();
      await tiers.clock.settle();
    }
    await tiers.parent.run({ type: "grant", wish: tiers.wish("late", { credits: 100 }) });
    tiers.wire.cut();
    await tiers.clock.advance(REDIAL_MS);
    expect((await tiers.parent.node("late")).state).toBe("open");
  });
});
