/** The ranked list beside the obvious one: an array that is sorted anew after every change. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InvariantError } from "./assert.ts";
import { RankedList } from "./ranked-list.ts";

interface Entry {
  readonly key: number;
  readonly weight: number;
}

/** Weights add up to at most this. */
const MOST = 500;

function emptyList() {
  return new RankedList<Pick<Entry, "key">, Entry, { weight: number; heaviest: number }>({
    compare: (a, b) => a.key - b.key,
    measure: {
      zero: () => ({ weight: 0, heaviest: 0 }),
      addItem: (total, { weight }) => {
        total.weight = Math.min(MOST, total.weight + weight);
        total.heaviest = Math.max(total.heaviest, weight);
      },
      addTotal: (total, other) => {
        total.weight = Math.min(MOST, total.weight + other.weight);
        total.heaviest = Math.max(total.heaviest, other.heaviest);
      },
    },
  });
}

function totalOf(entries: readonly Entry[]) {
  const weight = entries.reduce((sum, entry) => sum + entry.weight, 0);
  return { weight: Math.min(MOST, weight), heaviest: Math.max(0, ...entries.map((entry) => entry.weight)) };
}

const entry = fc.record<Entry>({ key: fc.nat(400), weight: fc.nat(9) });
const change = fc.oneof(
  { weight: 3, arbitrary: fc.record({ add: fc.constant(true), entry }) },
  { weight: 2, arbitrary: fc.record({ add: fc.constant(false), entry }) },
);

describe("a ranked list", () => {
  test("ranks, sums and finds as a sorted array does", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 600, size: "max" }), fc.nat(400), fc.nat(9), (changes, key, heavy) => {
        const list = emptyList();
        let plain: Entry[] = [];
        for (const { add, entry: one } of changes) {
          const known = plain.find((other) => other.key === one.key);
          if (add && !known) {
            list.add(one);
            plain = [...plain, one].sort((a, b) => a.key - b.key);
          } else if (!add && known) {
            list.remove(known);
            plain = plain.filter((other) => other !== known);
          }
        }
        const before = plain.filter((other) => other.key < key);
        expect([...list]).toEqual(plain);
        expect([list.size, list.total]).toEqual([plain.length, totalOf(plain)]);
        expect(list.placeOf({ key })).toEqual({ rank: before.length, before: totalOf(before) });
        expect(list.before({ key })).toEqual(totalOf(before));
        for (const rank of [-1, 0, before.length, plain.length - 1, plain.length]) {
          expect(list.at(rank)).toBe(plain[rank]);
        }
        const from = before.length;
        const at = plain.findIndex(({ weight }, rank) => rank >= from && weight >= heavy);
        const found = list.find(from, {
          among: ({ heaviest }) => heaviest >= heavy,
          is: ({ weight }) => weight >= heavy,
        });
        const expected = { item: plain[at], rank: at, before: totalOf(plain.slice(0, at)) };
        expect(found).toEqual(at < 0 ? undefined : expected);
      }),
      { seed: 20_261_124, numRuns: 300 },
    );
  });

  test("a search passes over whole chunks in which nothing is wanted", () => {
    const list = emptyList();
    for (let key = 0; key < 10_000; key += 1) list.add({ key, weight: key === 9_000 ? 2 : 1 });
    let looked = 0;
    const is = ({ weight }: Entry) => {
      looked += 1;
      return weight === 2;
    };
    expect(list.find(0, { among: ({ heaviest }) => heaviest === 2, is })?.rank).toBe(9_000);
    expect(looked).toBeLessThan(65);
  });

  test("holds a million, added in any order and taken from the front", () => {
    const list = emptyList();
    const count = 1_000_000;
    // A step that shares no factor with the count reaches every key once.
    for (let i = 0; i < count; i += 1) list.add({ key: (i * 700_001) % count, weight: 0 });
    expect([list.size, list.placeOf({ key: 654_321 }).rank, list.at(123_456)?.key]).toEqual([count, 654_321, 123_456]);
    for (let i = 0; i < count / 2; i += 1) list.remove({ key: i, weight: 0 });
    expect([list.size, list.placeOf({ key: 654_321 }).rank, list.at(0)?.key]).toEqual([count / 2, 154_321, count / 2]);
  }, 60_000);

  test("an item is here once, and what is not here cannot be removed", () => {
    const list = emptyList();
    const remove = () => list.remove({ key: 1, weight: 0 });
    expect(remove).toThrow(InvariantError);
    list.add({ key: 1, weight: 0 });
    expect(() => list.add({ key: 1, weight: 5 })).toThrow(InvariantError);
    remove();
    expect(remove).toThrow(InvariantError);
    expect([list.size, list.total.weight]).toEqual([0, 0]);
  });
});
