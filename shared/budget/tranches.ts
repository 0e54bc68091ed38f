/**
 * Tranches: parts carved inside the credits of a node, which not everybody may draw. What is in none of them is *general*.
 * - bonus (`priority_bonus`): for HIGH and above; emergency (`emergency_reserve`): for CRITICAL and EMERGENCY;
 * - wrap-up (`wrap_up_reserve`): for the one child that was opened as the node's own final step.
 * Who draws takes general, then bonus, then emergency credits, as far as its base priority sees them; the final step takes the wrap-up
 * reserve before all of these, so that it is in nobody's way. Its *make-up* says what it drew of each; what comes back refills the wrap-up
 * reserve, emergency, then bonus, up to that, so that no reserve is laundered into general credits: what is spent counts as general first. An
 * overrun takes general, bonus, emergency and wrap-up credits in this order, whoever caused it.
 * I12 (invariants.ts) says what holds of them.
 */
import { assert } from "#std";
import { type Amount, add, least, monus, subtract, ZERO } from "./amount.ts";
import type { Priority } from "./policy.ts";
import type { Limits } from "./resource.ts";

/** In the order in which an overrun takes them. */
export const TRANCHES = ["bonus", "emergency", "wrapUp"] as const;
export type Tranche = (typeof TRANCHES)[number];

/** Credits of each tranche. */
export type Parts = { readonly [T in Tranche]: Amount };

export const NO_PARTS: Parts = Object.freeze({ bonus: ZERO, emergency: ZERO, wrapUp: ZERO });

/** Which tranches somebody may draw, beside general credits: one bit for each. */
export type Sight = number;

export const SEES = { bonus: 1, emergency: 2, wrapUp: 4 } as const satisfies { readonly [T in Tranche]: Sight };
/** What everybody may draw. */
export const GENERAL: Sight = 0;
export const BY_PRIORITY: Sight = SEES.bonus | SEES.emergency;
export const EVERYTHING: Sight = BY_PRIORITY | SEES.wrapUp;

/** What work of this base priority may draw. */
export function sightOf(priority: Priority): Sight {
  if (priority === "HIGH") return SEES.bonus;
  return priority === "CRITICAL" || priority === "EMERGENCY" ? BY_PRIORITY : GENERAL;
}

export function sees(sight: Sight, tranche: Tranche): boolean {
  return (sight & SEES[tranche]) !== 0;
}

export function sumOf({ bonus, emergency, wrapUp }: Parts): Amount {
  return add(add(bonus, emergency), wrapUp);
}

/** The same of parts that were only asked for, and may be too many for an amount. */
export function sumsTo({ bonus, emergency, wrapUp }: Parts): number {
  return bonus + emergency + wrapUp;
}

export function partsBy(part: (tranche: Tranche) => Amount): Parts {
  return { bonus: part("bonus"), emergency: part("emergency"), wrapUp: part("wrapUp") };
}

function addParts(a: Parts, b: Parts): Parts {
  return partsBy((tranche) => add(a[tranche], b[tranche]));
}

function subtractParts(a: Parts, b: Parts): Parts {
  return partsBy((tranche) => subtract(a[tranche], b[tranche]));
}

export function isNoParts(parts: Parts): boolean {
  return parts.bonus === 0 && parts.emergency === 0 && parts.wrapUp === 0;
}

export function carveOf({ priorityBonus, emergencyReserve, wrapUpReserve }: Limits): Parts {
  return { bonus: priorityBonus ?? ZERO, emergency: emergencyReserve ?? ZERO, wrapUp: wrapUpReserve ?? ZERO };
}

/** As much of the parts as fits into so many credits: of the bonus least, of the wrap-up reserve most. */
export function within(parts: Parts, credits: Amount): Parts {
  const wrapUp = least(parts.wrapUp, credits);
  const emergency = least(parts.emergency, subtract(credits, wrapUp));
  return { wrapUp, emergency, bonus: least(parts.bonus, subtract(subtract(credits, wrapUp), emergency)) };
}

/** A child or a call. */
export interface Drawer {
  readonly id: string;
}

