/**
 * Which steps and branches of a run may wait for room, where the strategy lets them: those beside which others of the same parent go on, for
 * only what these give back can be waited for. When none goes on any more nobody waits: who did is told what is short.
 */
import type { Message, Outcome } from "#budget";

/** Nodes under one parent. */
interface Siblings {
  /** Asked for, or open. */
  active: number;
  readonly waiting: Set<string>;
}

export class SiblingWaits {
  readonly #cancel: (requestId: string) => void;
  readonly #under = new Map<string, Siblings>();
  readonly #answers = new Map<string, (outcome: Outcome) => void>();
  /** Answers that came in the batch in which the wait began, and are told before that. */
  readonly #early = new Map<string, Outcome>();

  /** `cancel`: the request need not be met any more; its answer comes to `decided` all the same. */
  constructor(cancel: (requestId: string) => void) {
    this.#cancel = cancel;
  }

  /** One more is asked for, or found open. */
  begin(parentId: string): void {
    this.#of(parentId).active += 1;
  }

  /** It has ended, or was refused. */
  end(parentId: string): void {
    const siblings = this.#of(parentId);
    siblings.active -= 1;
    this.#look(parentId, siblings);
  }

  /** Whether another one goes on beside one that has begun. */
  hasOthers(parentId: string): boolean {
    return this.#of(parentId).active > 1;
  }

  /**
   * The answer to a request that waits. One that has begun does not go on meanwhile; but whoever wants names waits for others than its siblings,
   * too, and so is not called back when these all wait.
   */
  async wait(parentId: string, requestId: string, { isNamed = false } = {}): Promise<Outcome> {
    const early = this.#early.get(requestId);
    this.#early.delete(requestId);
    if (early) return early;
    if (isNamed) return new Promise((resolve) => this.#answers.set(requestId, resolve));
    const siblings = this.#of(parentId);
    siblings.active -= 1;
    siblings.waiting.add(requestId);
    const answer = new Promise<Outcome>((resolve) => this.#answers.set(requestId, resolve));
    this.#look(parentId, siblings);
    const outcome = await answer;
    siblings.waiting.delete(requestId);
    return outcome;
  }

  /** An answer for this run. */
  decided({ requestId, outcome }: Extract<Message, { readonly type: "decided" }>): void {
    const answer = this.#answers.get(requestId);
    this.#answers.delete(requestId);
    if (!answer) {
      this.#early.set(requestId, outcome);
      return;
    }
    // Counted at once: what is granted goes on before anybody looks again.
    for (const siblings of this.#under.values()) if (siblings.waiting.delete(requestId)) siblings.active += 1;
    answer(outcome);
  }

  #of(parentId: string): Siblings {
    const known = this.#under.get(parentId);
    if (known) return known;
    const siblings = { active: 0, waiting: new Set<string>() };
    this.#under.set(parentId, siblings);
    return siblings;
  }

  #look(parentId: string, { active, waiting }: Siblings): void {
    if (active > 0) return;
    if (waiting.size === 0) this.#under.delete(parentId);
    for (const requestId of waiting) this.#cancel(requestId);
  }
}
