/**
 * What of the credits of a node with tranches may be drawn by whom, and of which tranches it is taken. What is set aside at the node for
 * claims stays to be drawn by these: for one that sees only general credits, general ones.
 */
import { type Amount, add, least, monus, subtract, ZERO } from "./amount.ts";
import { isReservationMark } from "./reservation-mark.ts";
import { NOTHING } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { GENERAL, NO_TRANCHES, type Parts, SEES, type Sight, sees, sightOf, sumOf } from "./tranches.ts";
import type { WaitQueue } from "./wait-queue.ts";

type ByLevel = readonly [Amount, Amount, Amount];

function levelOf(sight: Sight): 0 | 1 | 2 {
  if (sees(sight, "emergency")) return 2;
  return sees(sight, "bonus") ? 1 : 0;
}

/** The level of one for whom something is set aside: a claim's by its base priority; what was reserved ahead is for anybody. */
function levelOfMark({ claims }: WaitQueue, key: string): 0 | 1 | 2 {
  const base = claims.get(key)?.waiter.base;
  return base === undefined ? 0 : levelOf(sightOfRank(base));
}

/** The same by the rank of the priority: 0 is LOW. */
export function sightOfRank(rank: number): Sight {
  return rank < 2 ? GENERAL : sightOf(rank === 2 ? "HIGH" : "CRITICAL");
}

/** What there is for each level, with that of the lower ones. */
function poolsOf({ books, tranches: { left } }: Allocation): ByLevel {
  const general = subtract(books.credits.available, sumOf(left));
  const withBonus = add(general, left.bonus);
  return [general, withBonus, add(withBonus, left.emergency)];
}

/** What is set aside for each level and the lower ones. */
function marksOf({ waiters }: Allocation): ByLevel {
  const { earmarks } = waiters;
  if (earmarks.total.credits === 0) return [ZERO, ZERO, ZERO];
  const marks = [ZERO, ZERO, ZERO] as [Amount, Amount, Amount];
  for (const [key, { credits }] of earmarks.entries()) {
    const own = levelOfMark(waiters, key);
    for (const level of [0, 1, 2] as const) if (level >= own) marks[level] = add(marks[level], credits);
  }
  return marks;
}

/** What may be drawn of each level and the lower ones together, so that what is set aside stays. */
function roomsOf(node: Allocation): ByLevel {
  const [pools, marks] = [poolsOf(node), marksOf(node)];
  const room = (level: 0 | 1 | 2) => monus(pools[level], marks[level]);
  const [first, second, third] = [room(0), room(1), room(2)];
  const upper = least(second, third);
  return [least(first, upper), upper, third];
}

/** What somebody with this sight may draw of the credits of a node that carves some of them. */
export function drawableBy(node: Allocation, sight: Sight): Amount {
  const room = roomsOf(node)[levelOf(sight)];
  return sees(sight, "wrapUp") ? add(room, node.tranches.left.wrapUp) : room;
}

/** What of each tranche is taken when so much is drawn: an overrun, and what is beyond its sight, takes whatever there is, at most all. */
export function partsDrawn(node: Allocation, x: Amount, sight: Sight): Parts {
  const { left } = node.tranches;
  const [firstRoom, secondRoom, thirdRoom] = roomsOf(node);
  let rest = x;
  const take = (there: Amount, may = there): Amount => {
    const part = least(least(there, may), rest);
    rest = subtract(rest, part);
    return part;
  };
  const [pool] = poolsOf(node);
  const wrapUp = sees(sight, "wrapUp") ? take(left.wrapUp) : ZERO;
  const general = take(pool, firstRoom);
  const bonus = sees(sight, "bonus") ? take(left.bonus, monus(secondRoom, general)) : ZERO;
  const emergency = sees(sight, "emergency") ? take(left.emergency, monus(thirdRoom, add(general, bonus))) : ZERO;
  take(subtract(pool, general));
  return {
    bonus: add(bonus, take(subtract(left.bonus, bonus))),
    emergency: add(emergency, take(subtract(left.emergency, emergency))),
    wrapUp: add(wrapUp, take(subtract(left.wrapUp, wrapUp))),
  };
}

/**
 * An overrun has eaten what was set aside: among those for whom there is too little now the youngest marks lose it first, those of claims
 * before those of reservations.
 */
export function cutMarks(node: Allocation): void {
  const { waiters } = node;
  if (waiters.earmarks.total.credits === 0) return;
  const entries = waiters.earmarks.entries().reverse();
  const claimsFirst = [
    ...entries.filter(([key]) => !isReservationMark(key)),
    ...entries.filter(([key]) => isReservationMark(key)),
  ];
  for (const level of [0, 1, 2] as const) {
    let beyond = monus(marksOf(node)[level], poolsOf(node)[level]);
    for (const [key] of claimsFirst) {
      if (levelOfMark(waiters, key) > level) continue;
      const part = least(beyond, waiters.earmarks.of(key).credits);
      beyond = subtract(beyond, part);
      waiters.earmarks.take(key, { ...NOTHING, credits: part });
    }
  }
}

/** What an allocation may draw of its parent. */
export function sightIn(parent: Allocation, child: Allocation): Sight {
  const { tranches } = parent;
  if (tranches === NO_TRANCHES) return GENERAL;
  const own = sightOf(child.priority);
  return tranches.finalStep === child ? own | SEES.wrapUp : own;
}

/** What a call of the node may draw of it. */
export function sightOfCalls(node: Allocation): Sight {
  return node.tranches === NO_TRANCHES ? GENERAL : sightOf(node.priority);
}
