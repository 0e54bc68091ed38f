/**
 * Packs the items of one stream into messages: what is handed over in one turn of the event loop goes out together, as many items and
 * bytes to a message as may be. A reader that does not keep up holds them back here, up to a bound.
 */
import { LIMITS } from "#std";
import type { DuplexStream } from "./duplex-stream.ts";
import type { Feed } from "./feed.ts";
import { bytesAtMost } from "./message-bytes.ts";

/** Sizes are estimated from above; half the largest message leaves room for an estimate that is wrong. */
const BYTES_MAX = LIMITS.messageBytesMax / 2;

export interface ItemSenderOptions<Item, Out> {
  readonly stream: Pick<DuplexStream<never, Out>, "send" | "onDrain" | "close">;
  readonly pack: (items: readonly Item[]) => Out;
  /** Bytes that an item takes in a message, at most. */
  readonly bytesOf: (item: Item) => number;
  /** Whether no other item may follow this one in the same message. Default: never. */
  readonly endsMessage?: (item: Item) => boolean;
  /** Told when what waited, or some of it, has been handed to the stream: there may be room again. */
  readonly onSent?: () => void;
}

export class ItemSender<Item, Out> {
  readonly #options: ItemSenderOptions<Item, Out>;
  #pending: Item[] = [];
  #scheduled = false;
  /** The stream has said that enough is waiting. */
  #full = false;

  constructor(options: ItemSenderOptions<Item, Out>) {
    this.#options = options;
    options.stream.onDrain(() => {
      this.#full = false;
      this.#flush();
    });
  }

  /** Whether this many more items may be handed over. */
  hasRoom(count: number): boolean {
    return this.#pending.length + count <= LIMITS.streamBacklogItemsMax;
  }

  /** There must be room. */
  push(item: Item): void {
    this.#pending.push(item);
    if (this.#scheduled || this.#full) return;
    this.#scheduled = true;
    void Promise.resolve().then(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Sends a message ahead of what waits. */
  sendNow(message: Out): void {
    this.#full = !this.#options.stream.send(message);
  }

  /** Hands everything that waits to the stream and ends this side of it. */
  close(): void {
    this.#full = false;
    while (this.#pending.length > 0) this.#sendSome();
    this.#options.stream.close();
  }

  #flush(): void {
    if (this.#full || this.#pending.length === 0) return;
    while (this.#pending.length > 0 && !this.#full) this.#full = !this.#sendSome();
    this.#options.onSent?.();
  }

  #sendSome(): boolean {
    const { pack, stream } = this.#options;
    const pending = this.#pending;
    // One alone goes as it is, whatever it takes.
    const count = pending.length === 1 ? 1 : this.#fittingTogether();
    const all = count === pending.length;
    const items = all ? pending : pending.slice(0, count);
    this.#pending = all ? [] : pending.slice(count);
    return stream.send(pack(items));
  }

  /** How many of those that wait go into one message, from the first on. */
  #fittingTogether(): number {
    const { bytesOf, endsMessage } = this.#options;
    let count = 0;
    let bytes = 0;
    for (const item of this.#pending) {
      bytes += bytesOf(item);
      if (count === LIMITS.streamItemsMax || (count > 0 && bytes > BYTES_MAX)) break;
      count += 1;
      if (endsMessage?.(item)) break;
    }
    return count;
  }
}

/** `parts` in groups that each fit into one message; at least one group, be it empty. */
export function inMessages<T>(parts: readonly T[], bytesOf: (part: T) => number): T[][] {
  let group: T[] = [];
  let bytes = 0;
  const groups = [group];
  for (const part of parts) {
    bytes += bytesOf(part);
    if (group.length > 0 && (bytes > BYTES_MAX || group.length === LIMITS.streamItemsMax)) {
      group = [];
      groups.push(group);
      bytes = bytesOf(part);
    }
    group.push(part);
  }
  return groups;
}

/** What comes out of a feed, in groups that each fit into one message: what waits at the same time comes together. */
export async function* together<T extends object>(feed: Feed<T>): AsyncIterable<T[]> {
  for await (const first of feed) yield* inMessages([first, ...feed.takeAll()], bytesAtMost);
}
