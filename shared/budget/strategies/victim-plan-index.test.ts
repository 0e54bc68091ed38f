/** The index of who may have to give way, against a plain sorted list. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PRIORITIES } from "../policy.ts";
import { type Indexed, VictimIndex } from "./victim-plan-index.ts";

const SEED = 20_261_124;

function sorted(items: readonly Indexed[]): Indexed[] {
  return items.toSorted((a, b) => a.openedAtMs - b.openedAtMs || (a.id < b.id ? -1 : 1));
}

function lookIn(all: readonly Indexed[], level: number, openedUntilMs: number, max: number) {
  const lower = PRIORITIES.slice(0, level).map((priority) => sorted(all).filter((item) => item.priority === priority));
  const ripe = lower.map((items) => items.filter(({ openedAtMs }) => openedAtMs <= openedUntilMs).reverse());
  const fresh = lower.map((items) => items.filter(({ openedAtMs }) => openedAtMs > openedUntilMs));
  return {
    items: ripe.flatMap((items) => items.slice(0, max)),
    fresh: fresh.flatMap((items) => items.slice(0, 2)),
    cut: ripe.some((items) => items.length > max),
  };
}

const step = fc.record({ remove: fc.nat(9), pick: fc.nat(99_999), level: fc.nat(2), openedAtMs: fc.nat(40) });

test("it finds what a plain list finds, whatever came and went before", () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 1_500, size: "max" }),
      fc.nat(40),
      fc.nat(30),
      (steps, time, max) => {
        const index = new VictimIndex<Indexed>();
        const model = new Map<string, Indexed>();
        for (const [at, { remove, pick, level, openedAtMs }] of steps.entries()) {
          const old = remove < 4 ? [...model.values()][pick % Math.max(1, model.size)] : undefined;
          if (old) {
            index.remove(old);
            model.delete(old.id);
          } else {
            const item = { id: `${pick}-${at}`, priority: PRIORITIES[level] ?? "LOW", openedAtMs };
            index.add(item);
            model.set(item.id, item);
          }
        }
        expect(index.size).toBe(model.size);
        const options = { openedUntilMs: time, max, freshMax: 2 };
        for (const [level, below] of PRIORITIES.entries()) {
          expect(index.look({ below, ...options })).toEqual(lookIn([...model.values()], level, time, max));
        }
        const again = new VictimIndex<Indexed>();
        for (const item of model.values()) again.add(item);
        expect(again.look({ below: "HIGH", ...options })).toEqual(index.look({ below: "HIGH", ...options }));
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
});

test("of many it hands out the latest granted that are not protected, so many of each level and no more", () => {
  const index = new VictimIndex<Indexed>();
  const items = Array.from({ length: 20_000 }, (_, at): Indexed => {
    return { id: `i${at}`, priority: at % 2 ? "LOW" : "NORMAL", openedAtMs: at };
  });
  for (const item of items) index.add(item);
  const look = index.look({ below: "HIGH", openedUntilMs: 14_999, max: 3, freshMax: 1 });
  expect(look.items.map(({ openedAtMs }) => openedAtMs)).toEqual([14_999, 14_997, 14_995, 14_998, 14_996, 14_994]);
  expect(look.fresh.map(({ openedAtMs }) => openedAtMs)).toEqual([15_001, 15_000]);
  expect(look.cut).toBe(true);
  for (const item of items.filter(({ openedAtMs }) => openedAtMs > 1 && openedAtMs < 14_999)) index.remove(item);
  const rest = index.look({ below: "HIGH", openedUntilMs: 14_999, max: 3, freshMax: 0 });
  expect(rest).toMatchObject({ items: [{ id: "i14999" }, { id: "i1" }, { id: "i0" }], fresh: [], cut: false });
});

test("one that is there twice, or not at all, is a broken invariant", () => {
  const index = new VictimIndex<Indexed>();
  const item: Indexed = { id: "a", priority: "LOW", openedAtMs: 1 };
  expect(() => index.remove(item)).toThrow("a is not in the index");
  index.add(item);
  expect(() => index.add(item)).toThrow("a is in the index already");
});
