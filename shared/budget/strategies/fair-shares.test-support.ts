/**
 * The slow, obvious way to divide: water rises in steps from mark to mark, in fractions of large integers, every sum taken anew. Written
 * apart from the strategy and sharing nothing with it but the types of a claim.
 */
import { LIMITS, type Prng } from "#std";
import type { Amount } from "../amount.ts";
import { PRIORITIES } from "../policy.ts";
import { amountsOf, CONSUMABLES, type Consumable, RESOURCES, type Resource } from "../resource.ts";
import type { FairShares } from "./filled-pool.test-support.ts";
import type { Claim } from "./share-claim.ts";

/** A reduced fraction. */
export interface Ratio {
  readonly n: bigint;
  readonly d: bigint;
}

export function ratio(n: bigint, d = 1n): Ratio {
  let [a, b] = [n < 0n ? -n : n, d];
  while (b !== 0n) [a, b] = [b, a % b];
  return a === 0n ? { n: 0n, d: 1n } : { n: n / a, d: d / a };
}

const plus = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.d + b.n * a.d, a.d * b.d);
const minus = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.d - b.n * a.d, a.d * b.d);
const times = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.n, a.d * b.d);
const over = (a: Ratio, b: Ratio): Ratio => ratio(a.n * b.d, a.d * b.n);
const isBelow = (a: Ratio, b: Ratio): boolean => a.n * b.d < b.n * a.d;
const lower = (a: Ratio, b: Ratio): Ratio => (isBelow(b, a) ? b : a);
const higher = (a: Ratio, b: Ratio): Ratio => (isBelow(a, b) ? b : a);
const NONE = ratio(0n);
/** Above any level and any sum. */
const UNLIMITED = 2n ** 200n;

export const floorOf = ({ n, d }: Ratio): bigint => n / d;
export const ceilingOf = ({ n, d }: Ratio): bigint => (n + d - 1n) / d;

/** The ratio of two shares of a claim: as it is, or rounded up to so many parts. */
export type Rounding = "exact" | "rounded";

interface Filling {
  readonly claim: Claim;
  readonly rate: { readonly [R in Consumable]: Ratio };
  /** How high the water stands for it in each resource. */
  level: { [R in Consumable]: Ratio };
}

/** The exact shares; undefined for a claim that is refused. */
export function modelShares(problem: FairShares, rounding: Rounding): (Record<Consumable, Ratio> | undefined)[] {
  const { room, claims, idle = "shared", totals = room } = problem;
  const seated = seat(problem);
  const fillings = claims.map((claim, i) => (seated.has(i) ? filling(claim, totals, rounding) : undefined));
  const present = fillings.filter((one) => one !== undefined);
  const limited = CONSUMABLES.filter((r) => room[r] !== undefined);
  for (const one of present) {
    for (const r of CONSUMABLES) if (!limited.includes(r)) one.level[r] = ratio(one.rate[r].n === 0n ? 0n : UNLIMITED);
  }
  raise(present, limited, room);
  if (idle === "shared") for (const r of limited) raise(present, [r], room);
  return fillings.map((one) => one && { credits: amountAt(one, "credits"), toolCalls: amountAt(one, "toolCalls") });
}

/** The best claims whose minima fit. */
function seat({ claims, room }: FairShares): Set<number> {
  const taken = { credits: 0n, toolCalls: 0n, branches: 0n, memoryBytes: 0n };
  const seated = new Set<number>();
  const order = claims
    .map((_, i) => i)
    .sort((a, b) => {
      const [x, y] = [claims[a] as Claim, claims[b] as Claim];
      return PRIORITIES.indexOf(y.priority) - PRIORITIES.indexOf(x.priority) || x.sequence - y.sequence;
    });
  for (const i of order) {
    const claim = claims[i] as Claim;
    const need = (r: Resource) => BigInt(r === "branches" || r === "memoryBytes" ? claim.max[r] : claim.min[r]);
    const isPossible = RESOURCES.every((r) => claim.min[r] <= claim.max[r]) && claim.weight >= 1 && claim.weight <= 1e6;
    if (
      !isPossible ||
      RESOURCES.some((r) => taken[r] + need(r) > (room[r] === undefined ? UNLIMITED : BigInt(room[r])))
    )
      continue;
    for (const r of RESOURCES) taken[r] += need(r);
    seated.add(i);
  }
  return seated;
}

