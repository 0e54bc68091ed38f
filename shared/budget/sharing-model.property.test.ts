/** PROPORTIONAL_SHARING in the engine against the slow, obvious model of fair shares: arrivals, departures and use, in virtual time. */
import { expect, test } from "vitest";
import { LIMITS, Prng } from "#std";
import { type Amount, least, most } from "./amount.ts";
import { amountsOf } from "./resource.ts";
import { SHARING, SharingWorld } from "./sharing.test-support.ts";
import type { Allocation } from "./state.ts";
import { ceilingOf, floorOf, modelShares } from "./strategies/fair-shares.test-support.ts";
import type { Claim } from "./strategies/share-claim.ts";

const SEED = 20261124;
const RUNS = 60;
const LIMIT = 1_000;

interface Wish {
  readonly weight: number;
  readonly min: number;
  readonly max: number;
}

/** What each child should have by the model, with what it has used as its floor. */
function expected(parent: Allocation, wishes: ReadonlyMap<string, Wish>) {
  const children = [...parent.children];
  const held = children.reduce((sum, { books }) => sum + books.credits.limit, 0);
  const room = { credits: (parent.books.credits.available + held) as Amount };
  const claims = children.map((child, sequence): Claim => {
    const { weight, min, max } = wishes.get(child.id) ?? { weight: 1, min: 0, max: 0 };
    const used = child.books.credits.usage;
    const floor = least(most(min as Amount, used), max as Amount);
    const amounts = { min: amountsOf({ credits: floor }), max: amountsOf({ credits: max as Amount }) };
    return { weight, ...amounts, priority: "NORMAL", sequence };
  });
  const shares = modelShares({ room, claims }, "exact");
  return children.map((child, i) => ({ child, share: shares[i]?.credits, used: child.books.credits.usage }));
}

function assertFair(world: SharingWorld, parentId: string, wishes: ReadonlyMap<string, Wish>): void {
  const parent = world.s.node(parentId);
  const { limit, available, granted, spent, debt } = parent.books.credits;
  expect(available + granted + spent).toBe(limit);
  expect(debt).toBe(0);
  const zone = LIMITS.shareDeadZonePercent / 100;
  const all = expected(parent, wishes);
  const lacking = all.reduce(
    (sum, { child, share }) => sum + (share ? Math.max(0, Number(ceilingOf(share)) - child.books.credits.limit) : 0),
    0,
  );
  for (const { child, share } of all) {
    expect(share, "who is there keeps at least its minimum").toBeDefined();
    if (!share) continue;
    const [low, high] = [Number(floorOf(share)), Number(ceilingOf(share))];
    const held = child.books.credits.limit;
    const words = `${child.id} has ${held} of ${low} to ${high}`;
    expect(held, words).toBeGreaterThanOrEqual(wishes.get(child.id)?.min ?? 0);
    expect(held, words).toBeGreaterThanOrEqual(Math.floor(low * (1 - zone)));
    // Who is above it keeps what nobody lacks: all the others are within the dead zone of theirs.
    expect(held, words).toBeLessThanOrEqual(Math.ceil(high * (1 + zone)) + lacking);
  }
}

function step(world: SharingWorld, prng: Prng, account: string, wishes: Map<string, Wish>): void {
  const open = world.openNodes();
  const some = open.length > 0 ? prng.pick(open) : undefined;
  const act = prng.below(10);
  if (act < 4 || !some) {
    const max = 1 + prng.below(prng.pick([30, 300, 1_200]));
    const min = prng.pick([0, 0, Math.min(max, prng.below(40))]);
    const weight = prng.pick([1, 1, 2, 5]);
    const wish = world.wish(account, max, { min, weight, waitMs: prng.pick([0, 50_000_000]) });
    wishes.set(wish.allocationId, { weight, min, max });
    world.s.grant(wish);
  } else if (act < 6) world.finish(some.id);
  else if (act < 8) {
    const { limit, usage } = some.books.credits;
    if (limit > usage) world.spend(some.id, 1 + prng.below(limit - usage));
  } else world.give(some.id);
  world.s.nowMs += prng.below(20);
}

test(`after quiet nobody is below its fair share by more than the dead zone, and what somebody has above it all others lack by less (seed ${SEED}, ${RUNS} runs)`, () => {
  for (let run = 0; run < RUNS; run += 1) {
    const prng = new Prng(SEED + run);
    const world = new SharingWorld();
    const account = world.s.account({ credits: LIMIT }, SHARING);
    const wishes = new Map<string, Wish>();
    for (let i = 0; i < 40; i += 1) {
      step(world, prng, account, wishes);
      if (i % 10 !== 9) continue;
      world.settle();
      assertFair(world, account, wishes);
    }
  }
}, 60_000);
