/** Keeps a bounded number of items under way: sends in full batches as answers make room, and counts what is answered between two times. */
import { passed } from "./swarm.ts";

export interface SendWindowOptions {
  readonly itemsInFlight: number;
  readonly batchItems: number;
  /** Sends this many items in one message. */
  readonly send: (items: number) => void;
}

export class SendWindow {
  readonly #options: SendWindowOptions;
  #underWay = 0;
  #answered = 0;
  #sending = false;
  #whenIdle: (() => void) | undefined;

  constructor(options: SendWindowOptions) {
    this.#options = options;
  }

  /** To be called for each answer, with the items it answers. */
  answered(items: number): void {
    this.#underWay -= items;
    this.#answered += items;
    if (this.#sending) this.#fill();
    else if (this.#underWay === 0) this.#whenIdle?.();
  }

  /** Items answered per second in `durationMs` after `warmUpMs`; resolves when everything sent has been answered. */
  async rate({ warmUpMs, durationMs }: { readonly warmUpMs: number; readonly durationMs: number }): Promise<number> {
    const startsAtMs = performance.now() + warmUpMs;
    this.#sending = true;
    this.#fill();
    await at(startsAtMs);
    const from = { ms: performance.now(), answered: this.#answered };
    await at(startsAtMs + durationMs);
    const perSecond = ((this.#answered - from.answered) * 1_000) / (performance.now() - from.ms);
    this.#sending = false;
    await this.#idle();
    return perSecond;
  }

  /** Sends `items` in all and resolves when they are answered. */
  async sendAll(items: number): Promise<void> {
    const { batchItems, itemsInFlight, send } = this.#options;
    for (let left = items; left > 0; ) {
      const count = Math.min(left, batchItems);
      this.#underWay += count;
      send(count);
      left -= count;
      if (this.#underWay + batchItems > itemsInFlight || left === 0) await this.#idle();
    }
  }

  #fill(): void {
    const { batchItems, itemsInFlight, send } = this.#options;
    while (this.#underWay + batchItems <= itemsInFlight) {
      this.#underWay += batchItems;
      send(batchItems);
    }
  }

  #idle(): Promise<void> {
    if (this.#underWay === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }
}

function at(atMs: number): Promise<void> {
  return passed(atMs - performance.now());
}
