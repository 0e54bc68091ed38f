/** Fair shares beside the slow, obvious model, and what is promised of them said directly. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS, Prng } from "#std";
import type { Amount } from "../amount.ts";
import { type Amounts, amountsOf, CONSUMABLES, RESOURCES } from "../resource.ts";
import {
  anyProblem,
  claimOf,
  HUGE,
  modelShares,
  ratio,
  type Sizes,
  SMALL,
  wholeShares,
} from "./fair-shares.test-support.ts";
import { type FairShares, fairShares, type Share } from "./filled-pool.test-support.ts";
import type { Claim } from "./share-claim.ts";

const n = (value: number): Amount => value as Amount;
const MAX = n(LIMITS.amountMax);

/** Problems by seed: a failure names it. */
const problems = (sizes: Sizes) => fc.nat().map((seed) => anyProblem(new Prng(seed), sizes));

function given(problem: FairShares): (Amounts | undefined)[] {
  return fairShares(problem).map((share) => (share.type === "share" ? share.amounts : undefined));
}

function creditsOf(room: number, claims: readonly Claim[]): (number | undefined)[] {
  return given({ room: { credits: n(room) }, claims }).map((amounts) => amounts?.credits);
}

describe.each([
  ["small", SMALL],
  ["huge", HUGE],
] as const)("with %s amounts", (_, sizes: Sizes) => {
  test("shares are those of the model, to the unit", () => {
    fc.assert(
      fc.property(problems(sizes), (problem) => {
        const model = modelShares(problem, "rounded");
        const shares = given(problem);
        for (const r of CONSUMABLES) {
          const units = shares.map((amounts) => (amounts ? BigInt(amounts[r]) : undefined));
          expect(units).toEqual(wholeShares(problem, model, r));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("no more is given than there is, nobody has more than max or less than min, and nothing lies idle that is wished for", () => {
    fc.assert(
      fc.property(problems(sizes), ({ idle: _idle, ...problem }) => {
        const shares = given(problem);
        for (const r of RESOURCES) {
          const seated = problem.claims.flatMap((claim, i) => (shares[i] ? [{ claim, has: shares[i][r] }] : []));
          const sum = seated.reduce((total, { has }) => total + BigInt(has), 0n);
          const room = problem.room[r];
          for (const { claim, has } of seated) {
            expect(has).toBeLessThanOrEqual(claim.max[r]);
            expect(has).toBeGreaterThanOrEqual(claim.min[r]);
          }
          if (room !== undefined && room > 0) expect(sum).toBeLessThanOrEqual(BigInt(room));
          if (room === undefined || sum < BigInt(room)) {
            for (const { claim, has } of seated) expect(has).toBe(claim.max[r]);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("max-min: nobody can have more but from one who stands as low or lower for its weight", () => {
    fc.assert(
      fc.property(problems({ ...sizes, resources: ["credits"] }), (problem) => {
        const shares = given(problem);
        const seated = problem.claims.flatMap((claim, i) =>
          shares[i] ? [{ ...claim, has: BigInt(shares[i].credits) }] : [],
        );
        for (const poor of seated.filter(({ has, max }) => has < BigInt(max.credits))) {
          for (const rich of seated.filter(({ has, min }) => has > BigInt(min.credits))) {
            // Within one unit: with one less the rich one would stand lower than the poor one with one more.
            expect((rich.has - 1n) * BigInt(poor.weight) < (poor.has + 1n) * BigInt(rich.weight)).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test("the order of the list decides nothing", () => {
    fc.assert(
      fc.property(problems(sizes), fc.nat(6), (problem, by) => {
        const turned = [...problem.claims.slice(by), ...problem.claims.slice(0, by)].reverse();
        const bySequence = (claims: readonly Claim[], shares: readonly Share[]) =>
          new Map(claims.map((claim, i) => [claim.sequence, shares[i]] as const).sort(([a], [b]) => a - b));
        expect(bySequence(turned, fairShares({ ...problem, claims: turned }))).toEqual(
          bySequence(problem.claims, fairShares(problem)),
        );
      }),
    );
  });

  test("who does not get all it wishes gains nothing by wishing more of it", () => {
    fc.assert(
      fc.property(problems({ ...sizes, resources: ["credits"] }), (problem) => {
        const before = given(problem);
        const claims = problem.claims.map((claim, i) => {
          const isShort = before[i] && before[i].credits < claim.max.credits;
          return isShort ? { ...claim, max: { ...claim.max, credits: MAX } } : claim;
        });
        expect(given({ ...problem, claims }).map((one) => one?.credits)).toEqual(before.map((one) => one?.credits));
      }),
    );
  });
});

test("rates are rounded so little that shares are within one unit and one part in 2^20 of exact dominant-resource fairness", () => {
  const total = 1_000_000_000;
  const sizes: Sizes = { claim: (prng) => total / 1_000 + prng.below(total), room: () => total };
  fc.assert(
    fc.property(problems(sizes), (problem) => {
      const exact = modelShares(problem, "exact");
      const shares = given(problem);
      for (const [i, share] of exact.entries()) {
        for (const r of CONSUMABLES) {
          const apart = share ? ratio(BigInt(shares[i]?.[r] ?? 0) * share[r].d - share[r].n, share[r].d) : ratio(0n);
          expect(Math.abs(Number(apart.n) / Number(apart.d))).toBeLessThanOrEqual(1 + total / 2 ** 20);
        }
      }
    }),
    { numRuns: 500 },
  );
});

describe("by example", () => {
  test("the published one: 9 CPUs and 18 GB, tasks of <1, 4> and <3, 1>: three tasks and two", () => {
    const room = { toolCalls: n(9), credits: n(18) };
    const tasks = (cpus: number, gigabytes: number, sequence: number) =>
      claimOf({ toolCalls: n(cpus * 100), credits: n(gigabytes * 100) }, { sequence });
    const claims = [tasks(1, 4, 1), tasks(3, 1, 2)];
    expect(given({ room, claims, idle: "kept" })).toEqual([
      amountsOf({ toolCalls: n(3), credits: n(12) }),
      amountsOf({ toolCalls: n(6), credits: n(2) }),
    ]);
    // As many tasks, and the 4 GB that would lie idle are shared on.
    expect(given({ room, claims })).toEqual([
      amountsOf({ toolCalls: n(3), credits: n(15) }),
      amountsOf({ toolCalls: n(6), credits: n(3) }),
    ]);
    // Whoever pretends to need more memory than it does runs fewer tasks.
    const greedy = given({ room, claims: [tasks(1, 8, 1), tasks(3, 1, 2)], idle: "kept" });
    expect(greedy[0]?.toolCalls).toBeLessThan(3);
  });

  test("who wishes a large part of the memory fills more slowly in credits", () => {
    const room = { credits: n(100), memoryBytes: n(100) };
    const claims = [
      claimOf({ credits: n(100) }, { sequence: 1 }),
      claimOf({ credits: n(20), memoryBytes: n(60) }, { sequence: 2 }),
      claimOf({ credits: n(100) }, { sequence: 3 }),
    ];
    // At a third of the wish of the second (20 ÷ 3) all three stand at a dominant share of 3/7.
    expect(given({ room, claims })).toEqual([
      amountsOf({ credits: n(43) }),
      amountsOf({ credits: n(14), memoryBytes: n(60) }),
      amountsOf({ credits: n(43) }),
    ]);
  });

  test("a weight counts as so many equal claims", () => {
    const each = [1, 3, 6].map((weight, sequence) => claimOf({ credits: n(1_000) }, { weight, sequence }));
    expect(creditsOf(1_000, each)).toEqual([100, 300, 600]);
    expect(
      creditsOf(MAX, [claimOf({ credits: MAX }, { weight: 1_000_000 }), claimOf({ credits: MAX }, { sequence: 1 })]),
    ).toEqual([9_007_190_247_550_743, 9_007_190_248]);
  });

  test("of what cannot be divided one more goes to the largest remainder, then to the earliest", () => {
    const claims = [5, 1, 3].map((sequence) => claimOf({ toolCalls: n(9) }, { sequence }));
    expect(given({ room: { toolCalls: n(8) }, claims }).map((one) => one?.toolCalls)).toEqual([2, 3, 3]);
    const uneven = [1, 1, 3].map((weight, sequence) => claimOf({ credits: n(99) }, { weight, sequence }));
    expect(creditsOf(9, uneven)).toEqual([2, 2, 5]);
  });

  /** Where shares are equal whatever is wished, the others leave theirs unused, and the one with the most to do has least of its wish. */
  test("the busiest client is not given the smallest share", () => {
    const quiet = Array.from({ length: 9 }, (_, sequence) => claimOf({ credits: n(5) }, { sequence }));
    const busy = claimOf({ credits: n(90) }, { sequence: 9 });
    expect(creditsOf(100, [...quiet, busy])).toEqual([...quiet.map(() => 5), 55]);
    fc.assert(
      fc.property(problems({ ...SMALL, resources: ["credits"] }), ({ room, claims }) => {
        const equal = claims.map((claim) => ({ ...claim, weight: 1, min: amountsOf({}) }));
        const shares = given({ room, claims: equal }).map((one) => one?.credits ?? 0);
        const busiest = Math.max(...equal.map(({ max }) => max.credits));
        equal.forEach(({ max }, i) => {
          if (max.credits === busiest) expect((shares[i] ?? 0) + 1).toBeGreaterThanOrEqual(Math.max(...shares));
        });
      }),
    );
  });
});

describe("what is refused", () => {
  const room = { credits: n(100), memoryBytes: n(10) };
  const share = (credits: number, rest: Parameters<typeof amountsOf>[0] = {}) => ({
    type: "share",
    amounts: amountsOf({ credits: n(credits), ...rest }),
  });
  const refused = (refusal: object) => ({ type: "refused", refusal });
  const floored = (min: number, rest: Partial<Claim> = {}) =>
    claimOf({ credits: n(100) }, { min: amountsOf({ credits: n(min) }), ...rest });

  test.each([0, -1, 1.5, Number.NaN, LIMITS.weightMax + 1, Number.POSITIVE_INFINITY])("a weight of %d", (weight) => {
    const claims = [claimOf({ credits: n(70) }, { weight }), claimOf({ credits: n(70) })];
    expect(fairShares({ room, claims })).toEqual([refused({ code: "weight_out_of_range" }), share(70)]);
  });

  test.each(RESOURCES)("a min above max of %s", (resource) => {
    const claims = [claimOf({}, { min: amountsOf({ [resource]: n(1) }) }), claimOf({ credits: n(70) })];
    expect(fairShares({ room, claims })).toEqual([refused({ code: "min_above_max", resource }), share(70)]);
  });

  test("a share below min: the claim gets nothing, and the others share what it leaves", () => {
    expect(fairShares({ room, claims: [floored(60, { sequence: 1 }), floored(60, { sequence: 2 })] })).toEqual([
      share(100),
      refused({ code: "below_min", resource: "credits" }),
    ]);
  });

  test("the lowest priority goes first, then the latest arrival, and none in vain", () => {
    const claims = [
      floored(50, { sequence: 1, priority: "LOW" }),
      floored(40, { sequence: 3 }),
      floored(40, { sequence: 2 }),
      floored(30, { sequence: 4, priority: "HIGH" }),
      floored(20, { sequence: 5, priority: "LOW" }),
    ];
    const noRoom = refused({ code: "below_min", resource: "credits" });
    expect(fairShares({ room, claims })).toEqual([noRoom, noRoom, share(40), share(30), share(30)]);
  });

  test("memory that is not there as a whole", () => {
    const claims = [6, 5, 4].map((bytes, sequence) => claimOf({ credits: n(60), memoryBytes: n(bytes) }, { sequence }));
    expect(fairShares({ room, claims }).map(({ type }) => type)).toEqual(["share", "refused", "share"]);
  });
});
