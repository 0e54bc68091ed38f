import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HashSlots } from "./hash-slots.ts";
import { TextHash } from "./text-hash.ts";
import { TextMap } from "./text-map.ts";

const SEED = 20_261_124;
const seeds = fc.maxSafeNat();
const mapOf = (seed: number) => new TextMap<number>(new TextHash(seed));
/** Few keys, so that they come again; some beyond Latin-1, and the empty one. */
const keys = fc.constantFrom("", "a", "b", "ab", "ba", "é", "ÿ", "Ā", "語", "\ud800", "x\ny", ..."0123456789");

type Step = readonly ["set" | "delete", string, number];
const steps = fc.array(fc.tuple(fc.constantFrom("set" as const, "delete" as const), keys, fc.nat()), {
  maxLength: 400,
});

function follow(map: { set(k: string, v: number): unknown; delete(k: string): boolean }, [what, key, value]: Step) {
  return what === "set" ? map.set(key, value) === map : map.delete(key);
}

describe("a map of texts", () => {
  test("is what a Map is, in content, order and answers", () => {
    fc.assert(
      fc.property(seeds, steps, (seed, list) => {
        const [map, model] = [mapOf(seed), new Map<string, number>()];
        for (const step of list) {
          expect(follow(map, step)).toBe(follow(model, step));
          expect(map.size).toBe(model.size);
          expect([map.get(step[1]), map.has(step[1])]).toEqual([model.get(step[1]), model.has(step[1])]);
        }
        expect([...map]).toEqual([...model]);
        expect([...map.keys()]).toEqual([...model.keys()]);
        expect([...map.values()]).toEqual([...model.values()]);
      }),
      { seed: SEED },
    );
  });

  test("turns over for ever: it keeps what came last, in order, and as much room as that takes", () => {
    const [map, model] = [mapOf(7), new Map<string, number>()];
    for (let at = 0; at < 40_000; at += 1) {
      for (const one of [map, model]) one.set(`key-${at}`, at);
      if (at >= 300) for (const one of [map, model]) one.delete(`key-${at - 300}`);
    }
    expect([...map]).toEqual([...model]);
    for (const key of model.keys()) map.delete(key);
    expect([map.size, [...map]]).toEqual([0, []]);
  });

  test("may lose entries while it is gone through, and is not added to", () => {
    const map = mapOf(7);
    for (let at = 0; at < 16; at += 1) map.set(`key-${at}`, at);
    const seen: number[] = [];
    for (const [key, value] of map) {
      seen.push(value);
      map.delete(key);
      map.delete(`key-${value + 1}`);
    }
    expect(seen).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
    for (let at = 0; at < 16; at += 1) map.set(`more-${at}`, at);
    const adding = () => {
      for (const [key] of map) for (let at = 0; at < 40; at += 1) map.set(`${key}-${at}`, at);
    };
    expect(adding).toThrow(/added to while it was gone through/);
  });

  test("knows by the hash alone what is surely not there", () => {
    const hash = new TextHash(11);
    const map = new TextMap<number>(hash);
    map.set("here", 1);
    expect(map.mayHave(hash.of("here"))).toBe(true);
    expect(map.mayHave(hash.of("nowhere"))).toBe(false);
  });
});

describe("the hash", () => {
  test("is the same for a text and for its Latin-1 bytes", () => {
    fc.assert(
      fc.property(seeds, fc.uint8Array({ maxLength: 80 }), fc.nat(8), (seed, bytes, from) => {
        const text = Buffer.from(bytes).toString("latin1");
        const within = Uint8Array.of(...new Array<number>(from).fill(9), ...bytes, 9, 9);
        expect(new TextHash(seed).ofLatin(within, from, bytes.length)).toBe(new TextHash(seed).of(text));
      }),
      { seed: SEED },
    );
  });

  test("depends on every bit of the seed and on every character", () => {
    const text = "0193-some-id-語";
    const seen = new Set<number>();
    for (let bit = 0; bit < 53; bit += 1) seen.add(new TextHash(2 ** bit).of(text));
    expect(seen.size).toBe(53);
    const hash = new TextHash(5);
    for (let at = 0; at < text.length; at += 1) seen.add(hash.of(`${text.slice(0, at)}#${text.slice(at + 1)}`));
    expect(seen.size).toBe(53 + text.length);
  });

  test("spreads ids that differ in few places, under any seed", () => {
    for (const seed of [0, 1, 2 ** 53 - 1]) {
      const hash = new TextHash(seed);
      const buckets = new Set<number>();
      for (let at = 0; at < 4_096; at += 1) buckets.add(hash.of(`0193c0de-0000-7000-8000-${at}`) & 4_095);
      // Of as many chances as buckets 1 − 1/e are hit, give or take little.
      expect(Math.abs(buckets.size / 4_096 - 0.632)).toBeLessThan(0.03);
    }
  });

  test("of texts that fall together under one seed under another they do not", () => {
    const [known, secret] = [new TextHash(1), new TextHash(2)];
    const flood: string[] = [];
    for (let at = 0; flood.length < 64; at += 1) if ((known.of(`${at}`) & 1_023) === 0) flood.push(`${at}`);
    expect(new Set(flood.map((text) => secret.of(text) & 1_023)).size).toBeGreaterThan(50);
  });
});

