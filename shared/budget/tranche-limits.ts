/**
 * Other sizes for the tranches of a node. Growing one takes general credits that are free in the node, or come with a raise of its limit;
 * shrinking one makes what is left of it general, and what is out of it comes back as general.
 */
import { type Amount, add, least, monus } from "./amount.ts";
import { freeOf } from "./free.ts";
import type { Violation } from "./outcome.ts";
import type { Limits } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { carveOf, type Parts, partsBy, sumOf, sumsTo, TRANCHES, type Tranche } from "./tranches.ts";

/** The names by which people know the tranches. */
export const TRANCHE_FIELD = {
  bonus: "priority_bonus",
  emergency: "emergency_reserve",
  wrapUp: "wrap_up_reserve",
} as const satisfies { readonly [T in Tranche]: string };

/** The sizes after a change of what is named. */
export function carveWith({ tranches: { carve } }: Allocation, limits: Limits): Parts {
  const { priorityBonus, emergencyReserve, wrapUpReserve } = limits;
  const wanted = carveOf(limits);
  return {
    bonus: priorityBonus === undefined ? carve.bonus : wanted.bonus,
    emergency: emergencyReserve === undefined ? carve.emergency : wanted.emergency,
    wrapUp: wrapUpReserve === undefined ? carve.wrapUp : wanted.wrapUp,
  };
}

export function sameParts(a: Parts, b: Parts): boolean {
  return TRANCHES.every((tranche) => a[tranche] === b[tranche]);
}

/** Free general credits, were the tranches as large as this; what growing them would lack besides. */
export function generalWith(node: Allocation, carve: Parts): { readonly free: Amount; readonly lack: Amount } {
  const { carve: now, left } = node.tranches;
  const freed = sumOf(partsBy((tranche) => least(left[tranche], monus(now[tranche], carve[tranche]))));
  const grown = sumsTo(partsBy((tranche) => monus(carve[tranche], now[tranche])));
  const general = add(freeOf(node, "credits"), freed);
  return { free: monus(general, grown as Amount), lack: monus(grown as Amount, general) };
}

export interface Resizing {
  readonly carve: Parts;
  /** What its credits are raised by at the same time. */
  readonly raisedBy: Amount;
  /** What its credits will be. */
  readonly credits: Amount;
  /** Before the names of the fields. */
  readonly place: string;
}

/** What is wrong with other sizes, with the field; undefined when nothing is. */
export function resizeProblem(node: Allocation, { carve, raisedBy, credits, place }: Resizing): Violation | undefined {
  const { carve: now } = node.tranches;
  const changed = TRANCHES.findLast((tranche) => carve[tranche] !== now[tranche]);
  if (!changed) return undefined;
  const grown = TRANCHES.findLast((tranche) => carve[tranche] > now[tranche]) ?? changed;
  const field = `${place}.${TRANCHE_FIELD[grown]}`;
  const { path } = node;
  if (node.side === "delegated") {
    return {
      field,
      message: `another daemon holds ${path}, and what is carved inside its credits was settled with it`,
    };
  }
  if (node.books.credits.elastic || node.pooled.includes("credits")) {
    return { field, message: `is a part of the credits, and ${path} has no limit of its own in these` };
  }
  const together = sumsTo(carve);
  if (together > credits) {
    return { field, message: `the parts carved inside the credits of ${path} would be ${together} of ${credits}` };
  }
  // A debt is paid of the raise before anything of it is there to be carved.
  const lack = monus(generalWith(node, carve).lack, monus(raisedBy, node.books.credits.debt));
  if (lack === 0) return undefined;
  const most = monus(carve[grown], lack);
  return { field, message: `${path} has too few general credits free: ${most} is the most that is possible now` };
}
