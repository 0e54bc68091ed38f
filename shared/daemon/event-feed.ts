/**
 * What happened in one piece of work, from its beginning, for any number of followers who come when they like. Bounded: beyond the
 * bound the oldest events between the first and the latest are dropped.
 */
import { Feed } from "#rpc";
import { LIMITS } from "#std";

/** Numbers of the events of one piece of work in one life of its daemon: above all that an earlier life gave. */
export function eventNumbers(lives: number): () => bigint {
  let last = BigInt(lives) << 32n;
  return () => {
    last += 1n;
    return last;
  };
}

export class EventFeed<T> {
  readonly #events: T[] = [];
  readonly #followers = new Set<Feed<T>>();
  #ended = false;
  #failure: Error | undefined;

  get ended(): boolean {
    return this.#ended;
  }

  push(event: T): void {
    if (this.#ended) return;
    this.#events.push(event);
    if (this.#events.length > LIMITS.feedEventsMax) this.#events.splice(1, 1);
    for (const follower of this.#followers) follower.push(event);
  }

  /** No more comes; followers end after the last event, with the failure if there is one, also those who come later. */
  end(failure?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    if (failure !== undefined) this.#failure = failure instanceof Error ? failure : new Error(String(failure));
    for (const follower of this.#followers) follower.end(this.#failure);
    this.#followers.clear();
  }

  /** The events so far and those to come. */
  follow(): Feed<T> {
    const feed: Feed<T> = new Feed<T>({ onLeft: () => this.#followers.delete(feed) });
    for (const event of this.#events) feed.push(event);
    if (this.#ended) feed.end(this.#failure);
    else this.#followers.add(feed);
    return feed;
  }
}
