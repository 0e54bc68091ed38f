/**
 * Requests that would wait for each other for ever. Who waits for a name waits for all who hold it so that both cannot have it, and for those
 * before it in the line; who holds a name gives it back when its work has ended, and its work waits for what is asked for below it. A circle
 * of this can only come about with a request that begins to wait, and goes through it: it is looked for then, and the request is refused;
 * or when the order of turns changes, after which all who wait are looked at (access-circles.ts).
 */
import { LIMITS } from "#std";
import { type Access, type AccessMode, goTogether } from "./access.ts";
import type { NameBook, NameGroup } from "./access-names.ts";
import { comparePlaces, type LinePlace } from "./access-order.ts";
import { type Allocation, isUnder, type Waiter } from "./state.ts";

/** A request that would begin to wait. */
export interface Newcomer {
  readonly parent: Allocation;
  /** Of the allocation that it asks for. */
  readonly path: string;
  readonly access: readonly Access[];
  readonly place: LinePlace;
}

/** One who waits, in the search. */
interface Step {
  readonly parent: Allocation;
  readonly path: string;
  readonly wants: readonly {
    readonly group: NameGroup<Allocation> | undefined;
    readonly name: string;
    readonly mode: AccessMode;
  }[];
  readonly place: LinePlace | undefined;
  /** How the search came here: who waits, and for what. */
  readonly from: { readonly step: Step; readonly words: string } | undefined;
}

/** The circle in words, undefined when there is none, and "unknown" when too many wait to tell. */
export function circleThrough(names: NameBook<Allocation>, newcomer: Newcomer): string | "unknown" | undefined {
  const search = new Search(names, newcomer);
  return search.run();
}

class Search {
  readonly #names: NameBook<Allocation>;
  readonly #newcomer: Newcomer;
  readonly #start: Step;
  readonly #seen = new Set<Waiter>();
  readonly #steps: Step[];
  #looks = 0;

  constructor(names: NameBook<Allocation>, newcomer: Newcomer) {
    this.#names = names;
    this.#newcomer = newcomer;
    const { parent, path, access, place } = newcomer;
    const wants = access.map(({ name, mode }) => ({ group: names.groupFor(parent, name), name, mode }));
    this.#start = { parent, path, wants, place, from: undefined };
    this.#steps = [this.#start];
  }

  run(): string | "unknown" | undefined {
    for (let step = this.#steps.shift(); step; step = this.#steps.shift()) {
      for (const { group, mode } of step.wants) {
        if (!group) continue;
        const closed = this.#throughHolders(step, group, mode) ?? this.#throughLine(step, group, mode);
        if (closed !== undefined) return closed;
        if (this.#looks > LIMITS.accessWaitsScanMax) return "unknown";
      }
    }
    return undefined;
  }

  /** Work that holds the name waits for what is asked for below it. */
  #throughHolders(step: Step, group: NameGroup<Allocation>, mode: AccessMode): string | undefined {
    if (group.leaves(mode)) return undefined;
    const below = this.#askedBelow(group.holders);
    for (const [holder, waiters] of below) {
      const from = { step, words: `${step.path} waits for ${group.name}, which ${holder.path} holds` };
      if (isUnder(this.#newcomer.parent, holder)) return circleWords(from);
      for (const waiter of waiters) this.#go(waiter, from);
    }
    return undefined;
  }

  /** Those who wait for names at or below each of the holders; and the holders above the newcomer. */
  #askedBelow(holders: ReadonlyMap<Allocation, AccessMode>): Map<Allocation, Waiter[]> {
    const below = new Map<Allocation, Waiter[]>();
    const note = (parent: Allocation | undefined, waiter?: Waiter) => {
      for (let at = parent; at; at = at.parent) {
        if (!holders.has(at)) continue;
        const waiters = below.get(at) ?? [];
        below.set(at, waiters);
        if (waiter) waiters.push(waiter);
      }
    };
    note(this.#newcomer.parent);
    for (const waiter of this.#names.waiters()) {
      this.#looks += 1;
      if (!this.#seen.has(waiter)) note(this.#names.parentOf(waiter), waiter);
    }
    for (const waiters of below.values()) waiters.sort((a, b) => a.sequence - b.sequence);
    return below;
  }

  /** Who wants the name waits for those before it that want it too. */
  #throughLine(step: Step, group: NameGroup<Allocation>, mode: AccessMode): string | undefined {
    const place = step.place;
    if (!place) return undefined;
    const words = (path: string) => `${step.path} waits for ${group.name}, for which ${path} has its turn before`;
    if (step !== this.#start && this.#isBefore(group, mode, place)) {
      return circleWords({ step, words: words(this.#newcomer.path) });
    }
    for (const { waiter } of group.before(place, mode)) {
      this.#looks += 1;
      this.#go(waiter, { step, words: words(pathOf(this.#names, waiter)) });
    }
    return undefined;
  }

  #isBefore(group: NameGroup<Allocation>, mode: AccessMode, place: LinePlace): boolean {
    const wanted = this.#start.wants.find((want) => want.group === group);
    return wanted !== undefined && !goTogether(wanted.mode, mode) && comparePlaces(this.#newcomer.place, place) < 0;
  }

  #go(waiter: Waiter, from: Step["from"]): void {
    if (this.#seen.has(waiter)) return;
    this.#seen.add(waiter);
    const parent = this.#names.parentOf(waiter);
    if (!parent) return;
    const wanted = this.#names.wantsOf(waiter);
    const wants = wanted.map(({ group, one: { mode } }) => ({ group, name: group.name, mode }));
    this.#steps.push({ parent, path: pathOf(this.#names, waiter), wants, place: wanted[0]?.one.place, from });
  }
}

function pathOf(names: NameBook<Allocation>, waiter: Waiter): string {
  const { request } = waiter;
  const above = names.parentOf(waiter)?.path ?? waiter.parentId;
  return request.type === "open" ? `${above}/${request.name}` : above;
}

/** From the newcomer around; of a long one the beginning and the end. */
function circleWords(last: NonNullable<Step["from"]>): string {
  const words: string[] = [];
  for (let at: Step["from"] = last; at; at = at.step.from) words.unshift(at.words);
  const more = words.length - LIMITS.accessCircleToldMax;
  if (more > 0) words.splice(LIMITS.accessCircleToldMax - 1, more, `and so on, over ${more} more`);
  return words.join("; ");
}
