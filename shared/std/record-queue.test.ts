import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "./limits.ts";
import { type RecordContent, type RecordPlace, RecordQueue } from "./record-queue.ts";
import { TextHash } from "./text-hash.ts";

const SEED = 20_261_126;
const text = fc.oneof(
  fc.string({ maxLength: 70 }),
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.constantFrom("", "\ud800", "é".repeat(64), "x".repeat(127), "語".repeat(9_000)),
);
const content = fc.record<RecordContent>({
  kind: fc.nat(255),
  numbers: fc.array(fc.maxSafeNat(), { maxLength: 6 }),
  texts: fc.array(text, { maxLength: 4 }),
});

function read(queue: RecordQueue, place: RecordPlace): RecordContent {
  const numbers = Array.from({ length: queue.numbersAt(place) }, (_, at) => queue.numberAt(place, at));
  const texts = Array.from({ length: queue.textsAt(place) }, (_, at) => queue.textAt(place, at));
  return { kind: queue.kindAt(place), numbers, texts };
}

const all = (queue: RecordQueue) => [...queue.places()].map((place) => read(queue, place));
const slicesOf = (queue: RecordQueue, bytes: number) => [...queue.slices(bytes)];

describe("records", () => {
  test("come back as they were, in order, from their places and through slices, while old ones go", () => {
    const steps = fc.array(fc.oneof({ weight: 3, arbitrary: content }, { weight: 1, arbitrary: fc.constant(0) }), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 5_000 }), (list, bytes) => {
        const queue = new RecordQueue();
        const model: RecordContent[] = [];
        const places: RecordPlace[] = [];
        for (const step of list) {
          if (step !== 0) {
            places.push(queue.add(step));
            model.push(step);
          } else if (model.length > 0) {
            queue.shift();
            model.shift();
            places.shift();
          }
          expect([queue.size, queue.first()]).toEqual([model.length, places[0]]);
        }
        expect(all(queue)).toEqual(model);
        expect([...queue.places()]).toEqual(places);
        const again = new RecordQueue();
        const taken: RecordPlace[] = [];
        for (const slice of queue.slices(bytes)) expect(again.addSlice(slice, (at) => taken.push(at))).toBe(true);
        expect(taken.map((place) => read(again, place))).toEqual(model);
        expect(slicesOf(again, bytes)).toEqual(slicesOf(queue, bytes));
      }),
      { seed: SEED },
    );
  });

  test("a text is compared and hashed where it stands", () => {
    fc.assert(
      fc.property(text, text, fc.maxSafeNat(), (one, other, seed) => {
        const queue = new RecordQueue();
        const place = queue.add({ kind: 1, numbers: [7], texts: [other, one] });
        expect(queue.textIs(place, 1, one)).toBe(true);
        expect(queue.textIs(place, 1, other)).toBe(one === other);
        expect(queue.hashAt(place, 1, new TextHash(seed))).toBe(new TextHash(seed).of(one));
      }),
      { seed: SEED },
    );
  });

  test("a number can be replaced, and marks stay out of what is written down", () => {
    const queue = new RecordQueue();
    const place = queue.add({ kind: 1, numbers: [7, 8], texts: ["a"] });
    const before = slicesOf(queue, 1);
    queue.setMark(place, 0, -5);
    queue.setMark(place, 1, 0x7fff_ffff);
    expect([queue.markAt(place, 0), queue.markAt(place, 1)]).toEqual([-5, 0x7fff_ffff]);
    expect(slicesOf(queue, 1)).toEqual(before);
    queue.setNumber(place, 1, 9);
    expect(read(queue, place).numbers).toEqual([7, 9]);
    expect(queue.numberAt(place, 2)).toBe(0);
    expect(() => queue.setNumber(place, 2, 1)).toThrow(/is there/);
  });

  test("what comes behind a record that has a chunk of its own is read at its own place", () => {
    const queue = new RecordQueue();
    const large = { kind: 1, numbers: [1], texts: ["x".repeat((LIMITS.recordChunkBytes * 5) / 8)] };
    const small = Array.from({ length: 2_000 }, (_, at) => ({ kind: 2, numbers: [at, at], texts: [`record ${at}`] }));
    const places = [large, ...small].map((record) => queue.add(record));
    expect(places.map((place) => read(queue, place))).toEqual([large, ...small]);
  });

  test("chunks are used again: a queue that turns over keeps its places small", () => {
    const queue = new RecordQueue();
    const record = { kind: 1, numbers: [1], texts: ["x".repeat(1_000)] };
    let largest = 0;
    for (let at = 0; at < 5_000; at += 1) {
      largest = Math.max(largest, queue.add(record));
      if (at >= 100) queue.shift();
    }
    expect(queue.size).toBe(100);
    expect(largest * 8).toBeLessThan(4 * LIMITS.recordChunkBytes);
    while (queue.size > 0) queue.shift();
    expect(() => queue.shift()).toThrow(/is there/);
  });
});

describe("a slice that is damaged", () => {
  const queue = new RecordQueue();
  for (const one of ["a", "語", "c".repeat(200)]) queue.add({ kind: 1, numbers: [1, 2], texts: [one, "z"] });
  const whole = slicesOf(queue, LIMITS.recordChunkBytes)[0] ?? new Uint8Array();

  test("is refused, or is other records that are whole", () => {
    expect(new RecordQueue().addSlice(new Uint8Array(), () => undefined)).toBe(false);
    expect(new RecordQueue().addSlice(new Uint8Array(16), () => undefined)).toBe(false);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const flipped = whole.with(at, (whole[at] as number) ^ flip);
        for (const damaged of [flipped, flipped.subarray(0, at)]) {
          const taking = new RecordQueue();
          const taken: RecordContent[] = [];
          if (taking.addSlice(damaged, (place) => taken.push(read(taking, place)))) expect(all(taking)).toEqual(taken);
        }
      }),
      { seed: SEED, numRuns: 1_000 },
    );
  });
});
