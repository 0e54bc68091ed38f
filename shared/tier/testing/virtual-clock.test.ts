import { describe, expect, it } from "vitest";
import { VirtualClock } from "./virtual-clock.ts";

describe("VirtualClock", () => {
  it("runs what is due at its time, earliest first, then in the order in which it was set", async () => {
    const clock = new VirtualClock({ monotonicMs: 1_000 });
    const log: string[] = [];
    const note = (name: string) => () => log.push(`${name} at ${clock.monotonicMs()}`);
    clock.after(20, note("c"));
    clock.after(10, note("a"));
    clock.after(10, note("b"));
    clock.after(31, note("later"));
    clock.soon(note("soon"));
    await clock.advance(30);
    expect(log).toEqual(["soon at 1000", "a at 1010", "b at 1010", "c at 1020"]);
    expect(clock.monotonicMs()).toBe(1_030);
    expect(clock.timers).toBe(1);
  });

  it("runs what a timer sets, within the time that passes", async () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    const every = (): void => {
      fired.push(clock.monotonicMs());
      clock.after(10, every);
    };
    every();
    await clock.advance(35);
    expect(fired).toEqual([0, 10, 20, 30]);
  });

  it("lets promises settle between two actions", async () => {
    const clock = new VirtualClock();
    const log: string[] = [];
    clock.soon(() => void Promise.resolve().then(() => Promise.resolve().then(() => log.push("promise"))));
    clock.soon(() => log.push("next"));
    await clock.settle();
    expect(log).toEqual(["promise", "next"]);
  });

  it("does not fire a cancelled timer, and counts it as gone", async () => {
    const clock = new VirtualClock();
    const cancel = clock.after(5, () => expect.fail("it was cancelled"));
    cancel();
    cancel();
    expect(clock.timers).toBe(0);
    await clock.advance(10);
  });

  it("a process has a clock of its own, and ends with all it had set", async () => {
    const clock = new VirtualClock();
    await clock.advance(50);
    const process = clock.process({ monotonicMs: 7 });
    process.after(10, () => expect.fail("it had ended"));
    process.soon(() => expect.fail("it had ended"));
    expect([process.monotonicMs(), process.timers]).toEqual([7, 1]);
    process.end();
    await clock.advance(20);
    expect([process.monotonicMs(), process.timers, clock.timers]).toEqual([27, 0, 0]);
  });

  it("gives a process a clock of its own that drifts; a timer is never early by it", async () => {
    const clock = new VirtualClock();
    const process = clock.process({ monotonicMs: 5, driftPpm: -100_000 });
    const fired: number[] = [];
    process.after(90, () => fired.push(process.monotonicMs()));
    await clock.advance(99);
    expect([process.monotonicMs(), fired]).toEqual([94, []]);
    await clock.advance(1);
    expect(fired).toEqual([95]);
  });

  it("lets somebody set the wall clock of a process without moving its monotonic one", () => {
    const clock = new VirtualClock();
    const process = clock.process({ wallAheadMs: 10 });
    process.jumpWall(-3_600_000);
    expect(process.wallMs() - clock.wallMs()).toBe(10 - 3_600_000);
    expect(process.monotonicMs()).toBe(clock.monotonicMs());
  });

  it("keeps everything for a stopped process until it continues, while its clock goes on", async () => {
    const clock = new VirtualClock();
    const process = clock.process();
    const log: string[] = [];
    const note = (name: string) => () => log.push(`${name} at ${process.monotonicMs()}`);
    process.after(10, note("timer"));
    const cancelled = process.after(10, note("cancelled"));
    process.stop();
    process.soon(note("soon"));
    await clock.advance(50);
    process.run(note("input"));
    cancelled();
    expect(log).toEqual([]);
    process.continue();
    await clock.settle();
    expect(log).toEqual(["soon at 50", "timer at 50", "input at 50"]);
  });
});
