import fc from "fast-check";
import { expect, test } from "vitest";
import { TimerHeap } from "./timer-heap.ts";

function popAll<K>(heap: TimerHeap<K>, nowMs: number): { atMs: number; key: K }[] {
  const due: { atMs: number; key: K }[] = [];
  for (let timer = heap.popDue(nowMs); timer !== undefined; timer = heap.popDue(nowMs)) {
    due.push({ atMs: timer.atMs, key: timer.key });
  }
  return due;
}

test("gives back what is due, earliest first, equal times in the order they went in", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 200 }), fc.nat(30), (times, nowMs) => {
      const heap = new TimerHeap<number>();
      times.forEach((atMs, key) => {
        heap.push({ atMs, key });
      });
      // Array sort is stable, so it is the specification.
      const sorted = times.map((atMs, key) => ({ atMs, key })).sort((left, right) => left.atMs - right.atMs);
      expect(heap.peek()?.key).toBe(sorted[0]?.key);
      const due = popAll(heap, nowMs);
      expect(due).toEqual(sorted.filter((timer) => timer.atMs <= nowMs));
      expect(heap.size).toBe(times.length - due.length);
      expect([...due, ...popAll(heap, 30)]).toEqual(sorted);
    }),
  );
});

test("keeps that order through pushes between pops and through a sweep of dead timers", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), fc.boolean()), { maxLength: 120 }), (steps) => {
      const heap = new TimerHeap<number>();
      let model: { atMs: number; key: number }[] = [];
      steps.forEach(([atMs, pops], key) => {
        heap.push({ atMs, key });
        model.push({ atMs, key });
        if (!pops) return;
        model.sort((left, right) => left.atMs - right.atMs || left.key - right.key);
        expect(heap.popDue(20)?.key).toBe(model.shift()?.key);
      });
      heap.retain((timer) => timer.key % 3 !== 0);
      model = model.filter((timer) => timer.key % 3 !== 0);
      expect(popAll(heap, 20)).toEqual(model.sort((left, right) => left.atMs - right.atMs || left.key - right.key));
    }),
  );
});

test("has nothing due when empty or early, and refuses a time that is none", () => {
  const heap = new TimerHeap<string>();
  expect(heap.popDue(Number.MAX_SAFE_INTEGER)).toBeUndefined();
  heap.push({ atMs: 10, key: "lease" });
  expect(heap.popDue(9)).toBeUndefined();
  expect(heap.popDue(10)?.key).toBe("lease");
  expect(() => heap.push({ atMs: Number.NaN, key: "never" })).toThrow("finite time");
});
