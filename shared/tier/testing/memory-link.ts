/**
 * The connections between a child and its parent in memory: in order, through the virtual clock, never within the call that sends.
 * A connection can be cut (in flight is lost, or one side learns of it late), a reader can stall until the backlog is full, and what had
 * arrived before a cut can arrive again behind the next hello: all that the Link port says may happen.
 */
import { RefusalError } from "#errors";
import type { ChildLink, Clock, DownItem, Link, ParentLink, UpItem } from "#ports";
import { LIMITS } from "#std";

export interface MemoryWireOptions {
  readonly clock: Clock;
  /** Takes the parent's end of each connection; undefined while nobody listens there. */
  readonly accept: () => ((link: ParentLink) => void) | undefined;
  /** Milliseconds that the next batch is under way; order is kept. Default none. */
  readonly latencyMs?: () => number;
  /** Items that may be under way in one direction; default LIMITS.streamBacklogItemsMax. */
  readonly backlogItemsMax?: number;
}

/** Until a side learns of the cut, what was under way to it still arrives, and what it sends is lost. Default: both at once. */
export interface CutOptions {
  readonly childLearnsAfterMs?: number;
  readonly parentLearnsAfterMs?: number;
  /** How many of the items that had arrived last, in each direction, arrive once more on the next connection; default none. */
  readonly repeat?: number;
}

interface Repeats {
  readonly up: readonly UpItem[];
  readonly down: readonly DownItem[];
}

const RECENT_MAX = 256;
const NO_REPEATS: Repeats = { up: [], down: [] };

export class MemoryWire {
  /** Everything that arrived, hello and welcome included, in order. */
  readonly arrived: { up: UpItem[]; down: DownItem[] } = { up: [], down: [] };
  /** False: dialling fails, as when the parent is down. */
  reachable = true;
  dials = 0;
  readonly #options: MemoryWireOptions;
  #child: End<UpItem, DownItem> | undefined;
  #repeats = NO_REPEATS;

  constructor(options: MemoryWireOptions) {
    this.#options = options;
  }

  /** Opens a connection. One that cannot be opened is lost a moment later, as a dialled stream would be. */
  readonly dial = (): ChildLink => {
    this.dials += 1;
    const { clock, accept, latencyMs = () => 0, backlogItemsMax = LIMITS.streamBacklogItemsMax } = this.#options;
    const { up, down } = this.#repeats;
    this.#repeats = NO_REPEATS;
    const shared = { clock, latencyMs, backlogItemsMax };
    const child = new End<UpItem, DownItem>({ ...shared, repeats: down, arrived: this.arrived.down });
    const parent = new End<DownItem, UpItem>({ ...shared, repeats: up, arrived: this.arrived.up });
    child.peer = parent;
    parent.peer = child;
    this.#child = child;
    const take = this.reachable ? accept() : undefined;
    if (take) take(parent);
    else this.cut({}, new Error("connection refused"));
    return child;
  };

  /** The present connection is lost. */
  cut(options: CutOptions = {}, error = new Error("connection reset")): void {
    const child = this.#child;
    if (!child) return;
    const { childLearnsAfterMs = 0, parentLearnsAfterMs = 0, repeat = 0 } = options;
    this.#child = undefined;
    if (repeat > 0) this.#repeats = { up: lastOf(this.arrived.up, repeat), down: lastOf(this.arrived.down, repeat) };
    child.peer?.lose(error, parentLearnsAfterMs);
    child.lose(error, childLearnsAfterMs);
  }

  /** The side stops reading the present connection; what is sent to it piles up. */
  stall(side: "child" | "parent"): void {
    const end = side === "child" ? this.#child : this.#child?.peer;
    end?.stall();
  }
}

/** The first items of a connection belong to it alone. */
function lastOf<T extends { readonly type: string }>(items: readonly T[], count: number): T[] {
  const able = items.slice(-RECENT_MAX).filter(({ type }) => type !== "hello" && type !== "welcome");
  return able.slice(-count);
}

interface EndOptions<In> {
  readonly clock: Clock;
  readonly latencyMs: () => number;
  readonly backlogItemsMax: number;
  readonly repeats: readonly In[];
  readonly arrived: In[];
}

type Ending = "end" | RefusalError;

function isEnding(arrived: readonly unknown[] | Ending): arrived is Ending {
  return arrived === "end" || arrived instanceof RefusalError;
}

/** One side of a connection. */
class End<Out, In> implements Link<Out, In> {
  peer: End<In, Out> | undefined;
  readonly #options: EndOptions<In>;
  #repeats: readonly In[];
  /** `end` stands for the peaceful close of the other side, a refusal for one that says why. */
  readonly #inbox: (readonly In[] | Ending)[] = [];
  #backlogItems = 0;
  #lastArrivalMs = 0;
  #reads = true;
  /** `lost`: nothing of what it sends arrives, but it does not know yet. */
  #state: "open" | "lost" | "closed" = "open";
  #onItems: (items: readonly In[]) => void = () => undefined;
  #onClose: (error?: Error) => void = () => undefined;

  constructor(options: EndOptions<In>) {
    this.#options = options;
    this.#repeats = options.repeats;
  }

  onItems(handler: (items: readonly In[]) => void): void {
    this.#onItems = handler;
  }

  onClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
  }

  send(items: readonly Out[]): boolean {
    const { peer } = this;
    if (this.#state === "closed" || !peer) return false;
    if (this.#state === "lost") return true;
    if (peer.#backlogItems + items.length > this.#options.backlogItemsMax) {
      const error = new Error("the other side does not read");
      this.#over(error);
      peer.#over(error);
      return false;
    }
    peer.#arriving([...items]);
    return true;
  }

  /** What was sent before still arrives. */
  close(refusal?: RefusalError): void {
    if (this.#state === "closed") return;
    const { peer } = this;
    const wasLost = this.#state === "lost";
    this.#over(refusal);
    if (!wasLost && peer) peer.#arriving(refusal ?? "end");
  }

  lose(error: Error, afterMs: number): void {
    if (this.#state !== "open") return;
    this.#state = "lost";
    if (afterMs === 0) this.#over(error);
    else this.#options.clock.after(afterMs, () => this.#over(error));
  }

  stall(): void {
    this.#reads = false;
  }

  #over(error: Error | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#inbox.length = 0;
    this.#options.clock.soon(() => this.#onClose(error));
  }

  #arriving(items: readonly In[] | Ending): void {
    const { clock, latencyMs } = this.#options;
    this.#inbox.push(items);
    this.#backlogItems += isEnding(items) ? 0 : items.length;
    const nowMs = clock.monotonicMs();
    // A shorter way does not overtake a longer one.
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, nowMs + latencyMs());
    const delayMs = this.#lastArrivalMs - nowMs;
    if (delayMs > 0) clock.after(delayMs, () => this.#arrive());
    else clock.soon(() => this.#arrive());
  }

  #arrive(): void {
    if (!this.#reads || this.#state === "closed") return;
    const items = this.#inbox.shift();
    if (items === undefined) return;
    if (isEnding(items)) {
      this.#over(items === "end" ? undefined : items);
      return;
    }
    this.#backlogItems -= items.length;
    this.#hand(items);
    const again = this.#repeats;
    this.#repeats = [];
    if (again.length > 0) this.#hand(again);
  }

  #hand(items: readonly In[]): void {
    this.#options.arrived.push(...items);
    this.#onItems(items);
  }
}
