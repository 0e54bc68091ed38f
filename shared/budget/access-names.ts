/**
 * Who holds which names, and who waits for them: a part of the state, kept in step by evolve-access.ts. Only allocations and requests that
 * name something stand here; where nobody does it is empty, and asking it costs one look at its size.
 *
 * A name has one group for each *scope*: the nearest allocation above the holders that holds the name itself, else the root. Within a group
 * either one holds the name EXCLUSIVE or all hold it SHARED, for none of them stands above another.
 */
import { assert } from "#std";
import { type Access, type AccessMode, goTogether } from "./access.ts";
import { comparePlaces, type LinePlace } from "./access-order.ts";
import type { Waiter } from "./waiter.ts";

/** One who waits for a name. */
export interface InLine {
  readonly waiter: Waiter;
  readonly mode: AccessMode;
  readonly place: LinePlace;
  /** It may have the name now: those who hold it, and those before it in the line, are no hindrance. */
  open: boolean;
}

/** What is asked of an allocation here. */
interface TreeNode<N> {
  readonly path: string;
  readonly parent: N | undefined;
}

export class NameGroup<N extends TreeNode<N>> {
  readonly scope: N;
  readonly name: string;
  /** In the order in which they came to hold it. */
  readonly holders = new Map<N, AccessMode>();
  /** All who wait and want the name, by their turn. Those who may have it now stand in front. */
  readonly line: InLine[] = [];
  #open = 0;

  constructor(scope: N, name: string) {
    this.scope = scope;
    this.name = name;
  }

  /** How the name is held; undefined: by nobody. */
  get mode(): AccessMode | undefined {
    for (const mode of this.holders.values()) return mode;
    return undefined;
  }

  get isEmpty(): boolean {
    return this.holders.size === 0 && this.line.length === 0;
  }

  /** Whether who holds the name leaves room for one more. */
  leaves(mode: AccessMode): boolean {
    return this.mode === undefined || goTogether(this.mode, mode);
  }