describe("a map that shares its index", () => {
  test("is as it would be alone, and leaves the odd references to their owner, whatever either adds and takes out", () => {
    fc.assert(
      fc.property(seeds, steps, (seed, list) => {
        const [hash, index] = [new TextHash(seed), new HashSlots()];
        const [map, model] = [new TextMap<number>(hash, index), new Map<string, number>()];
        const others = new Map<string, number>();
        for (const [at, step] of list.entries()) {
          const [, key] = step;
          expect(follow(map, step)).toBe(follow(model, step));
          const other = others.get(key);
          if (other !== undefined) index.remove(hash.of(key), other);
          if (other !== undefined) others.delete(key);
          else others.set(key, 2 * at + 1);
          if (other === undefined) index.add(hash.of(key), 2 * at + 1);
          expect([map.size, index.size]).toEqual([model.size, model.size + others.size]);
          expect([map.get(key), map.has(key)]).toEqual([model.get(key), model.has(key)]);
        }
        expect([...map]).toEqual([...model]);
        for (const [key, ref] of others) {
          const found: number[] = [];
          const wanted = hash.of(key);
          for (let slot = index.first(wanted); slot >= 0; slot = index.next(slot, wanted))
            found.push(index.refAt(slot));
          expect(found).toContain(ref);
        }
      }),
      { seed: SEED },
    );
  });
});

describe("a map that turns over in an index that is mostly another's", () => {
  test("finds its entries after each packing, and the other finds all of its own", () => {
    const [hash, index] = [new TextHash(SEED), new HashSlots()];
    const map = new TextMap<number>(hash, index);
    const others = Array.from({ length: 2_000 }, (_, at) => ({ hash: hash.of(`other-${at}`), ref: 2 * at + 1 }));
    for (const other of others) index.add(other.hash, other.ref);
    for (let at = 0; at < 1_000; at += 1) {
      map.set(`own-${at}`, at);
      if (at >= 8) expect(map.take(`own-${at - 8}`)).toBe(at - 8);
    }
    expect([...map]).toEqual(Array.from({ length: 8 }, (_, at) => [`own-${992 + at}`, 992 + at]));
    for (let at = 992; at < 1_000; at += 1) expect(map.get(`own-${at}`)).toBe(at);
    for (const other of others) index.remove(other.hash, other.ref);
    expect(index.size).toBe(map.size);
  });
});

describe("a table of references", () => {
  test("finds under each hash what was put there, however many have the same", () => {
    const hashes = fc.constantFrom(0, 1, 15, 16, 17, -1, 0x7fff_ffff, -0x8000_0000);
    const list = fc.array(fc.tuple(hashes, fc.boolean(), fc.nat()), { maxLength: 300 });
    fc.assert(
      fc.property(list, (steps) => {
        const slots = new HashSlots();
        const model: [hash: number, ref: number][] = [];
        for (const [at, [hash, remove, pick]] of steps.entries()) {
          if (remove && model.length > 0) slots.remove(...(model.splice(pick % model.length, 1)[0] ?? [0, 0]));
          else {
            slots.add(hash, at);
            model.push([hash, at]);
          }
        }
        expect(slots.size).toBe(model.length);
        for (const hash of new Set(model.map(([one]) => one))) {
          const found: number[] = [];
          for (let slot = slots.first(hash); slot >= 0; slot = slots.next(slot, hash)) found.push(slots.refAt(slot));
          const wanted = model.filter(([one]) => one === hash).map(([, ref]) => ref);
          expect(found.toSorted((a, b) => a - b)).toEqual(wanted.toSorted((a, b) => a - b));
        }
      }),
      { seed: SEED },
    );
  });

  test("what is not there cannot be taken out", () => {
    const slots = new HashSlots();
    slots.add(3, 4);
    expect(() => slots.remove(3, 5)).toThrow(/stands in it/);
    expect(() => slots.add(3, -1)).toThrow(/31 bits/);
  });
});
