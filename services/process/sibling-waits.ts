/**
 * Which steps and branches of a run may wait for room, where the strategy lets them: those beside which others of the same parent go on, for
 * only what these give back can be waited for. When none goes on any more nobody waits: who did is told what is short.
 */
import type { Outcome } from "#budget";
import type { WaitEnd } from "#daemon";

/** Nodes under one parent. */
interface Siblings {
  /** Asked for, or open. */
  active: number;
  readonly waiting: Set<string>;
}

export interface Wait {
  readonly requestId: string;
  readonly later: WaitEnd;
  readonly isNamed?: boolean;
}

export class SiblingWaits {
  readonly #cancel: (requestId: string) => void;
  readonly #under = new Map<string, Siblings>();

  /** `cancel`: the request need not be met any more; the end of its wait is told all the same. */
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
   * How the wait of a request ends. One that has begun does not go on meanwhile; but whoever wants names waits for others than its siblings,
   * too, and so is not called back when these all wait.
   */
  wait(parentId: string, { requestId, later, isNamed = false }: Wait): Promise<Outcome> {
    if (isNamed) return later.told();
    const siblings = this.#of(parentId);
    siblings.active -= 1;
    siblings.waiting.add(requestId);
    // Counted at once: what is granted goes on before anybody looks again.
    later.onTold(() => {
      siblings.waiting.delete(requestId);
      siblings.active += 1;
    });
    this.#look(parentId, siblings);
    return later.told();
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
