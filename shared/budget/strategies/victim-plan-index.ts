/**
 * Whom a node may look at for a claim, without walking all its children: per priority the open ones, by (opened, id), in chunks. A look
 * takes of each lower level the latest granted of those who are not protected any more, so many at most, in O(log n) plus what it takes;
 * adding and removing cost O(log n) and a chunk. What is in it depends on who is in it alone, not on how they came and went, so a daemon
 * that starts again looks at the same ones. One that went on after a pause stands where it was opened; the plan spares it all the same. It is kept only for nodes whose strategy preempts.
 */
import { assert } from "#std";
import { PRIORITIES, type Priority } from "../policy.ts";
import { levelOf } from "./victim-plan-candidate.ts";

/** An allocation, as far as the index goes by it. These fields never change. */
export interface Indexed {
  readonly id: string;
  readonly priority: Priority;
  readonly openedAtMs: number;
}

export interface LookOptions {
  /** Base priority of the claimant: only lower levels are looked at. */
  readonly below: Priority;
  /** Opened later than this is protected still. */
  readonly openedUntilMs: number;
  /** Of each level. */
  readonly max: number;
  /** Protected ones of each level, for the answer that says who is spared. */
  readonly freshMax: number;
}

export interface Look<T> {
  /** The lowest level first, in each the latest opened first. */
  readonly items: readonly T[];
  readonly fresh: readonly T[];
  /** There are more. */
  readonly cut: boolean;
}

export class VictimIndex<T extends Indexed> {
  readonly #levels: readonly Level<T>[] = PRIORITIES.map(() => new Level<T>());

  get size(): number {
    return this.#levels.reduce((sum, { size }) => sum + size, 0);
  }

  add(item: T): void {
    this.#level(item).add(item);
  }

  /** The item must be there. */
  remove(item: T): void {
    this.#level(item).remove(item);
  }

  look({ below, openedUntilMs, max, freshMax }: LookOptions): Look<T> {
    const items: T[] = [];
    const fresh: T[] = [];
    let cut = false;
    for (const level of this.#levels.slice(0, levelOf(below))) {
      const end = level.openedUntil(openedUntilMs);
      const taken = level.before(end, max);
      items.push(...taken.items);
      fresh.push(...level.after(end, freshMax));
      cut ||= taken.cut;
    }
    return { items, fresh, cut };
  }

  #level({ priority }: Indexed): Level<T> {
    const level = this.#levels[levelOf(priority)];
    assert(level !== undefined, "each priority has a level");
    return level;
  }
}

const CHUNK_MAX = 256;

/** Between two items: before the one at `at` of the chunk `chunk`, or behind the last of the chunk before it. */
interface Gap {
  readonly chunk: number;
  readonly at: number;
}

type Before<T> = (item: T) => boolean;

/** The items of one priority in order. No chunk is empty. */
class Level<T extends Indexed> {
  readonly #chunks: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    const gap = this.#gap((other) => isBefore(other, item));
    // Behind the last item it goes into the last chunk.
    const chunk = Math.min(gap.chunk, Math.max(0, this.#chunks.length - 1));
    const items = this.#chunks[chunk] ?? [];
    const at = gap.chunk === chunk ? gap.at : items.length;
    assert(items[at]?.id !== item.id, `${item.id} is in the index already`);
    if (this.#chunks.length === 0) this.#chunks.push(items);
    items.splice(at, 0, item);
    this.#size += 1;
    if (items.length <= CHUNK_MAX) return;
    // Items mostly come at the end: there the full chunk is left full.
    const behind = items.splice(at === CHUNK_MAX ? at : CHUNK_MAX / 2);
    this.#chunks.splice(chunk + 1, 0, behind);
  }

  remove(item: T): void {
    const { chunk, at } = this.#gap((other) => isBefore(other, item));
    const items = this.#chunks[chunk];
    assert(items?.[at] === item, `${item.id} is not in the index`);
    this.#size -= 1;
    items.splice(at, 1);
    if (items.length === 0) this.#chunks.splice(chunk, 1);
  }

  openedUntil(timeMs: number): Gap {
    return this.#gap(({ openedAtMs }) => openedAtMs <= timeMs);
  }

  /** The nearest ones before the gap, the last first. */
  before(gap: Gap, max: number): { readonly items: readonly T[]; readonly cut: boolean } {
    const items: T[] = [];
    let { chunk, at } = gap;
    for (;;) {
      if (at === 0) {
        chunk -= 1;
        const next = this.#chunks[chunk];
        if (next === undefined) return { items, cut: false };
        at = next.length;
      }
      if (items.length >= max) return { items, cut: true };
      at -= 1;
      items.push(this.#chunks[chunk]?.[at] as T);
    }
  }

  /** The nearest ones behind the gap, the first first: those whose protection ends soonest. */
  after({ chunk, at }: Gap, max: number): T[] {
    const items: T[] = [];
    for (let from = at, of = chunk; items.length < max; from = 0, of += 1) {
      const next = this.#chunks[of];
      if (next === undefined) break;
      items.push(...next.slice(from, from + max - items.length));
    }
    return items;
  }

  /** Behind the last item that is before; those who are come first. */
  #gap(isItemBefore: Before<T>): Gap {
    const chunk = countBefore(this.#chunks, (items) => isItemBefore(items[items.length - 1] as T));
    return { chunk, at: countBefore(this.#chunks[chunk] ?? [], isItemBefore) };
  }
}

function isBefore(a: Indexed, b: Indexed): boolean {
  return a.openedAtMs < b.openedAtMs || (a.openedAtMs === b.openedAtMs && a.id < b.id);
}

/** How many at the front of the list are before; behind them none is. */
function countBefore<I>(list: readonly I[], isItemBefore: (item: I) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isItemBefore(list[middle] as I)) low = middle + 1;
    else high = middle;
  }
  return low;
}