  /** Where in the line one with this place stands, or would stand. */
  rankOf(place: LinePlace): number {
    let [low, high] = [0, this.line.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const there = this.line[middle];
      if (there && comparePlaces(there.place, place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Those who wait before this place and want it so that both cannot have it. */
  *before(place: LinePlace, mode: AccessMode): Generator<InLine, void> {
    const rank = this.rankOf(place);
    for (let at = 0; at < rank; at += 1) {
      const other = this.line[at];
      if (other && !goTogether(other.mode, mode)) yield other;
    }
  }

  join(one: InLine): void {
    this.line.splice(this.rankOf(one.place), 0, one);
  }

  leave(one: InLine): void {
    const at = this.rankOf(one.place);
    assert(this.line[at] === one, `${one.waiter.effectKey} does not stand in the line for ${this.name}`);
    this.line.splice(at, 1);
    if (one.open) this.#open -= 1;
  }

  /** Those who may have the name now and could not before, and the other way round; they are marked so from now on. */
  turned(): Waiter[] {
    const open = this.#openNow();
    const found: Waiter[] = [];
    let seen = 0;
    for (let at = 0; at < this.line.length && (at < open || seen < this.#open); at += 1) {
      const one = this.line[at];
      if (!one) break;
      if (one.open) seen += 1;
      if (one.open === at < open) continue;
      one.open = at < open;
      found.push(one.waiter);
    }
    this.#open = open;
    return found;
  }

  #openNow(): number {
    if (this.mode === "EXCLUSIVE") return 0;
    if (this.line[0]?.mode === "EXCLUSIVE") return this.mode === undefined ? 1 : 0;
    const exclusive = this.line.findIndex(({ mode }) => mode === "EXCLUSIVE");
    return exclusive < 0 ? this.line.length : exclusive;
  }
}

/** What one who waits wants, where. */
export interface Wanted<N extends TreeNode<N>> {
  readonly group: NameGroup<N>;
  readonly one: InLine;
}

const NO_WANTS: readonly never[] = Object.freeze([]);

interface Waiting<N extends TreeNode<N>> {
  readonly parent: N;
  readonly wants: readonly Wanted<N>[];
}

export class NameBook<N extends TreeNode<N>> {
  readonly #held = new Map<N, readonly Access[]>();
  readonly #groups = new Map<N, Map<string, NameGroup<N>>>();
  readonly #waiting = new Map<Waiter, Waiting<N>>();
  /** Those who may have all names that they want and could not before, or the other way round; looked at and emptied at the end of each decision. */
  readonly turned = new Set<Waiter>();

  /** Ns that hold names, and requests that wait and want some. */
  get size(): number {
    return this.#held.size + this.#waiting.size;
  }

  /** What the allocation itself holds. */
  heldBy(node: N): readonly Access[] | undefined {
    return this.#held.get(node);
  }

  /** Who holds names, in the order in which they came. */
  holders(): IterableIterator<[N, readonly Access[]]> {
    return this.#held.entries();
  }

  /** Who waits and wants names. */
  waiters(): IterableIterator<Waiter> {
    return this.#waiting.keys();
  }

  *groups(): Generator<NameGroup<N>, void> {
    for (const named of this.#groups.values()) yield* named.values();
  }

  wantsOf(waiter: Waiter): readonly Wanted<N>[] {
    return this.#waiting.get(waiter)?.wants ?? NO_WANTS;
  }

  /** The node at which one waits that wants names. */
  parentOf(waiter: Waiter): N | undefined {
    return this.#waiting.get(waiter)?.parent;
  }

  /** The nearest from this node up that holds the name, and how. */
  nearestHold(node: N, name: string): { readonly holder: N; readonly mode: AccessMode } | undefined {
    for (let at: N | undefined = node; at; at = at.parent) {
      const mode = this.#held.get(at)?.find((access) => access.name === name)?.mode;
      if (mode !== undefined) return { holder: at, mode };
    }
    return undefined;
  }

  /** The group of those who hold the name right below the same hold as a child of `parent` would; undefined: nobody holds it or waits for it. */
  groupFor(parent: N, name: string): NameGroup<N> | undefined {
    return this.#groups.get(this.#scopeFor(parent, name))?.get(name);
  }

  #scopeFor(parent: N, name: string): N {
    const above = this.nearestHold(parent, name);
    if (above) return above.holder;
    let root = parent;
    while (root.parent) root = root.parent;
    return root;
  }

  #groupAt(parent: N, name: string): NameGroup<N> {
    const scope = this.#scopeFor(parent, name);
    const named = this.#groups.get(scope) ?? new Map<string, NameGroup<N>>();
    this.#groups.set(scope, named);
    const group = named.get(name) ?? new NameGroup<N>(scope, name);
    named.set(name, group);
    return group;
  }

  #drop(group: NameGroup<N>): void {
    if (!group.isEmpty) return;
    const named = this.#groups.get(group.scope);
    named?.delete(group.name);
    if (named?.size === 0) this.#groups.delete(group.scope);
  }

  /** From now on it holds these names. What a grant from elsewhere holds is above all that is here. Answers whose standing has changed. */
  hold(node: N, access: readonly Access[]): Waiter[] {
    this.#held.set(node, access);
    const { parent } = node;
    if (!parent) return [];
    return access.flatMap(({ name, mode }) => {
      const group = this.#groupAt(parent, name);
      group.holders.set(node, mode);
      return group.turned();
    });
  }

  /** It holds nothing any more. */
  release(node: N): Waiter[] {
    const access = this.#held.get(node);
    if (!access) return [];
    this.#held.delete(node);
    const { parent } = node;
    if (!parent) return [];
    return access.flatMap(({ name }) => {
      const group = this.#groupAt(parent, name);
      group.holders.delete(node);
      const turned = group.turned();
      this.#drop(group);
      return turned;
    });
  }

  /** One who begins to wait under `parent` stands in the line for each name that it wants. */
  join(parent: N, waiter: Waiter, joining: { access: readonly Access[]; place: LinePlace }): Waiter[] {
    const { access, place } = joining;
    const wants = access.map(({ name, mode }) => {
      const one: InLine = { waiter, mode, place, open: false };
      return { group: this.#groupAt(parent, name), one };
    });
    this.#waiting.set(waiter, { parent, wants });
    return wants.flatMap(({ group, one }) => {
      group.join(one);
      return group.turned();
    });
  }

  leave(waiter: Waiter): Waiter[] {
    const wants = this.wantsOf(waiter);
    this.#waiting.delete(waiter);
    return wants.flatMap(({ group, one }) => {
      group.leave(one);
      const turned = group.turned();
      this.#drop(group);
      return turned;
    });
  }

  /** Whether all names that it wants are to be had, for one of this turn. */
  isOpen(waiter: Waiter): boolean {
    return this.wantsOf(waiter).every(({ one }) => one.open);
  }
}
