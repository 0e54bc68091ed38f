import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NO_SIBLINGS, type Sibling, type Siblings, withoutSibling, withSibling } from "./siblings.ts";

class Child implements Sibling<Child> {
  readonly name: number;
  older: Child | undefined = undefined;
  younger: Child | undefined = undefined;

  constructor(name: number) {
    this.name = name;
  }
}

const step = fc.record({ add: fc.boolean(), pick: fc.nat(20) });

/** Carries a step out on the list and on a set, which does the same. */
function carryOut(list: Siblings<Child>, set: Set<Child>, { add, pick }: { add: boolean; pick: number }, all: Child[]) {
  if (add) {
    const child = new Child(all.length);
    all.push(child);
    set.add(child);
    return withSibling(list, child);
  }
  const child = [...set][pick % Math.max(1, set.size)] ?? all[0];
  if (!child) return list;
  set.delete(child);
  return withoutSibling(list, child);
}

describe("children as a list through themselves", () => {
  test("are those of a set, in its order, while some come and others go", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let list: Siblings<Child> = NO_SIBLINGS;
        const set = new Set<Child>();
        const all: Child[] = [];
        for (const one of steps) {
          list = carryOut(list, set, one, all);
          expect([...list].map(({ name }) => name)).toEqual([...set].map(({ name }) => name));
          expect(list.size).toBe(set.size);
          expect(all.map((child) => list.has(child))).toEqual(all.map((child) => set.has(child)));
        }
      }),
      { seed: 20_261_124 },
    );
  });

  test("gone through while they come and go, meet the same as a set does, and hold nothing afterwards", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 30 }), (count, steps) => {
        let list: Siblings<Child> = NO_SIBLINGS;
        const set = new Set<Child>();
        const all: Child[] = [];
        for (let n = 0; n < count; n += 1) list = carryOut(list, set, { add: true, pick: 0 }, all);
        const rest = [...steps];
        const inSet = set[Symbol.iterator]();
        for (const child of list) {
          expect(inSet.next().value?.name).toBe(child.name);
          for (const one of rest.splice(0, 3)) list = carryOut(list, set, one, all);
        }
        expect(inSet.next().done).toBe(true);
        for (const child of all)
          if (!list.has(child)) expect([child.older, child.younger]).toEqual([undefined, undefined]);
      }),
      { seed: 20_261_124 },
    );
  });

  test("one that is left early lets go too; nobody is in two places, or in the list that all share", () => {
    const [a, b, c] = [new Child(0), new Child(1), new Child(2)];
    const list = [a, b, c].reduce<Siblings<Child>>(withSibling, NO_SIBLINGS);
    for (const child of list) {
      withoutSibling(list, child);
      break;
    }
    expect([a.younger, [...list]]).toEqual([undefined, [b, c]]);
    expect(() => withSibling(list, b)).toThrow("added once");
    expect([withoutSibling(NO_SIBLINGS, a).size, NO_SIBLINGS.size]).toEqual([0, 0]);
  });
});
