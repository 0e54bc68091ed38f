/**
 * The batch form of SharePool, for tests: the pool filled once, and its shares in whole units. Its rules are those of the pool.
 *
 * PROPORTIONAL_SHARING as a pure function: weighted max-min shares (water-filling) of what one node has, between each claim's `min` and `max`,
 * over several resources by dominant-resource fairness (share-claim.ts). No share can grow without one that stands at a lower or equal
 * level for its weight getting less.
 *
 * Who cannot have its `min` gets nothing. Claims are seated by priority, then by arrival, each if its `min` fits beside those seated before;
 * so of several that cannot all have theirs, the lowest priority goes first, among equals the latest arrival, and none in vain. A `min` that
 * fits is a floor: a claim has it even where its weight alone would give it less, so `min` is to be what work cannot do without. To overstate
 * `max` gains nothing; to overstate `min` is answered by refusal once it does not fit.
 *
 * Shares are whole: each level is exact, shares are rounded down, and of what is left one unit goes to each of the largest remainders, then
 * of the earliest arrivals. The order of the list decides nothing, unless two claims have one `sequence`.
 * O(n log n).
 */
import { PRIORITIES } from "../policy.ts";
import type { Amounts, Consumable } from "../resource.ts";
import { type Claim, floorsOf, type Room, type ShareRefusal } from "./share-claim.ts";
import { compareFractions, type Fraction } from "./share-fraction.ts";
import type { IdleBudget } from "./share-levels.ts";
import { SharePool } from "./share-pool.ts";
import { type Seat, shareAt } from "./share-seat.ts";

export interface FairShares {
  /** What there is of each resource that is limited. Of others everyone has its `max`. */
  readonly room: Room;
  /** What dominant shares are parts of; default `room`. The same resources as in `room`. */
  readonly totals?: Room;
  /** Whether a claim that waits for a resource that is used up is given of another what nobody else can use; default "shared". */
  readonly idle?: IdleBudget;
  readonly claims: readonly Claim[];
}

export type Share =
  | { readonly type: "share"; readonly amounts: Amounts }
  | { readonly type: "refused"; readonly refusal: ShareRefusal };

/** The share of each claim, in the order of the claims. */
export function fairShares({ claims, ...options }: FairShares): Share[] {
  const pool = new SharePool(options);
  const answers: (Seat | ShareRefusal)[] = [];
  for (const { claim, index } of seatingOrder(claims)) answers[index] = pool.refusalOf(claim) ?? pool.add(claim);
  const isGivenOneMore = {
    credits: givenOneMore(pool, "credits", options.room),
    toolCalls: givenOneMore(pool, "toolCalls", options.room),
  };
  return answers.map((answer): Share => {
    if ("code" in answer) return { type: "refused", refusal: answer };
    const { least, most } = pool.shareOf(answer);
    const of = (r: Consumable) => (isGivenOneMore[r].has(answer) ? most[r] : least[r]);
    return { type: "share", amounts: { ...least, credits: of("credits"), toolCalls: of("toolCalls") } };
  });
}

interface Placed {
  readonly claim: Claim;
  readonly index: number;
}

function seatingOrder(claims: readonly Claim[]): Placed[] {
  const rank = ({ claim }: Placed) => PRIORITIES.indexOf(claim.priority);
  return claims
    .map((claim, index) => ({ claim, index }))
    .sort((a, b) => rank(b) - rank(a) || a.claim.sequence - b.claim.sequence || a.index - b.index);
}

/** Who gets one unit more than the whole part of its share. */
function givenOneMore(pool: SharePool, resource: Consumable, room: Room): ReadonlySet<Seat> {
  if (!pool.levelsIn(resource).isUsedUp) return new Set();
  let left = room[resource] ?? 0;
  const rests: { readonly seat: Seat; readonly rest: Fraction }[] = [];
  for (const seat of pool.seats) {
    const part = seat.parts[resource];
    const { units, rest } = part
      ? shareAt(part, pool.levelOf(seat, resource))
      : { units: floorsOf(seat.claim)[resource], rest: undefined };
    left -= units;
    if (rest) rests.push({ seat, rest });
  }
  rests.sort(
    (a, b) => compareFractions(b.rest, a.rest) || a.seat.sequence - b.seat.sequence || a.seat.number - b.seat.number,
  );
  return new Set(rests.slice(0, left).map(({ seat }) => seat));
}