/** How much of a resource a claim gains per unit of the level. */
function filling(claim: Claim, totals: FairShares["room"], rounding: Rounding): Filling {
  const shareOf = (r: Resource) => (totals[r] ? ratio(BigInt(claim.max[r]), BigInt(totals[r])) : NONE);
  const dominant = RESOURCES.map(shareOf).reduce(higher);
  const rate = (r: Consumable) => {
    if (totals[r] === undefined) return ratio(1n);
    if (totals[r] === 0 || dominant.n === 0n) return NONE;
    const part = over(shareOf(r), dominant);
    const rounded = rounding === "exact" ? part : ratio(ceilingOf(times(part, ratio(2n ** 32n))), 2n ** 32n);
    return times(ratio(BigInt(claim.weight) * BigInt(totals[r])), rounded);
  };
  return {
    claim,
    rate: { credits: rate("credits"), toolCalls: rate("toolCalls") },
    level: { credits: NONE, toolCalls: NONE },
  };
}

function amountAt({ claim, rate, level }: Filling, r: Consumable, at = level[r]): Ratio {
  const [min, max] = [ratio(BigInt(claim.min[r])), ratio(BigInt(claim.max[r]))];
  return rate[r].n === 0n ? min : lower(max, higher(min, times(at, rate[r])));
}

const wishesMore = (one: Filling, r: Consumable) => one.rate[r].n > 0n && one.claim.max[r] > one.claim.min[r];

/** Lets the water rise in these resources for all that are not full, until each has stopped. */
function raise(present: readonly Filling[], resources: readonly Consumable[], room: FairShares["room"]): void {
  let rising = present.filter((one) => resources.some((r) => wishesMore(one, r)));
  // Further resources are filled one by one, from where each claim stands.
  let at = rising.flatMap((one) => resources.map((r) => one.level[r])).reduce(lower, ratio(UNLIMITED));
  const isHere = (one: Filling) => resources.every((r) => !isBelow(at, one.level[r]));
  for (;;) {
    const marks = rising.flatMap((one) =>
      resources
        .filter((r) => wishesMore(one, r))
        .flatMap((r) => {
          const { min, max } = one.claim;
          return [over(ratio(BigInt(min[r])), one.rate[r]), over(ratio(BigInt(max[r])), one.rate[r]), one.level[r]];
        }),
    );
    const next = marks
      .filter((mark) => isBelow(at, mark))
      .reduce<Ratio | undefined>((a, b) => (a ? lower(a, b) : b), undefined);
    if (!next) break;
    const usedWhen = (r: Consumable, level: Ratio) =>
      present
        .map((one) => amountAt(one, r, rising.includes(one) && isHere(one) ? level : one.level[r]))
        .reduce(plus, NONE);
    const hits = resources.flatMap((r) => {
      const [now, then, all] = [usedWhen(r, at), usedWhen(r, next), ratio(BigInt(room[r] as number))];
      if (!isBelow(all, then)) return [];
      return [{ r, level: plus(at, over(times(minus(all, now), minus(next, at)), minus(then, now))) }];
    });
    const first = hits.reduce<(typeof hits)[number] | undefined>(
      (a, b) => (a && !isBelow(b.level, a.level) ? a : b),
      undefined,
    );
    const reached = first?.level ?? next;
    for (const one of rising) if (isHere(one)) for (const r of resources) one.level[r] = reached;
    at = reached;
    if (first) rising = rising.filter((one) => !wishesMore(one, first.r));
  }
}

