/**
 * Circles among those who wait for names already. Each newcomer is checked as it comes (access-circle.ts), for the order in which requests have
 * their turns then; when that order changes, one who came later may have its turn first, and a circle may close without a newcomer.
 * All of them are looked at at once, in time that grows with their number: along a line it is enough to wait for those up to the nearest
 * before it who excludes the rest.
 */
import { assert } from "#std";
import type { NameBook, NameGroup } from "./access-names.ts";
import { NO_LIST } from "./collections.ts";
import type { Allocation, Waiter } from "./state.ts";

/** One who waits, or one who holds names and waits for what is asked for below it. */
type Point = Waiter | Allocation;

/** Of each set of those who wait for each other the one that came last; the latest first. None: nobody waits for itself. */
export function lastOnCircles(names: NameBook<Allocation>): Waiter[] {
  const waits = new Waits();
  for (const waiter of names.waiters()) {
    for (let at = names.parentOf(waiter); at; at = at.parent) if (names.heldBy(at)) waits.add(at, waiter);
  }
  for (const group of names.groups()) addLine(waits, group);
  return waits.circles().map(lastOf).sort(byComing);
}

function byComing(a: Waiter, b: Waiter): number {
  return b.sequence - a.sequence;
}

/** Those who hold names wait for others only through those who are asked for below them: one of these is there. */
function lastOf(circle: readonly Point[]): Waiter {
  const [last] = circle.filter((point) => "effectKey" in point).sort(byComing);
  assert(last !== undefined, "somebody waits on every circle");
  return last;
}

function addLine(waits: Waits, { line, holders, mode: held }: NameGroup<Allocation>): void {
  let alone: Waiter | undefined;
  let sharing: Waiter[] = [];
  for (const { waiter, mode } of line) {
    if (alone) waits.add(waiter, alone);
    else if (mode === "EXCLUSIVE" || held === "EXCLUSIVE") waits.add(waiter, ...holders.keys());
    if (mode === "SHARED") {
      sharing.push(waiter);
      continue;
    }
    waits.add(waiter, ...sharing);
    alone = waiter;
    sharing = [];
  }
}

class Waits {
  readonly #for = new Map<Point, Point[]>();

  add(point: Point, ...others: readonly Point[]): void {
    const known = this.#for.get(point);
    if (known) known.push(...others);
    else this.#for.set(point, [...others]);
  }

  /** The sets of those who all wait for each other, in one walk over all waits (Tarjan's strongly connected components, those of more than one). */
  circles(): Point[][] {
    const walk = new Walk(this.#for);
    for (const point of this.#for.keys()) walk.from(point);
    return walk.circles;
  }
}

/** One who is on the way of the walk, and for whom it waits that was not gone to yet. */
interface Way {
  readonly point: Point;
  readonly others: Iterator<Point, undefined>;
}

class Walk {
  readonly circles: Point[][] = [];
  readonly #for: ReadonlyMap<Point, readonly Point[]>;
  /** In the order in which they were come to. */
  readonly #numbers = new Map<Point, number>();
  /** The smallest number of one that is not settled to which each leads. */
  readonly #lowest = new Map<Point, number>();
  readonly #settled = new Set<Point>();
  readonly #unsettled: Point[] = [];
  readonly #way: Way[] = [];

  constructor(waits: ReadonlyMap<Point, readonly Point[]>) {
    this.#for = waits;
  }

  from(start: Point): void {
    if (this.#numbers.has(start)) return;
    this.#enter(start);
    for (let at = this.#way.at(-1); at; at = this.#way.at(-1)) {
      const { value: other } = at.others.next();
      if (!other) this.#leave(at.point);
      else if (!this.#numbers.has(other)) this.#enter(other);
      else if (!this.#settled.has(other)) this.#leadsTo(at.point, this.#numbers.get(other));
    }
  }

  #enter(point: Point): void {
    const number = this.#numbers.size;
    this.#numbers.set(point, number);
    this.#lowest.set(point, number);
    this.#unsettled.push(point);
    this.#way.push({ point, others: (this.#for.get(point) ?? NO_LIST).values() });
  }

  #leave(point: Point): void {
    this.#way.pop();
    const lowest = this.#lowest.get(point);
    const before = this.#way.at(-1);
    if (before) this.#leadsTo(before.point, lowest);
    if (lowest === this.#numbers.get(point)) this.#settle(point);
  }

  #leadsTo(point: Point, number: number | undefined): void {
    const known = this.#lowest.get(point);
    if (number !== undefined && known !== undefined && number < known) this.#lowest.set(point, number);
  }

  /** All that were come to since the point lead to it, and it to them. */
  #settle(point: Point): void {
    const circle: Point[] = [];
    for (let one = this.#unsettled.pop(); one; one = one === point ? undefined : this.#unsettled.pop()) {
      this.#settled.add(one);
      circle.push(one);
    }
    if (circle.length > 1) this.circles.push(circle);
  }
}
