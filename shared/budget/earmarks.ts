/**
 * Room of a node that is set aside and is free to nobody else: by key, so much of each resource, for a claim or for a reservation that has
 * begun. All of it together is never more than what is free in the node's books (I11): where an overrun eats what was set aside, the
 * youngest marks lose it first, those of claims before those of reservations.
 */
import { assert } from "#std";
import { type Amount, add, addCapped, least, monus, subtract, ZERO } from "./amount.ts";
import { isReservationMark } from "./reservation-mark.ts";
import { type Amounts, addAmounts, isNothing, monusAmounts, NOTHING, type Resource } from "./resource.ts";

export class Earmarks {
  readonly #byKey = new Map<string, Amounts>();
  #total: Amounts = NOTHING;
  #ahead: Amounts = NOTHING;
  #kept: Amounts = NOTHING;

  /** All of it together. */
  get total(): Amounts {
    return this.#total;
  }

  /** What reservations that have not begun need at once at most, of what comes back. */
  get ahead(): Amounts {
    return this.#ahead;
  }

  /** What may not be given to work of which nobody knows when it ends: both together. */
  get kept(): Amounts {
    return this.#kept;
  }

  of(key: string): Amounts {
    return this.#byKey.get(key) ?? NOTHING;
  }

  add(key: string, by: Amounts): void {
    assert(this !== NO_EARMARKS, "nothing may be set aside in the marks that all nodes share");
    if (isNothing(by)) return;
    this.#byKey.set(key, addAmounts(this.of(key), by));
    this.#count(addAmounts(this.#total, by), this.#ahead);
  }

  /** No more than is there. */
  take(key: string, by: Amounts): void {
    const left = monusAmounts(this.of(key), by);
    const taken = monusAmounts(this.of(key), left);
    if (isNothing(left)) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
    this.#count(monusAmounts(this.#total, taken), this.#ahead);
  }

  end(key: string): void {
    if (this.#byKey.has(key)) this.take(key, this.of(key));
  }

  lookAhead(ahead: Amounts): void {
    this.#count(this.#total, ahead);
  }

  #count(total: Amounts, ahead: Amounts): void {
    this.#total = total;
    this.#ahead = ahead;
    this.#kept = isNothing(ahead) ? total : together(total, ahead);
  }

  /** Of the resource no more than this is there any more. */
  cut(resource: Resource, free: Amount): void {
    const beyond = this.#cutClaims(resource, monus(this.#total[resource], free));
    const rest = this.#cutWhere(resource, beyond, isReservationMark);
    assert(rest === ZERO, "marks add up to their total");
  }

  /** Claims make room for a reservation: with this much more, no more than what is free is set aside, as far as they have it. */
  yield(resource: Resource, by: Amount, free: Amount): void {
    this.#cutClaims(resource, monus(addCapped(this.#total[resource], by), free));
  }

  #cutClaims(resource: Resource, beyond: Amount): Amount {
    return this.#cutWhere(resource, beyond, (key) => !isReservationMark(key));
  }

  /** Answers what it did not find. */
  #cutWhere(resource: Resource, amount: Amount, where: (key: string) => boolean): Amount {
    let beyond = amount;
    if (beyond === 0) return ZERO;
    for (const [key, amounts] of [...this.#byKey].reverse()) {
      const part = where(key) ? least(beyond, amounts[resource]) : ZERO;
      if (part === 0) continue;
      beyond = subtract(beyond, part);
      this.take(key, { ...NOTHING, [resource]: part });
    }
    return beyond;
  }

  /** In the order in which they were first set. */
  entries(): [string, Amounts][] {
    return [...this.#byKey];
  }

  /** What is set aside of one resource, counted anew; `where`: under such keys. */
  sumOf(resource: Resource, where: (key: string) => boolean = () => true): Amount {
    let sum = ZERO;
    for (const [key, amounts] of this.#byKey) if (where(key)) sum = add(sum, amounts[resource]);
    return sum;
  }
}

/** Each of them may be as large as the limit. */
function together(total: Amounts, ahead: Amounts): Amounts {
  const sum = (resource: Resource): Amount => addCapped(total[resource], ahead[resource]);
  return {
    credits: sum("credits"),
    toolCalls: sum("toolCalls"),
    branches: sum("branches"),
    memoryBytes: sum("memoryBytes"),
  };
}

/** The marks of every node that has none; nothing may be added to them. */
export const NO_EARMARKS: Earmarks = new Earmarks();