/** Whole shares of one resource: rounded down, and where all of it is given out one more for the largest rests, then the earliest. */
export function wholeShares(
  problem: FairShares,
  shares: ReturnType<typeof modelShares>,
  r: Consumable,
): (bigint | undefined)[] {
  const all = shares.map((share) => share?.[r] ?? NONE).reduce(plus, NONE);
  const units = shares.map((share) => share && floorOf(share[r]));
  const room = problem.room[r];
  if (room === undefined || isBelow(all, ratio(BigInt(room)))) return units;
  const rests = shares.flatMap((share, i) => (share ? [{ i, rest: minus(share[r], ratio(floorOf(share[r]))) }] : []));
  const sequence = (i: number) => problem.claims[i]?.sequence ?? 0;
  rests.sort((a, b) => (isBelow(b.rest, a.rest) ? -1 : isBelow(a.rest, b.rest) ? 1 : sequence(a.i) - sequence(b.i)));
  const left = Number(BigInt(room) - units.reduce<bigint>((sum, one) => sum + (one ?? 0n), 0n));
  for (const { i } of rests.slice(0, left)) units[i] = (units[i] ?? 0n) + 1n;
  return units;
}

/** A claim for credits alone, as tests mostly need it. */
export function claimOf(max: Parameters<typeof amountsOf>[0], rest: Partial<Omit<Claim, "max">> = {}): Claim {
  return { weight: 1, min: amountsOf({}), priority: "NORMAL", sequence: 0, ...rest, max: amountsOf(max) };
}

export interface Sizes {
  readonly claim: (prng: Prng) => number;
  readonly room: (prng: Prng) => number;
  /** Resources that may be limited. */
  readonly resources?: readonly Resource[];
}

export const SMALL: Sizes = { claim: (prng) => prng.below(13), room: (prng) => prng.below(41) };
export const HUGE: Sizes = {
  claim: (prng) => prng.pick([prng.below(LIMITS.amountMax), prng.below(100), LIMITS.amountMax]),
  room: (prng) => prng.pick([prng.below(LIMITS.amountMax), LIMITS.amountMax]),
};

function anyClaim(prng: Prng, size: Sizes["claim"]): Omit<Claim, "sequence"> {
  const wish = (): [min: Amount, max: Amount] => {
    const [a, b] = [size(prng), size(prng)];
    return [(prng.below(2) === 0 ? 0 : Math.min(a, b)) as Amount, Math.max(a, b) as Amount];
  };
  const [credits, toolCalls] = [wish(), wish()];
  const [branches, memoryBytes] = [prng.below(4) as Amount, prng.below(4) as Amount];
  return {
    weight: prng.pick([1, 1, 2, 3, 1 + prng.below(LIMITS.weightMax)]),
    priority: prng.pick(PRIORITIES),
    min: amountsOf({ credits: credits[0], toolCalls: toolCalls[0] }),
    max: amountsOf({ credits: credits[1], toolCalls: toolCalls[1], branches, memoryBytes }),
  };
}

/** Up to seven claims; most resources are limited, and dominant shares are at times parts of more than there is to divide. */
export function anyProblem(prng: Prng, { claim, room: roomSize, resources = RESOURCES }: Sizes): FairShares {
  const room: { [R in Resource]?: Amount } = {};
  const totals: { [R in Resource]?: Amount } = {};
  const more = prng.pick([0, 0, 1, 17]);
  for (const r of resources) {
    if (prng.below(5) === 0) continue;
    const size = r === "branches" || r === "memoryBytes" ? prng.below(10) : roomSize(prng);
    room[r] = size as Amount;
    totals[r] = Math.min(LIMITS.amountMax, size + more) as Amount;
  }
  const claims = Array.from({ length: prng.below(8) }, (_, sequence) => ({ ...anyClaim(prng, claim), sequence }));
  return { room, totals, claims, idle: prng.pick(["shared", "kept"]) };
}