/** The tranches of one node, and what its children and calls have drawn of them. Who draws is told apart as an object. */
export class Tranches {
  /** The size of each, what was spent of it included. */
  carve: Parts;
  /** What of each is there to be drawn. */
  left: Parts;
  /** The open child that is the node's final step. */
  finalStep: Drawer | undefined = undefined;
  readonly #madeUp = new Map<Drawer, Parts>();

  constructor(carve: Parts) {
    this.carve = carve;
    this.left = carve;
  }

  /** What it has drawn and not given back. */
  madeUpOf(drawer: Drawer): Parts {
    return this.#madeUp.get(drawer) ?? NO_PARTS;
  }

  get drawers(): ReadonlyMap<Drawer, Parts> {
    return this.#madeUp;
  }

  /** Sets what a drawer has drawn. For snapshots, and for what follows here. */
  setMadeUp(drawer: Drawer, parts: Parts): void {
    if (isNoParts(parts)) this.#madeUp.delete(drawer);
    else this.#madeUp.set(drawer, parts);
  }

  /** It holds nothing of the node any more: what it has not given back is spent. */
  forget(drawer: Drawer): void {
    if (this.#madeUp.size > 0) this.#madeUp.delete(drawer);
    this.endFinalStep(drawer);
  }

  beginFinalStep(child: Drawer): void {
    assert(this !== NO_TRANCHES, "a final step has a reserve to draw on");
    this.finalStep = child;
  }

  endFinalStep(child: Drawer): void {
    if (this.finalStep === child) this.finalStep = undefined;
  }

  /** Goes out to the drawer; absent: nobody will give it back. */
  take(parts: Parts, drawer: Drawer | undefined): void {
    if (isNoParts(parts)) return;
    this.left = subtractParts(this.left, parts);
    if (drawer) this.setMadeUp(drawer, addParts(this.madeUpOf(drawer), parts));
  }

  /** So much comes back of the drawer, of its reserves first; of it `paid` is gone for a debt, of general credits first. */
  refill(drawer: Drawer, x: Amount, paid: Amount): void {
    const madeUp = this.madeUpOf(drawer);
    if (isNoParts(madeUp)) return;
    const back = within(madeUp, x);
    this.setMadeUp(drawer, subtractParts(madeUp, back));
    let eaten = monus(paid, subtract(x, sumOf(back)));
    const kept = partsBy((tranche) => {
      const part = least(eaten, back[tranche]);
      eaten = subtract(eaten, part);
      return subtract(back[tranche], part);
    });
    this.left = addParts(this.left, kept);
  }

  /** Leaves the node for good: goes up to its parent. */
  leave(parts: Parts): void {
    this.left = subtractParts(this.left, parts);
    this.carve = subtractParts(this.carve, parts);
  }

  /**
   * Another size. What is added is general credits until now, what is taken away is general from now on: of what is left; and what is out
   * beyond the new size comes back as general, of those who drew last first.
   */
  resize(carve: Parts): void {
    const before = this.carve;
    const left = this.left;
    this.carve = carve;
    this.left = partsBy((t) => add(monus(left[t], monus(before[t], carve[t])), monus(carve[t], before[t])));
    for (const [drawer, parts] of [...this.#madeUp].reverse()) {
      const out = this.#out();
      const beyond = partsBy((t) => monus(add(out[t], this.left[t]), carve[t]));
      if (isNoParts(beyond)) return;
      this.setMadeUp(
        drawer,
        partsBy((t) => monus(parts[t], beyond[t])),
      );
    }
  }

  #out(): Parts {
    let out = NO_PARTS;
    for (const parts of this.#madeUp.values()) out = addParts(out, parts);
    return out;
  }
}

/** Those of every node that carves nothing; nothing may be changed in them. */
export const NO_TRANCHES: Tranches = new Tranches(NO_PARTS);

export function tranchesOf(limits: Limits): Tranches {
  const carve = carveOf(limits);
  return isNoParts(carve) ? NO_TRANCHES : new Tranches(carve);
}
