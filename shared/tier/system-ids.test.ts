import { describe, expect, it } from "vitest";
import { systemClock } from "./system-clock.ts";
import { newHashSeed, systemIds } from "./system-ids.ts";

describe("systemIds", () => {
  it("makes UUIDv7 that sort by the time of their making", async () => {
    const earlier = systemIds.newId();
    await new Promise<void>((resolve) => systemClock.after(2, resolve));
    const later = systemIds.newId();
    expect(earlier).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(later > earlier).toBe(true);
  });

  it("makes ids of the present time, no two alike", () => {
    const fromMs = Date.now();
    const ids = Array.from({ length: 10_000 }, () => systemIds.newId());
    const untilMs = Date.now();
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) {
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      const madeMs = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
      expect(madeMs).toBeGreaterThanOrEqual(fromMs);
      expect(madeMs).toBeLessThanOrEqual(untilMs);
    }
  });

  it("draws every bit of an id that is not given", () => {
    const seen = Array.from({ length: 36 }, () => new Set<string>());
    for (let n = 0; n < 2_000; n += 1) {
      for (const [place, digit] of [...systemIds.newId()].entries()) seen[place]?.add(digit);
    }
    const digitsAt = (from: number, until: number) => seen.slice(from, until).map(({ size }) => size);
    expect(digitsAt(15, 18)).toEqual([16, 16, 16]);
    expect(digitsAt(19, 23)).toEqual([4, 16, 16, 16]);
    expect(digitsAt(24, 36)).toEqual(Array.from({ length: 12 }, () => 16));
  });

  it("makes tokens of 256 bits in base64url, no two alike", () => {
    const tokens = new Set(Array.from({ length: 1000 }, () => systemIds.newToken()));
    expect(tokens.size).toBe(1000);
    for (const token of tokens) expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });
});

describe("newHashSeed", () => {
  it("makes seeds of all 53 bits, no two alike", () => {
    const seeds = Array.from({ length: 1_000 }, newHashSeed);
    expect(new Set(seeds).size).toBe(1_000);
    for (const seed of seeds) expect(Number.isSafeInteger(seed) && seed >= 0).toBe(true);
    for (let bit = 0; bit < 53; bit += 1) {
      const set = seeds.filter((seed) => Math.floor(seed / 2 ** bit) % 2 === 1).length;
      expect(set, `bit ${bit}`).toBeGreaterThan(300);
      expect(set, `bit ${bit}`).toBeLessThan(700);
    }
  });
});
