/** A pool after any changes beside the model of what is in it then; who is above and below beside a plain list of all. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS, Prng } from "#std";
import type { Amount } from "../amount.ts";
import { type Amounts, amountsOf, CONSUMABLES, type Consumable, NOTHING } from "../resource.ts";
import {
  anyProblem,
  ceilingOf,
  claimOf,
  floorOf,
  HUGE,
  modelShares,
  type Sizes,
  SMALL,
} from "./fair-shares.test-support.ts";
import type { FairShares } from "./filled-pool.test-support.ts";
import { type ShareGap, SharePool } from "./share-pool.ts";
import type { Seat } from "./share-seat.ts";

const n = (value: number): Amount => value as Amount;
const EVERYTHING = n(LIMITS.amountMax);

/** What is done to a pool: small numbers choose among what there is. */
const change = fc.record({
  op: fc.constantFrom("add", "add", "add", "remove", "hold", "resize", "totals"),
  a: fc.nat(99),
  b: fc.nat(99),
});

interface Story {
  readonly problem: FairShares;
  readonly others: FairShares;
  readonly changes: readonly { readonly op: string; readonly a: number; readonly b: number }[];
}

function anyStory(sizes: Sizes): fc.Arbitrary<Story> {
  return fc.record({
    problem: fc.nat().map((seed) => anyProblem(new Prng(seed), sizes)),
    others: fc.nat().map((seed) => anyProblem(new Prng(seed), sizes)),
    changes: fc.array(change, { maxLength: 40 }),
  });
}

const part = (amount: Amount, times: number): Amount => n(Number((BigInt(amount) * BigInt(times)) / 99n));

function partOf(amounts: Partial<Amounts>, times: number): Partial<Amounts> {
  return Object.fromEntries(Object.entries(amounts).map(([r, one]) => [r, part(one, times)]));
}

/** Follows a story, and calls `look` after each change. */
function follow(
  { problem, others, changes }: Story,
  look: (pool: SharePool, room: FairShares["room"], totals: FairShares["room"]) => void,
): void {
  let { room, totals = room } = problem;
  const pool = new SharePool(problem);
  const templates = [...problem.claims, ...others.claims];
  for (const [i, { op, a, b }] of changes.entries()) {
    const seats = [...pool.seats];
    const seat = seats[a % Math.max(1, seats.length)];
    const template = templates[a % Math.max(1, templates.length)];
    if (op === "add" && template) {
      const claim = { ...template, sequence: b % 7 };
      const held = { ...NOTHING, ...partOf(claim.max, (b * 7) % 100) };
      if (!pool.refusalOf(claim)) pool.add(claim, held);
    } else if (op === "remove" && seat) {
      pool.remove(seat);
    } else if (op === "hold" && seat) {
      pool.hold(seat, { ...NOTHING, ...partOf(seat.claim.max, b) });
    } else if (op === "resize") {
      room = partOf(totals, 99 - (b % 20));
      pool.resize({ room });
    } else if (op === "totals") {
      totals = {
        ...partOf(totals, 98),
        ...(totals.credits !== undefined && { credits: n(Math.max(totals.credits - i, 0)) }),
      };
      room = totals;
      pool.resize({ room, totals });
    }
    look(pool, room, totals);
  }
}

describe.each([
  ["small", SMALL],
  ["huge", HUGE],
] as const)("with %s amounts", (_, sizes: Sizes) => {
  test("P1, P2, P3: after any changes a share is that of the model, within the whole numbers around it", () => {
    fc.assert(
      fc.property(anyStory(sizes), (story) => {
        follow(story, (pool, room, totals) => {
          const seats = [...pool.seats];
          if (pool.shortOf) {
            for (const seat of seats)
              expect(pool.shareOf(seat).least.credits).toBeGreaterThanOrEqual(seat.claim.min.credits);
            return;
          }
          const claims = seats.map(({ claim }, sequence) => ({ ...claim, sequence, priority: "NORMAL" as const }));
          const model = modelShares({ ...story.problem, room, totals, claims }, "rounded");
          for (const r of CONSUMABLES) {
            const bounds = seats.map((seat) => [pool.shareOf(seat).least[r], pool.shareOf(seat).most[r]].map(BigInt));
            expect(bounds).toEqual(model.map((share) => share && [floorOf(share[r]), ceilingOf(share[r])]));
            const sum = bounds.reduce((total, [low = 0n]) => total + low, 0n);
            if (room[r] !== undefined) expect(sum).toBeLessThanOrEqual(BigInt(room[r]));
          }
        });
      }),
      { numRuns: 200 },
    );
  });

  test("who is above its share, and who below, is who a plain list says, in its order", () => {
    fc.assert(
      fc.property(anyStory(sizes), fc.constantFrom(...CONSUMABLES), (story, r) => {
        follow(story, (pool) => {
          expect(pool.aboveShare(r, EVERYTHING).map(named)).toEqual(plainGaps(pool, r, "above").map(named));
          expect(pool.belowShare(r, EVERYTHING).map(named)).toEqual(plainGaps(pool, r, "below").map(named));
        });
      }),
      { numRuns: 200 },
    );
  });
});

