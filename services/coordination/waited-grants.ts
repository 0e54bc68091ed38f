/**
 * Wishes that may wait in a queue. The answer to one may come in the batch in which its wait begins, and is then told before that: so it is
 * listened for before the wish is made.
 */
import type { OpenWish, Outcome } from "#budget";
import type { DaemonBase } from "#daemon";

export interface GrantAnswer {
  readonly outcome: Outcome;
  /** Of one that waits: how that ends; the same for all who make the same wish. */
  readonly later?: Promise<Outcome>;
}

type Loop = Pick<DaemonBase["loop"], "ask" | "submit" | "subscribe">;
type Request = Pick<OpenWish, "caller" | "requestId">;

interface Listening extends PromiseWithResolvers<Outcome> {
  /** Who asks, or waits. */
  asks: number;
}

export class WaitedGrants {
  readonly #loop: Loop;
  readonly #listening = new Map<string, Listening>();

  constructor(loop: Loop) {
    this.#loop = loop;
    loop.subscribe((message) => {
      if (message.type !== "decided") return;
      const key = keyOf(message);
      this.#listening.get(key)?.resolve(message.outcome);
      this.#listening.delete(key);
    });
  }

  async ask(wish: OpenWish): Promise<GrantAnswer> {
    const listening = this.#listen(wish);
    const outcome = await this.#loop.ask({ type: "grant", wish });
    if (outcome.type === "queued") return { outcome, later: listening.promise };
    this.#leave(wish, listening);
    return { outcome };
  }

  /** The end of a wait that has begun before; also that of an earlier life of this daemon. */
  endOf(request: Request): Promise<Outcome> {
    return this.#listen(request).promise;
  }

  /** The answer, after the wait if it must wait. The wait ends when `signal` aborts, unless others make the same wish. */
  async await(wish: OpenWish, signal: AbortSignal): Promise<Outcome> {
    const { outcome, later } = await this.ask(wish);
    if (!later) return outcome;
    const leave = () => {
      const listening = this.#listening.get(keyOf(wish));
      if (!listening) return;
      listening.asks -= 1;
      if (listening.asks > 0) return;
      const { caller, requestId } = wish;
      this.#loop.submit({ type: "cancel_request", caller, requestId }, () => undefined);
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    try {
      return await later;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  #listen(request: Request): Listening {
    const key = keyOf(request);
    const listening = this.#listening.get(key) ?? { ...Promise.withResolvers<Outcome>(), asks: 0 };
    listening.asks += 1;
    this.#listening.set(key, listening);
    return listening;
  }

  #leave(request: Request, listening: Listening): void {
    listening.asks -= 1;
    const key = keyOf(request);
    if (listening.asks === 0 && this.#listening.get(key) === listening) this.#listening.delete(key);
  }
}

export function keyOf({ caller, requestId }: Request): string {
  return `${caller}\n${requestId}`;
}
