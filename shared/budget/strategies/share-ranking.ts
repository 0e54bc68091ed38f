/**
 * Who holds more, and who less, for its weight: the holders of one resource ranked by what they hold divided by their rate, which is the
 * level at which they stand. Who stands above the water holds more than its share, if it holds more than its `min`; who stands below it
 * holds less, if it holds less than its `max`. So there are two rankings, and in both what is looked for comes first.
 */
import { LIMITS, RankedList } from "#std";
import { compareHeights, type Height, type Mark, markAt } from "./share-level.ts";
import type { Part, Standing } from "./share-seat.ts";

const MEASURES_NOTHING = {
  zero: () => undefined,
  addItem: () => undefined,
  addTotal: () => undefined,
  takeItem: () => true,
} as const;

function ranking(compare: (a: Mark, b: Mark) => number): RankedList<Mark, Standing, undefined> {
  return new RankedList({ compare, measure: MEASURES_NOTHING });
}

/** Among equals who came last gives back first, and who came first is given first. */
const latestFirst = (a: Mark, b: Mark): number => b.sequence - a.sequence || b.number - a.number;

export class ShareRanking {
  readonly #most = ranking((a, b) => compareHeights(b, a) || latestFirst(a, b));
  readonly #least = ranking((a, b) => compareHeights(a, b) || -latestFirst(a, b));

  add(part: Part): void {
    const { seat, held, min, max, rate } = part;
    const at = (height: number): Standing => markAt({ at: height, rate, turn: 0, arrival: seat, owner: part });
    part.above = held > min ? at(held) : undefined;
    // Who has not got what it needs at least stands at the bottom, whatever it holds.
    part.below = held < min ? at(0) : held < max ? (part.above ?? at(held)) : undefined;
    if (part.above) this.#most.add(part.above);
    if (part.below) this.#least.add(part.below);
  }

  remove({ above, below }: Part): void {
    if (above) this.#most.remove(above);
    if (below) this.#least.remove(below);
  }

  /** Who stands above the level and has more than its `min`, the highest first. Nobody does where all are full. */
  *above(level: Height | undefined): Generator<Standing, void> {
    if (!level) return;
    for (const standing of this.#most) {
      if (compareHeights(standing, level) <= 0) return;
      yield standing;
    }
  }

  /** Who has less than its `min`, and then who stands below the level and has less than its `max`, the lowest first. */
  *below(level: Height | undefined): Generator<Standing, void> {
    let passed = 0;
    for (const standing of this.#least) {
      const { held, min } = standing.owner;
      if (!level || held < min || compareHeights(standing, level) < 0) {
        yield standing;
        continue;
      }
      // At a level of zero those who have less than their `min` stand among others at the bottom.
      passed += 1;
      if (standing.numerator > 0 || passed > LIMITS.shareScanMax) return;
    }
  }
}

/** Two rankings as one. */
export function* merged(
  one: Iterator<Standing, void>,
  other: Iterator<Standing, void>,
  compare: (a: Height, b: Height) => number,
): Generator<Standing, void> {
  let [a, b] = [one.next(), other.next()];
  while (!a.done || !b.done) {
    if (!a.done && (b.done || compare(a.value, b.value) <= 0)) {
      yield a.value;
      a = one.next();
    } else if (!b.done) {
      yield b.value;
      b = other.next();
    }
  }
}