const named = ({ seat, amount }: ShareGap) => [seat.number, amount];

/** Every seat looked at, then sorted. */
function plainGaps(pool: SharePool, r: Consumable, side: "above" | "below"): ShareGap[] {
  let left = BigInt(EVERYTHING);
  const height = (seat: Seat) => {
    const { held, min, rate } = partIn(seat, r);
    return { held: side === "below" && held < min ? 0n : BigInt(held), rate: BigInt(rate) };
  };
  return [...pool.seats]
    .flatMap((seat): ShareGap[] => {
      if (!seat.parts[r]) return [];
      const { held, min } = partIn(seat, r);
      const { least, most } = pool.shareOf(seat);
      const [gap, share] = side === "above" ? [held - most[r], most[r]] : [least[r] - held, least[r]];
      const isClear = BigInt(gap) * 100n > BigInt(share) * BigInt(LIMITS.shareDeadZonePercent);
      return gap > 0 && (isClear || (side === "below" && held < min)) ? [{ seat, amount: n(gap) }] : [];
    })
    .sort((x, y) => {
      const [a, b] = [height(x.seat), height(y.seat)];
      const lower = a.held * b.rate - b.held * a.rate;
      const earlier = x.seat.sequence - y.seat.sequence || x.seat.number - y.seat.number;
      // Among equals of both kinds the coupled ones come first.
      const kind = (seat: Seat) => (seat.parts.credits && seat.parts.toolCalls ? 0 : 1);
      const byHeight = lower === 0n ? 0 : lower < 0n === (side === "below") ? -1 : 1;
      return byHeight || kind(x.seat) - kind(y.seat) || (side === "below" ? earlier : -earlier);
    })
    .flatMap(({ seat, amount }) => {
      const taken = left < BigInt(amount) ? left : BigInt(amount);
      left -= taken;
      return taken > 0n ? [{ seat, amount: n(Number(taken)) }] : [];
    });
}

function partIn(seat: Seat, r: Consumable) {
  const found = seat.parts[r];
  if (!found) throw new Error("the seat has no part in this resource");
  return found;
}

const credits = (value: number) => amountsOf({ credits: n(value) });
const wish = (max: number, sequence: number, min = 0) => claimOf({ credits: n(max) }, { sequence, min: credits(min) });

