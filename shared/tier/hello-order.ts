/**
 * Which hello of a child is the latest, and for which the grants that it does not name have gone back. A hello may be held up on its way
 * and come after a later one; it is told by what the child says of itself, never by wall clocks or by the order of arrival:
 * - a later life of the child has a larger number, by its journal;
 * - within one life its clock only grows.
 * What this daemon knew of it before its own start is gone. A hello that was held up so long that it is the first to come now changes
 * nothing that counts: usage and counters take the maximum, and what it does not name goes back only when the child answers the welcome
 * to this very hello, which it does on the connection that it lives on and on no other.
 */
import type { Hello } from "#ports";

interface Latest {
  readonly incarnation: string;
  readonly life: number;
  readonly clockMarkMs: number;
  /** The incarnation whose hello has returned what it did not name: what is granted since then may still be on its way to it. */
  returnedFor: string | undefined;
}

export class HelloOrder {
  readonly #latest = new Map<string, Latest>();

  get size(): number {
    return this.#latest.size;
  }

  /** False for one that was overtaken. A child that does not number its lives is taken as it comes. */
  admit({ instance, incarnation, life, clockMarkMs = 0 }: Hello): boolean {
    const latest = this.#latest.get(instance);
    if (latest && life > 0) {
      const overtaken = life < latest.life || (life === latest.life && clockMarkMs <= latest.clockMarkMs);
      if (overtaken) return false;
    }
    this.#latest.set(instance, { incarnation, life, clockMarkMs, returnedFor: latest?.returnedFor });
    return true;
  }

  /** True while a handover of this daemon may be on its way to this incarnation: nothing follows from what its hello does not name. */
  hasReturned({ instance, incarnation }: Hello): boolean {
    return this.#latest.get(instance)?.returnedFor === incarnation;
  }

  returned({ instance, incarnation }: Hello): void {
    const latest = this.#latest.get(instance);
    if (latest?.incarnation === incarnation) latest.returnedFor = incarnation;
  }

  /** Forgets those of which nothing can be on its way; until no more than `max` are left, the longest known first. */
  forget(isGone: (instance: string) => boolean, max: number): void {
    for (const instance of this.#latest.keys()) {
      if (this.#latest.size <= max) return;
      if (isGone(instance)) this.#latest.delete(instance);
    }
  }
}
