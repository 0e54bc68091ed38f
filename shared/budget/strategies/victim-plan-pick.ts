/**
 * The least costly of several givers that together give what is missing, and none of them in vain. The order is total, so the same givers
 * in any order give the same answer:
 * 1. lowest priority; 2. least progress lost, in whole per cent; 3. the largest part of what is missing, so that they are few; 4. the least
 * beyond it; 5. the one granted last; 6. the id.
 * They are taken in this order until nothing is missing. Then the other way round, the most valuable first, each is let go without which
 * the rest is still enough. Since giving only adds up, no part of those who remain would be enough.
 */
import type { Amount } from "../amount.ts";
import { type Amounts, isNothing, leastAmounts, monusAmounts, RESOURCES, type Resource } from "../resource.ts";

export interface Giver {
  readonly id: string;
  readonly level: number;
  readonly grantedAtMs: number;
  /** Progress lost when it gives, in per cent. */
  readonly lostPercent: number;
  readonly gives: Amounts;
}

interface Ranked<G extends Giver> {
  readonly giver: G;
  readonly covered: number;
  readonly surplus: number;
}

/** Parts of one resource that what is covered of it, and given beyond it, is measured in. */
const PARTS = 2n ** 20n;
/** Beyond this many times what is missing, more surplus is not worse. */
const SURPLUS_TIMES_MAX = 1024n;

/** Among the missing resources: how much of each is covered and given beyond, in PARTS of what is missing, added up. */
function rank<G extends Giver>(giver: G, missing: Amounts): Ranked<G> {
  let covered = 0n;
  let surplus = 0n;
  for (const resource of RESOURCES) {
    if (missing[resource] === 0) continue;
    const parts = (BigInt(giver.gives[resource]) * PARTS) / BigInt(missing[resource]);
    covered += parts < PARTS ? parts : PARTS;
    const beyond = parts > PARTS ? parts - PARTS : 0n;
    surplus += beyond < PARTS * SURPLUS_TIMES_MAX ? beyond : PARTS * SURPLUS_TIMES_MAX;
  }
  return { giver, covered: Number(covered), surplus: Number(surplus) };
}

function compareRanked(a: Ranked<Giver>, b: Ranked<Giver>): number {
  return (
    a.giver.level - b.giver.level ||
    a.giver.lostPercent - b.giver.lostPercent ||
    b.covered - a.covered ||
    a.surplus - b.surplus ||
    b.giver.grantedAtMs - a.giver.grantedAtMs ||
    (a.giver.id < b.giver.id ? -1 : 1)
  );
}

/** What is missing still when all of them have given. */
export function leftMissing(givers: Iterable<{ readonly gives: Amounts }>, missing: Amounts): Amounts {
  let rest = missing;
  for (const { gives } of givers) rest = monusAmounts(rest, gives);
  return rest;
}

export interface Picked<G extends Giver> {
  /** In the order above. */
  readonly givers: readonly G[];
  readonly surplus: Surplus;
}

/** Those who give what is missing; undefined when all together do not. */
export function pickGivers<G extends Giver>(givers: readonly G[], missing: Amounts): Picked<G> | undefined {
  if (!isNothing(leftMissing(givers, missing))) return undefined;
  const useful = givers.filter(({ gives }) => !isNothing(leastAmounts(gives, missing)));
  const ranked = useful.map((giver) => rank(giver, missing)).sort(compareRanked);
  const taken: G[] = [];
  const surplus = new Surplus(missing);
  let rest = missing;
  for (const { giver } of ranked) {
    if (isNothing(rest)) break;
    taken.push(giver);
    surplus.add(giver.gives);
    rest = monusAmounts(rest, giver.gives);
  }
  const kept = taken.reverse().filter(({ gives }) => !surplus.take(gives));
  return { givers: kept.reverse(), surplus };
}

/** What is given beyond what is missing. A sum of many amounts may be larger than an amount. */
class Surplus {
  readonly #of: { [R in Resource]: bigint };

  constructor(missing: Amounts) {
    const owed = (amount: Amount) => -BigInt(amount);
    this.#of = {
      credits: owed(missing.credits),
      toolCalls: owed(missing.toolCalls),
      branches: owed(missing.branches),
      memoryBytes: owed(missing.memoryBytes),
    };
  }

  add(amounts: Amounts): void {
    for (const resource of RESOURCES) this.#of[resource] += BigInt(amounts[resource]);
  }

  /** True when of some missing resource at least `percent` of all that is given is missing. */
  isWorth(missing: Amounts, percent: number): boolean {
    const isMuch = (lack: bigint, given: bigint) => lack * 100n >= given * BigInt(percent);
    return RESOURCES.some((resource) => {
      const lack = BigInt(missing[resource]);
      return lack > 0n && isMuch(lack, lack + this.#of[resource]);
    });
  }

  /** Takes the amounts away if nothing is missing without them; false, and nothing is changed, when something would be. */
  take(amounts: Amounts): boolean {
    if (RESOURCES.some((resource) => this.#of[resource] < amounts[resource])) return false;
    for (const resource of RESOURCES) this.#of[resource] -= BigInt(amounts[resource]);
    return true;
  }
}
