/** What is reserved is not asked back by a SHRINK, and what is granted out of it stays with whom it was granted to. */
import { expect, test } from "vitest";
import { Reserver } from "./reserving.test-support.ts";
import { limits, some } from "./scenario.test-support.ts";

class Shrinking extends Reserver {
  shrink(allocationId: string, credits?: number) {
    const wanted = credits === undefined ? undefined : some({ credits });
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
