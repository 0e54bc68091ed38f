/** What has ended and is remembered for a while. */
import { LIMITS } from "#std";
import type { Texts } from "./collections.ts";

/** A hold or allocation that ended, with the effects to forget ten minutes later. */
export interface EndedSubject {
  readonly id: string;
  readonly effectKeys: Texts;
  readonly forgetAtMs: number;
}

/** Ended subjects in the order in which they are forgotten. */
export class EndedQueue {
  #items: EndedSubject[] = [];
  #head = 0;

  push(subject: EndedSubject): void {
    this.#items.push(subject);
  }

  nextAtMs(): number | undefined {
    return this.#items[this.#head]?.forgetAtMs;
  }

  /** What waits to be forgotten, in that order. */
  *items(): Generator<EndedSubject, void> {
    for (let at = this.#head; at < this.#items.length; at += 1) yield this.#items[at] as EndedSubject;
  }

  takeUpTo(timeMs: number): EndedSubject[] {
    const taken: EndedSubject[] = [];
    for (let item = this.#items[this.#head]; item && item.forgetAtMs <= timeMs; item = this.#items[this.#head]) {
      taken.push(item);
      this.#head += 1;
    }
    if (this.#head > LIMITS.endedQueueSlackMax && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}