describe("a node with 1,000 credits", () => {
  const pool = () => new SharePool({ room: { credits: n(1_000) } });

  test("who has less than its min is found where nothing is left beyond the minima", () => {
    const shares = new SharePool({ room: { credits: n(5) } });
    shares.add(wish(7, 0));
    const lacking = shares.add(wish(11, 1, 5));
    expect(shares.belowShare("credits", EVERYTHING)).toEqual([{ seat: lacking, amount: 5 }]);
  });

  test("P4: a newcomer is refused where it would put one who is there below its min, and nothing has changed", () => {
    const shares = pool();
    const first = shares.add(wish(900, 1, 700));
    expect(shares.refusalOf(wish(500, 2, 400))).toEqual({ code: "below_min", resource: "credits" });
    expect(shares.refusalOf({ ...wish(500, 2), weight: 0 })).toEqual({ code: "weight_out_of_range" });
    expect(shares.size).toBe(1);
    const second = shares.add(wish(500, 2, 300));
    expect([shares.shareOf(first), shares.shareOf(second)]).toEqual([
      { least: credits(700), most: credits(700) },
      { least: credits(300), most: credits(300) },
    ]);
  });

  test("a newcomer lacks: who holds most above its share is asked first, and for no more than is above", () => {
    const shares = pool();
    const [a, b, c] = [wish(1_000, 1), wish(1_000, 2), wish(1_000, 3)].map((claim) => shares.add(claim)) as [
      Seat,
      Seat,
      Seat,
    ];
    shares.hold(a, credits(300));
    shares.hold(b, credits(600));
    shares.hold(c, credits(100));
    const late = shares.add(wish(1_000, 4));
    expect(shares.shareOf(late).least).toEqual(credits(250));
    expect(shares.aboveShare("credits", n(250))).toEqual([{ seat: b, amount: 250 }]);
    expect(shares.aboveShare("credits", n(1_000))).toEqual([
      { seat: b, amount: 350 },
      { seat: a, amount: 50 },
    ]);
    expect(shares.belowShare("credits", n(300))).toEqual([
      { seat: late, amount: 250 },
      { seat: c, amount: 50 },
    ]);
  });

  test("the dead zone: who is above or below its share by a tenth is left alone, unless it has less than its min", () => {
    const shares = pool();
    const [a, b] = [shares.add(wish(1_000, 1)), shares.add(wish(1_000, 2))];
    shares.hold(a, credits(550));
    shares.hold(b, credits(450));
    expect(shares.aboveShare("credits", n(1_000))).toEqual([]);
    expect(shares.belowShare("credits", n(1_000))).toEqual([]);
    shares.hold(a, credits(551));
    shares.hold(b, credits(449));
    expect(shares.aboveShare("credits", n(1_000))).toEqual([{ seat: a, amount: 51 }]);
    expect(shares.belowShare("credits", n(1_000))).toEqual([{ seat: b, amount: 51 }]);
    const least = shares.add(wish(510, 3, 500));
    shares.hold(least, credits(490));
    expect(shares.belowShare("credits", n(1_000))[0]).toEqual({ seat: least, amount: 10 });
  });

  test("something comes free: shares grow at once, and who has least for its weight is given first", () => {
    const shares = pool();
    const [heavy, light] = [
      shares.add({ ...wish(900, 1), weight: 3 }, credits(300)),
      shares.add(wish(900, 2), credits(100)),
    ];
    const leaving = shares.add(wish(600, 3, 600), credits(600));
    expect(shares.belowShare("credits", n(1_000))).toEqual([]);
    shares.remove(leaving);
    expect(shares.belowShare("credits", n(600))).toEqual([
      { seat: heavy, amount: 450 },
      { seat: light, amount: 150 },
    ]);
  });

  test("less room than all need is said, and nobody's share falls below its min", () => {
    const shares = pool();
    const seats = [shares.add(wish(900, 1, 500)), shares.add(wish(900, 2, 400))];
    shares.resize({ room: { credits: n(800) } });
    expect(shares.shortOf).toBe("credits");
    expect(seats.map((seat) => shares.shareOf(seat).most.credits)).toEqual([500, 400]);
    expect(shares.belowShare("credits", n(600))).toEqual([
      { seat: seats[0], amount: 500 },
      { seat: seats[1], amount: 100 },
    ]);
    shares.resize({ room: { credits: n(900) } });
    expect(shares.shortOf).toBeUndefined();
  });

  test("no more holders are looked at than the bound says", () => {
    const shares = pool();
    for (let i = 0; i < LIMITS.shareScanMax + 10; i += 1) shares.add(wish(1_000, i), credits(100));
    expect(shares.aboveShare("credits", EVERYTHING)).toHaveLength(LIMITS.shareScanMax);
  });
});

test("a hundred thousand claims that come, change and go leave levels exact", () => {
  const shares = new SharePool({ room: { credits: EVERYTHING } });
  const seats: Seat[] = [];
  for (let i = 0; i < 100_000; i += 1) {
    const max = n(1_000_000_000_000 + ((i * 7_919) % 1_000) * 1_000_000_000_000);
    seats.push(shares.add({ ...claimOf({ credits: max }, { sequence: i }), weight: 1 + (i % 1_000) }));
  }
  for (const seat of seats.splice(50_000)) shares.remove(seat);
  const bounds = seats.map((seat) => shares.shareOf(seat));
  const [low, high] = bounds.reduce(
    ([a, b], { least, most }) => [a + BigInt(least.credits), b + BigInt(most.credits)],
    [0n, 0n],
  );
  expect(low).toBeLessThanOrEqual(BigInt(EVERYTHING));
  expect(high).toBeGreaterThanOrEqual(BigInt(EVERYTHING));
  expect(high - low).toBeLessThanOrEqual(50_000n);
});
