/** PROPORTIONAL_SHARING in the engine: who gets how much, what is asked back, and what never moves. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { conflictWords } from "./refusal-words.ts";
import { conflictOf, limits, refusalOf, Scenario, usage } from "./scenario.test-support.ts";
import { SHARING, SharingWorld } from "./sharing.test-support.ts";

function shared(credits: number) {
  const world = new SharingWorld();
  return { world, s: world.s, account: world.s.account({ credits }, SHARING) };
}

describe("a newcomer", () => {
  test("gets all it wishes where there is room for all", () => {
    const { world, account } = shared(100);
    expect([world.open(account, 60), world.open(account, 40)].map((id) => world.limit(id))).toEqual([60, 40]);
    expect(world.s.last.events.map(({ type }) => type)).toEqual(["allocation_opened"]);
  });

  test("gets what is free, and is topped up as what others have above their share comes back; never before", () => {
    const { world, s, account } = shared(100);
    const first = world.open(account, 100);
    const second = world.open(account, 100);
    expect([world.limit(first), world.limit(second)]).toEqual([100, 0]);
    const asked = s.last.messages.find(({ type }) => type === "reclaim_child");
    expect(asked).toMatchObject({ holder: "holder", allocationId: first, mode: "SHRINK", amounts: { credits: 50 } });
    expect(world.owes(first).credits).toBe(50);
    s.wait(1_000);
    expect(world.limit(second)).toBe(0);
    world.give(first);
    expect([world.limit(first), world.limit(second)]).toEqual([50, 50]);
    const told = s.last.messages.find(({ type }) => type === "granted");
    expect(told).toMatchObject({ allocationId: second, grantedTotal: { credits: 50 } });
  });

  test("waits where it cannot have its minimum yet, and is denied where it does not wait; the words tell its share", () => {
    const { world, s, account } = shared(100);
    const first = world.open(account, 100);
    const denied = conflictOf(s.grant(world.wish(account, 100, { min: 10 })));
    expect(denied).toMatchObject({ share: { least: 50, most: 50, weight: 1 }, holders: [{ id: first, amount: 50 }] });
    expect(conflictWords(denied)).toContain(
      `its share is 50 at weight 1, and above theirs are ${account}/${first} (50)`,
    );
    expect(s.node(first).reclaims.size).toBe(0);
    const wish = world.wish(account, 100, { min: 10, waitMs: 5_000, weight: 3 });
    expect(s.grant(wish)).toMatchObject({ type: "queued", conflict: { position: 1, share: { least: 75 } } });
    expect(world.owes(first).credits).toBe(75);
    world.give(first);
    expect(s.last.messages.find(({ type }) => type === "decided")).toMatchObject({ outcome: { type: "opened" } });
    expect([world.limit(first), world.limit(wish.allocationId)]).toEqual([25, 75]);
  });

  test("is told the same share whatever was looked at before: what others have used is theirs", () => {
    const w = new SharingWorld();
    const account = w.s.account({ credits: 100 }, SHARING);
    const one = w.open(account, 100);
    const shareOf = (min: number) => conflictOf(w.s.grant(w.wish(account, 100, { min }))).share;
    w.spend(one, 60);
    expect(shareOf(30)).toEqual({ least: 40, most: 40, weight: 1 });
    expect(shareOf(45)).toBeUndefined();
    // After that look it uses more.
    w.spend(one, 10);
    const live = shareOf(20);
    w.s.restart();
    expect([live, shareOf(20)]).toEqual(Array(2).fill({ least: 30, most: 30, weight: 1 }));
  });

  test("that needs all or nothing has it asked back as a whole", () => {
    const { world, s, account } = shared(100);
    const first = world.open(account, 100);
    const wish = world.wish(account, 30, { min: 30, waitMs: 5_000 });
    expect(s.grant(wish).type).toBe("queued");
    world.give(first);
    expect([world.limit(first), world.limit(wish.allocationId)]).toEqual([70, 30]);
  });

  test("is refused where its minimum has no room beside those of others", () => {
    const { world, s, account } = shared(100);
    world.open(account, 80, { min: 80 });
    const conflict = conflictOf(s.grant(world.wish(account, 50, { min: 30 })));
    expect(conflict).toMatchObject({ conflict: "INSUFFICIENT_CREDITS", wanted: 30, available: 20, never: false });
    expect(conflict.share).toBeUndefined();
  });

  test("that waits takes nothing back when it gives up: what was asked stays with who gave it, once it is there", () => {
    const { world, s, account } = shared(100);
    const first = world.open(account, 100);
    const wish = world.wish(account, 100, { min: 10, waitMs: 50 });
    s.grant(wish);
    s.wait(50 + LIMITS.dueBucketMs);
    world.give(first);
    expect(world.limit(first)).toBe(100);
  });
});

describe("local children", () => {
  test("give what is free in them in the decision that needs it", () => {
    const { world, s, account } = shared(90);
    const local = (min: number) => s.open(account, { kind: "branch", limits: { credits: 90 }, min: { credits: min } });
    const ids = [local(1), local(1), local(1)];
    expect(ids.map((id) => world.limit(id))).toEqual([30, 30, 30]);
    s.reserve(ids[0] ?? "", { wanted: { credits: 30 } });
    const last = local(1);
    expect([...ids, last].map((id) => world.limit(id)).reduce((a, b) => a + b)).toBe(90);
    expect(world.limit(ids[0] ?? "")).toBe(30);
    expect(world.limit(last)).toBeGreaterThanOrEqual(20);
  });

  test("180 sub-agents of one run, all equal: each has its share, none starves", () => {
    const { world, s, account } = shared(10_000);
    const ids: string[] = [];
    s.quickly(() => {
      for (let i = 0; i < 180; i += 1) {
        const wish = s.openWish(account, { kind: "branch", limits: { credits: 10_000 }, min: { credits: 1 } });
        expect(s.grant(wish).type).toBe("opened");
        ids.push(wish.allocationId);
      }
    });
    const held = ids.map((id) => world.limit(id));
    expect(held.reduce((a, b) => a + b)).toBeLessThanOrEqual(10_000);
    expect(Math.min(...held)).toBeGreaterThanOrEqual(50);
    expect(Math.max(...held)).toBeLessThanOrEqual(62);
  });
});

describe("shares follow", () => {
  test("who goes leaves room for who has less than its share, by weight", () => {
    const { world, account } = shared(120);
    const [first, second, third] = [1, 2, 3].map((weight) => world.open(account, 120, { weight })) as [
      string,
      string,
      string,
    ];
    world.settle();
    const before = [first, second, third].map((id) => world.limit(id));
    expect(before.map((held, i) => Math.abs(held - 20 * (i + 1)) <= 2 * (i + 1))).toEqual([true, true, true]);
    world.finish(third);
    world.settle();
    expect(world.limit(first)).toBeGreaterThanOrEqual(36);
    expect(world.limit(second)).toBeGreaterThanOrEqual(72);
  });

  test("the busiest does not get the smallest share: it has what the idle leave, and keeps what it has used", () => {
    const { world, account } = shared(100);
    const busy = world.open(account, 1_000);
    const idle = [1, 2, 3, 4].map(() => world.open(account, 5));
    world.settle();
    expect(world.limit(busy)).toBe(80);
    expect(idle.map((id) => world.limit(id))).toEqual([5, 5, 5, 5]);
    world.spend(busy, 70);
    const late = world.open(account, 1_000);
    world.settle();
    // Half of 80 would be its share; it has used more, and that it cannot give.
    expect([world.limit(busy), world.limit(late)]).toEqual([70, 10]);
  });

  test("what an asked holder turns out to have used is asked of others", () => {
    const { world, s, account } = shared(100);
    const [first, second] = [world.open(account, 50), world.open(account, 50)];
    const third = world.open(account, 100);
    world.spend(first, 50);
    world.settle();
    expect(world.limit(first)).toBe(50);
    expect(world.limit(second) + world.limit(third)).toBe(50);
    expect(Math.abs(world.limit(second) - world.limit(third))).toBeLessThanOrEqual(5);
    expect(s.node(first).reclaims.size).toBe(0);
  });

  test("who asks for more waits for its share; what it gives back by itself it wishes no more", () => {
    const { world, s, account } = shared(100);
    const [first, second] = [world.open(account, 20), world.open(account, 80)];
    const raise = s.raiseWish(first, { by: { credits: 60 }, min: { credits: 20 }, caller: "holder", waitMs: 5_000 });
    expect(s.grant(raise).type).toBe("queued");
    world.settle();
    expect(world.limit(first)).toBeGreaterThanOrEqual(45);
    const { epoch } = s.node(second);
    const returnedTotal = { ...s.node(second).returnedTotal, credits: s.node(second).returnedTotal.credits };
    const more = limits({ credits: returnedTotal.credits + 30 }).credits ?? returnedTotal.credits;
    s.ask({
      type: "receive_return",
      caller: "holder",
      allocationId: second,
      epoch,
      returnedTotal: { ...returnedTotal, credits: more },
    });
    world.settle();
    expect(world.limit(first)).toBe(80);
  });

  test("nothing moves inside the dead zone", () => {
    const { world, s, account } = shared(1_000);
    for (let i = 0; i < 10; i += 1) world.open(account, 100);
    s.ask({
      type: "update_limits",
      caller: "person",
      requestId: "u",
      allocationId: account,
      limits: limits({ credits: 1_050 }),
    });
    const late = world.open(account, 100);
    expect(world.limit(late)).toBe(50);
    world.settle();
    const quiet = s.events.length;
    for (const node of world.openNodes()) world.spend(node.id, 1);
    expect(s.events.slice(quiet).filter(({ type }) => type === "reclaim_requested" || type === "limit_raised")).toEqual(
      [],
    );
  });

  test("a child in doubt keeps what it holds, and takes part again when it is back", () => {
    const { world, s, account } = shared(100);
    const silent = world.open(account, 100);
    s.wait(40_000);
    expect(s.node(silent).doubtful).toBe(true);
    expect(conflictOf(s.grant(world.wish(account, 100, { min: 1 })))).toMatchObject({ available: 0 });
    world.spend(silent, 10);
    expect(s.node(silent).doubtful).toBe(false);
    const late = world.open(account, 100);
    world.settle();
    expect([world.limit(silent), world.limit(late)]).toEqual([50, 50]);
  });

  test("nobody gives anything to a request for which memory is short, too", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100, memoryBytes: 30 }, SHARING);
    const first = s.open(account, { limits: { credits: 90, memoryBytes: 5 }, min: {} });
    const second = s.open(account, { limits: { credits: 10 }, min: {} });
    s.reserve(account, { wanted: { memoryBytes: 20 } });
    const wish = s.raiseWish(second, { by: { credits: 30, memoryBytes: 8 } });
    expect(refusalOf(s.grant(wish)).code).toBe("conflict");
    expect(s.node(first).books.credits.limit).toBe(90);
  });

  test("nothing is granted while the node owes", () => {
    const { world, s, account } = shared(100);
    const first = world.open(account, 100);
    world.spend(first, 130);
    expect(s.node(account).books.credits.debt).toBe(30);
    expect(refusalOf(s.grant(world.wish(account, 50, { min: 1 }))).code).toBe("conflict");
  });
});

describe("a live change", () => {
  const set = (world: SharingWorld, account: string, policy: object) =>
    world.s.ask({ type: "set_limits", allocationId: account, limits: limits({ credits: 100 }), policy });

  test("of the strategy: who was there claims what it has, and has it again when there is room", () => {
    const world = new SharingWorld();
    const account = world.s.account({ credits: 100 });
    const old = world.open(account, 100);
    set(world, account, SHARING);
    const late = world.open(account, 100);
    world.settle();
    expect([world.limit(old), world.limit(late)]).toEqual([50, 50]);
    world.finish(late);
    expect(world.limit(old)).toBe(100);
    set(world, account, {});
    expect(conflictOf(world.s.grant(world.wish(account, 10, { min: 10 }))).share).toBeUndefined();
  });

  test("of the limit: what is new is shared at once", () => {
    const { world, s, account } = shared(100);
    const ids = [world.open(account, 200), world.open(account, 200)];
    world.settle();
    s.ask({
      type: "update_limits",
      caller: "person",
      requestId: "u",
      allocationId: account,
      limits: limits({ credits: 300 }),
    });
    expect(ids.map((id) => world.limit(id))).toEqual([150, 150]);
  });

  test("what is known of shares outlasts a restart", () => {
    const { world, s, account } = shared(100);
    const [first, second] = [world.open(account, 100), world.open(account, 100)];
    world.settle();
    s.restart();
    world.finish(second);
    expect(world.limit(first)).toBe(100);
  });
});

describe("bad input", () => {
  test.each([0, -1, 0.5, 1.5, Number.NaN, Number.POSITIVE_INFINITY, LIMITS.weightMax + 1])(
    "a weight of %d",
    (weight) => {
      const { world, s, account } = shared(100);
      expect(refusalOf(s.grant(world.wish(account, 10, { weight })))).toMatchObject({
        code: "invalid",
        violations: [{ field: "weight", message: `must be a whole number from 1 to ${LIMITS.weightMax}` }],
      });
    },
  );

  test("a minimum above what is wished", () => {
    const { world, s, account } = shared(100);
    expect(refusalOf(s.grant(world.wish(account, 10, { min: 11 })))).toMatchObject({
      violations: [{ field: "min.credits" }],
    });
  });
});

test("a pooled child takes what its calls lack out of what is free, and is no part of the shares", () => {
  const { world, s, account } = shared(100);
  const pooled = s.open(account, { kind: "run", limits: {}, min: {}, pooled: ["credits"] });
  const other = world.open(account, 80);
  const call = s.reserve(pooled, { wanted: { credits: 20 } });
  expect(world.limit(other)).toBe(80);
  s.settle(call, { credits: 20 });
  expect(usage({ credits: s.node(pooled).books.credits.usage }).credits).toBe(20);
});
