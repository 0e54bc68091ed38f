/** What is reserved is not asked back by a SHRINK, and what is granted out of it stays with whom it was granted to. */
import { describe, expect, test } from "vitest";
import { Reserver } from "./reserving.test-support.ts";
import { limits, some } from "./scenario.test-support.ts";

class Shrinking extends Reserver {
  shrink(allocationId: string, credits?: number, memoryBytes = 0) {
    const wanted = credits === undefined ? undefined : some({ credits, memoryBytes });
    const which = { preemptionId: `of-${allocationId}`, allocationId, epoch: undefined, amounts: wanted } as const;
    return this.ask({ type: "reclaim", ...which, mode: "SHRINK", reason: "needed elsewhere" });
  }
}

test("a SHRINK of everything asks for what is not reserved, and is met with that", () => {
  const s = new Shrinking();
  const top = s.account({ credits: 100 });
  s.want(top, "run", { credits: 60 });
  s.ahead("run", "r", { credits: 30 });
  expect(s.shrink("run")).toMatchObject({ reclaimed: { credits: 30 }, pending: { credits: 0 }, met: true });
  expect(s.want("run", "user", { credits: 26 }, { reservationId: "r" }).type).toBe("opened");
  s.settle(s.reserve("user", { wanted: { credits: 5 } }), { credits: 1 });
  expect(s.credits("user")).toMatchObject({ limit: 26, available: 25 });
  s.cancel("r");
  expect(s.credits("run").available).toBe(4);
});

test("what is reserved further down counts, too; who asked for more hears that no more is free", () => {
  const s = new Shrinking();
  const run = s.receive({ credits: 60 });
  s.want(run, "below", { credits: 50 });
  s.ahead("below", "r", { credits: 30 });
  expect(s.shrink(run, 60)).toMatchObject({ reclaimed: { credits: 30 }, met: true, exhausted: true });
  expect(s.want("below", "user", { credits: 30 }, { reservationId: "r" }).type).toBe("opened");
});

test("a SHRINK that waits for running work is over when a reservation is used: it takes nothing of that", () => {
  const s = new Shrinking();
  const top = s.account({ credits: 100 });
  s.want(top, "run", { credits: 60 });
  s.ahead("run", "r", { credits: 30 });
  const hold = s.reserve("run", { wanted: { credits: 20 } });
  expect(s.shrink("run")).toMatchObject({ reclaimed: { credits: 10 }, pending: { credits: 20 }, met: false });
  expect(s.want("run", "user", { credits: 26 }, { reservationId: "r" }).type).toBe("opened");
  s.settle(s.reserve("user", { wanted: { credits: 5 } }), { credits: 0 });
  s.settle(hold, { credits: 0 });
  expect(s.credits("user")).toMatchObject({ limit: 26, available: 26 });
  expect(s.credits("run").available).toBe(24);
});

test("a share that is smaller now is not asked of what is reserved", () => {
  const s = new Shrinking();
  const top = s.account({ credits: 100 }, { strategy: "PROPORTIONAL_SHARING" });
  s.want(top, "one", {}, { limits: limits({ credits: 100 }), min: { credits: 1 } });
  s.ahead("one", "r", { credits: 80 });
  expect(s.want(top, "two", {}, { limits: limits({ credits: 100 }), min: { credits: 10 } }).type).toBe("opened");
  expect(s.credits("one").limit).toBeGreaterThanOrEqual(80);
  expect(s.want("one", "user", { credits: 80 }, { reservationId: "r" }).type).toBe("opened");
  expect(s.credits("user").available).toBe(80);
});

describe("memory that is kept for a reservation that has not begun", () => {
  /** A run with 60, of which `inUse` is in use by a call; 40 are kept for later. */
  function kept(inUse: number) {
    const s = new Shrinking();
    const top = s.account({ memoryBytes: 100 });
    s.want(top, "run", { memoryBytes: 60 }, { policy: { strategy: "QUEUE_AND_WAIT" } });
    s.ahead("run", "r", { memoryBytes: 40 }, { startsInMs: 5_000 });
    const hold = s.reserve("run", { wanted: { memoryBytes: inUse } });
    return { s, hold };
  }

  test("is not asked back", () => {
    const { s } = kept(0);
    expect(s.shrink("run")).toMatchObject({ reclaimed: { memoryBytes: 20 }, pending: { memoryBytes: 0 }, met: true });
    s.wait(5_000);
    expect(s.missing("r")).toEqual(some());
  });

  test("is lent to nobody while a SHRINK waits for running work, and is again when it has got that", () => {
    const { s, hold } = kept(15);
    expect(s.shrink("run", 0, 20)).toMatchObject({ reclaimed: { memoryBytes: 5 }, pending: { memoryBytes: 15 } });
    const short = { limits: { memoryBytes: 30, durationMs: 1_000 }, waitMs: 60_000 } as const;
    expect(s.want("run", "short", {}, short).type).toBe("queued");
    s.settle(hold);
    expect(s.told("short").type).toBe("opened");
    expect(s.node("run").held.memoryBytes).toMatchObject({ limit: 40, inUse: 30 });
  });

  test("is lent again when the SHRINK is taken back", () => {
    const { s } = kept(15);
    s.shrink("run");
    const short = { limits: { memoryBytes: 30, durationMs: 1_000 }, waitMs: 60_000 } as const;
    expect(s.want("run", "short", {}, short).type).toBe("queued");
    s.ask({ type: "cancel_reclaim", preemptionId: "of-run", allocationId: "run" });
    expect(s.told("short").type).toBe("opened");
  });

  test("comes back from those who borrowed it before a SHRINK gets anything of that", () => {
    const { s, hold } = kept(20);
    const short = { limits: { memoryBytes: 40, durationMs: 1_000 } } as const;
    expect(s.want("run", "short", {}, short).type).toBe("opened");
    expect(s.shrink("run")).toMatchObject({ reclaimed: { memoryBytes: 0 }, pending: { memoryBytes: 20 } });
    expect(s.node("short").held.memoryBytes.limit).toBe(0);
    s.settle(hold);
    expect(s.node("run").held.memoryBytes).toMatchObject({ limit: 40, inUse: 0 });
    s.wait(5_000);
    expect(s.missing("r")).toEqual(some());
  });
});
