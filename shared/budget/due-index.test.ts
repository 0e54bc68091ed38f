import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DueIndex } from "./due-index.ts";

const BUCKET_MS = 50;

describe("what is due when", () => {
  test("an item fires when its bucket has passed: never early, at most one bucket late", () => {
    const index = new DueIndex<string>(BUCKET_MS);
    index.add("a", 101);
    expect(index.nextAtMs()).toBe(150);
    expect(index.takeDue(149)).toEqual([]);
    expect(index.takeDue(150)).toEqual(["a"]);
    expect(index.takeDue(9_999)).toEqual([]);
    expect(index.nextAtMs()).toBeUndefined();
  });

  test("a time on the edge of a bucket is due on the dot", () => {
    const index = new DueIndex<string>(BUCKET_MS);
    index.add("a", 100);
    expect(index.takeDue(99)).toEqual([]);
    expect(index.takeDue(100)).toEqual(["a"]);
  });

  test("earlier buckets come first, and within one the order in which items were added", () => {
    const index = new DueIndex<string>(BUCKET_MS);
    for (const [item, atMs] of [
      ["c", 160],
      ["a", 90],
      ["b", 60],
      ["d", 151],
    ] as const)
      index.add(item, atMs);
    expect(index.takeDue(1_000)).toEqual(["a", "b", "c", "d"]);
  });

  test("what was removed does not fire, and leaves no bucket behind to wake for", () => {
    const index = new DueIndex<string>(BUCKET_MS);
    index.add("a", 100);
    index.add("b", 300);
    index.remove("a", 100);
    expect(index.nextAtMs()).toBe(300);
    index.remove("b", 300);
    index.remove("never there", 700);
    expect(index.nextAtMs()).toBeUndefined();
  });

  test("a bucket that became empty can be used again", () => {
    const index = new DueIndex<string>(BUCKET_MS);
    index.add("a", 100);
    index.remove("a", 100);
    expect(index.nextAtMs()).toBeUndefined();
    index.add("b", 100);
    expect(index.nextAtMs()).toBe(100);
    expect(index.takeDue(100)).toEqual(["b"]);
  });

  test("it agrees with a list that is sorted and searched", () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant("add" as const), atMs: fc.nat(2_000) }),
      fc.record({ op: fc.constant("remove" as const), atMs: fc.nat(40) }),
      fc.record({ op: fc.constant("take" as const), atMs: fc.nat(400) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const index = new DueIndex<number>(BUCKET_MS);
        let model: { item: number; atMs: number }[] = [];
        let nowMs = 0;
        const dueMs = (atMs: number) => Math.ceil(atMs / BUCKET_MS) * BUCKET_MS;
        for (const [item, { op, atMs }] of steps.entries()) {
          if (op === "add") {
            index.add(item, nowMs + atMs);
            model.push({ item, atMs: nowMs + atMs });
          } else if (op === "remove") {
            const gone = model[atMs];
            if (gone) index.remove(gone.item, gone.atMs);
            model = model.filter((entry) => entry !== gone);
          } else {
            nowMs += atMs;
            const due = model.filter((entry) => dueMs(entry.atMs) <= nowMs);
            due.sort((a, b) => dueMs(a.atMs) - dueMs(b.atMs) || a.item - b.item);
            expect(index.takeDue(nowMs)).toEqual(due.map(({ item: one }) => one));
            model = model.filter((entry) => !due.includes(entry));
          }
          const next = model.length === 0 ? undefined : Math.min(...model.map((entry) => dueMs(entry.atMs)));
          expect(index.nextAtMs()).toBe(next);
        }
      }),
    );
  });
});
