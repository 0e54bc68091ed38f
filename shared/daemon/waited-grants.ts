/**
 * Wishes that may wait in a queue. The end of a wait may come in the batch in which it begins, and is then told before that: so it is listened
 * for before the wish is made, and nothing is kept of answers for which nobody listens. But what is told meanwhile may also be the end of
 * an earlier wait of the same request: then the books say whether the request waits.
 */
import { type Message, type OpenWish, type Outcome, waitsFor } from "#budget";
import type { DaemonBase } from "./base.ts";

type Loop = Pick<DaemonBase["loop"], "ask" | "read" | "submit" | "subscribe">;
export type WaitedRequest = Pick<OpenWish, "caller" | "requestId">;

export interface GrantAnswer {
  readonly outcome: Outcome;
  /** Of one that waits: how that ends; the same for all who make the same wish. */
  readonly later?: WaitEnd;
}

/** How a wait ends. That is told once. */
export class WaitEnd {
  #outcome: Outcome | undefined;
  #listeners: ((outcome: Outcome) => void)[] = [];

  /** Called in the turn in which it is told, before anybody acts on what came with it; at once where it has been told. */
  onTold(listener: (outcome: Outcome) => void): void {
    if (this.#outcome) listener(this.#outcome);
    else this.#listeners.push(listener);
  }

  told(): Promise<Outcome> {
    return new Promise((resolve) => this.onTold(resolve));
  }

  tell(outcome: Outcome): void {
    if (this.#outcome) return;
    this.#outcome = outcome;
    for (const listener of this.#listeners.splice(0)) listener(outcome);
  }
}

interface Listening {
  readonly end: WaitEnd;
  /** Who asks, or waits. */
  asks: number;
}

/** A wish that has not been answered. */
interface Asking {
  /** The latest end of a wait of the same request that was told since the wish was made. */
  told: Outcome | undefined;
}

export class WaitedGrants {
  readonly #loop: Loop;
  readonly #listening = new Map<string, Listening>();
  /** By request; also those of which the books are being asked whether they wait. */
  readonly #asking = new Map<string, Set<Asking>>();

  constructor(loop: Loop) {
    this.#loop = loop;
    loop.subscribe((message) => {
      if (message.type === "decided") this.#decided(message);
    });
  }

  /** Requests that are listened for: those that are being asked and those that wait, of which the queues have a bound. */
  get size(): number {
    return this.#listening.size;
  }

  /** The answer, which may be that it waits. */
  async ask(wish: OpenWish): Promise<GrantAnswer> {
    const asking: Asking = { told: undefined };
    const all = this.#asking.get(keyOf(wish)) ?? new Set();
    this.#asking.set(keyOf(wish), all.add(asking));
    try {
      return await this.#ask(wish, asking);
    } finally {
      all.delete(asking);
      if (all.size === 0) this.#asking.delete(keyOf(wish));
    }
  }

  async #ask(wish: OpenWish, asking: Asking): Promise<GrantAnswer> {
    const listening = this.#listen(wish);
    const outcome = await this.#loop.ask({ type: "grant", wish });
    if (outcome.type !== "queued") {
      this.#leave(wish, listening);
      return { outcome };
    }
    const isUnclear = [...(this.#asking.get(keyOf(wish)) ?? [])].some(({ told }) => told !== undefined);
    return { outcome, later: isUnclear ? await this.#endOfPresent(wish, { asking, listening }) : listening.end };
  }

  /**
   * Of a request that began to wait in about the moment in which a wait of it ended: what was told may be the end of either. All who ask at
   * that moment go this way, so that they have their answers in the order in which they asked.
   */
  async #endOfPresent(
    wish: OpenWish,
    { asking, listening }: { readonly asking: Asking; readonly listening: Listening },
  ): Promise<WaitEnd> {
    this.#leave(wish, listening);
    const present = this.#listen(wish);
    let waits = false;
    try {
      waits = await this.#loop.read((state) => waitsFor(state, wish));
    } finally {
      if (!waits) this.#leave(wish, present);
    }
    if (!waits && asking.told) present.end.tell(asking.told);
    return present.end;
  }

  /** The end of a wait that has begun before; also that of an earlier life of this daemon. */
  endOf(request: WaitedRequest): WaitEnd {
    return this.#listen(request).end;
  }

  /** The answer, after the wait if it must wait. The wait ends when `signal` aborts, unless others make the same wish. */
  async await(wish: OpenWish, signal: AbortSignal): Promise<Outcome> {
    const { outcome, later } = await this.ask(wish);
    if (!later) return outcome;
    const leave = () => {
      const listening = this.#listening.get(keyOf(wish));
      if (!listening) return;
      listening.asks -= 1;
      if (listening.asks === 0) this.cancel(wish);
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    try {
      return await later.told();
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** It need not be met any more. How its wait ends is told all the same. */
  cancel({ caller, requestId }: WaitedRequest): void {
    this.#loop.submit({ type: "cancel_request", caller, requestId }, () => undefined);
  }

  #decided(message: Extract<Message, { readonly type: "decided" }>): void {
    const key = keyOf(message);
    const listening = this.#listening.get(key);
    this.#listening.delete(key);
    for (const asking of this.#asking.get(key) ?? []) asking.told = message.outcome;
    listening?.end.tell(message.outcome);
  }

  #listen(request: WaitedRequest): Listening {
    const key = keyOf(request);
    const listening = this.#listening.get(key) ?? { end: new WaitEnd(), asks: 0 };
    listening.asks += 1;
    this.#listening.set(key, listening);
    return listening;
  }

  #leave(request: WaitedRequest, listening: Listening): void {
    listening.asks -= 1;
    const key = keyOf(request);
    if (listening.asks === 0 && this.#listening.get(key) === listening) this.#listening.delete(key);
  }
}

export function keyOf({ caller, requestId }: WaitedRequest): string {
  return `${caller}\n${requestId}`;
}
