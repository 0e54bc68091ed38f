import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { systemClock } from "./system-clock.ts";

const fired = (delayMs: number) =>
  new Promise<number>((resolve) => systemClock.after(delayMs, () => resolve(performance.now())));

describe("systemClock", () => {
  it("never falls and counts in whole milliseconds", () => {
    const readings = Array.from({ length: 1000 }, () => systemClock.monotonicMs());
    expect(readings.every((reading, index) => Number.isInteger(reading) && reading >= (readings[index - 1] ?? 0))).toBe(
      true,
    );
  });

  it("fires a timer not before its delay has passed", async () => {
    for (let round = 0; round < 20; round += 1) {
      const begunMs = performance.now();
      expect((await fired(3.7)) - begunMs).toBeGreaterThanOrEqual(3.7);
    }
  });

  it("fires a timer with no or negative delay", async () => {
    await fired(0);
    await fired(-5);
  });

  it("does not fire a cancelled timer", async () => {
    let calls = 0;
    const cancel = systemClock.after(1, () => {
      calls += 1;
    });
    cancel();
    await fired(5);
    expect(calls).toBe(0);
  });

  it("waits out a delay beyond what a Node timer can hold", async () => {
    let calls = 0;
    const cancel = systemClock.after(2 ** 31 + 1000, () => {
      calls += 1;
    });
    await fired(5);
    await nextTurn();
    expect(calls).toBe(0);
    cancel();
  });

  it("refuses a delay that is not a number", () => {
    expect(() => systemClock.after(Number.NaN, () => undefined)).toThrow(/finite delay/);
  });

  it("runs at once when all promises of this turn have led to their ends, before what is soon", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      systemClock.soon(() => {
        order.push("soon");
        resolve();
      });
      systemClock.atOnce(() => order.push("at once"));
      const chain = async (): Promise<void> => {
        for (let step = 0; step < 5; step += 1) await Promise.resolve();
        order.push("promises");
      };
      void chain();
      order.push("now");
    });
    expect(order).toEqual(["now", "promises", "at once", "soon"]);
  });

  it("runs soon after the microtasks of this turn, before the next", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      systemClock.soon(() => {
        order.push("soon");
        resolve();
      });
      queueMicrotask(() => order.push("microtask"));
      order.push("now");
    });
    expect(order).toEqual(["now", "microtask", "soon"]);
  });
});
