/**
 * Room of a node that is set aside for one request and is free to nobody else: by key, so much of each resource. All of it together is
 * never more than what is free in the node's books (I11): where an overrun eats what was set aside, the youngest marks lose it first.
 */
import { assert } from "#std";
import { type Amount, add, least, monus, subtract, ZERO } from "./amount.ts";
import { type Amounts, addAmounts, isNothing, monusAmounts, NOTHING, type Resource } from "./resource.ts";

export class Earmarks {
  readonly #byKey = new Map<string, Amounts>();
  #total: Amounts = NOTHING;

  /** All of it together. */
  get total(): Amounts {
    return this.#total;
  }

  of(key: string): Amounts {
    return this.#byKey.get(key) ?? NOTHING;
  }

  add(key: string, by: Amounts): void {
    assert(this !== NO_EARMARKS, "nothing may be set aside in the marks that all nodes share");
    if (isNothing(by)) return;
    this.#byKey.set(key, addAmounts(this.of(key), by));
    this.#total = addAmounts(this.#total, by);
  }

  /** No more than is there. */
  take(key: string, by: Amounts): void {
    const left = monusAmounts(this.of(key), by);
    const taken = monusAmounts(this.of(key), left);
    if (isNothing(left)) this.#byKey.delete(key);
    else this.#byKey.set(key, left);
    this.#total = monusAmounts(this.#total, taken);
  }

  end(key: string): void {
    this.take(key, this.of(key));
  }

  /** Of the resource no more than this is there any more. */
  cut(resource: Resource, free: Amount): void {
    let beyond = monus(this.#total[resource], free);
    if (beyond === 0) return;
    for (const [key, amounts] of [...this.#byKey].reverse()) {
      const part = least(beyond, amounts[resource]);
      if (part === 0) continue;
      beyond = subtract(beyond, part);
      this.take(key, { ...NOTHING, [resource]: part });
    }
    assert(beyond === ZERO, "marks add up to their total");
  }

  /** In the order in which they were first set. */
  entries(): [string, Amounts][] {
    return [...this.#byKey];
  }

  /** What is set aside of one resource, counted anew. For checks. */
  sumOf(resource: Resource): Amount {
    let sum = ZERO;
    for (const amounts of this.#byKey.values()) sum = add(sum, amounts[resource]);
    return sum;
  }
}

/** The marks of every node that has none; nothing may be added to them. */
export const NO_EARMARKS: Earmarks = new Earmarks();
