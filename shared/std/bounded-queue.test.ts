import fc from "fast-check";
import { expect, test } from "vitest";
import { BoundedQueue } from "./bounded-queue.ts";

test("behaves as an array with a bound, whatever is pushed, shifted and drained", () => {
  const operation = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("push" as const), value: fc.integer() }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("shift" as const), value: fc.constant(0) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("drain" as const), value: fc.nat(20) }) },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 70 }), fc.array(operation, { maxLength: 400 }), (capacity, operations) => {
      const queue = new BoundedQueue<number>({ capacity });
      const model: number[] = [];
      for (const { kind, value } of operations) {
        if (kind === "push") {
          const fits = model.length < capacity;
          expect(queue.push(value)).toBe(fits);
          if (fits) model.push(value);
        } else if (kind === "shift") {
          expect(queue.shift()).toBe(model.shift());
        } else {
          expect(queue.drain(value)).toEqual(model.splice(0, value));
        }
        expect(queue.size).toBe(model.length);
        expect(queue.full).toBe(model.length === capacity);
        expect(queue.peek()).toBe(model[0]);
      }
      expect(queue.drain()).toEqual(model);
      expect(queue.size).toBe(0);
    }),
  );
});

test("refuses a capacity that holds nothing", () => {
  expect(() => new BoundedQueue({ capacity: 0 })).toThrow("at least one item");
  expect(() => new BoundedQueue({ capacity: 1.5 })).toThrow("at least one item");
});
