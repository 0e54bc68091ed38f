/** Running work that is paused for the sake of others, and goes on by itself when there is room again. */
import { describe, expect, test } from "vitest";
import type { Policy } from "./policy.ts";
import { Transcript } from "./preempting.test-support.ts";
import { conflictOf, limits, some, usage } from "./scenario.test-support.ts";
import { allocationStanding, requestStandings } from "./standing.ts";

const PAUSING: Policy = { strategy: "PREEMPTION_ALLOWED", preemption: { worst: "PAUSE" } };

/** LOW work with everything, all of it set aside for a call; ten seconds old. */
function busy(policy: Policy = PAUSING, more: { readonly branches?: number } = {}) {
  const s = new Transcript();
  const top = s.account({ credits: 100, ...more }, policy);
  s.want(top, "low", 100, "LOW");
  s.wait(10_000);
  const hold = s.reserve("low", { wanted: { credits: 80 }, ttlMs: 600_000 });
  s.told();
  return { s, top, hold };
}

describe("work that is paused for others", () => {
  test("gives what it has not used, keeps its progress, and goes on when that is there again", () => {
    const { s, top, hold } = busy();
    expect(s.want(top, "high", 70, "HIGH")).toMatchObject({ type: "queued" });
    expect(s.told()).toEqual(["10s high: PAUSE low", "10s high: 20 set aside"]);
    expect(s.tryReserve("low", { wanted: { credits: 1 } })).toMatchObject({ refusal: { code: "paused" } });
    s.settle(hold, { credits: 10 });
    expect(s.told()).toEqual(["10s high: 50 set aside", "10s high granted 70"]);
    expect(s.node("low").state).toBe("open");
    expect(s.credits("low")).toMatchObject({ limit: 10, spent: 10 });
    // It waits for what it gave, as the one that it is.
    const [waiter] = s.node(top).waiters;
    expect(waiter).toMatchObject({ base: 0, arrivedAtMs: 0, request: { by: { credits: 90 }, resumes: "claim-1.1" } });
    s.wait(1_000);
    s.close("high");
    expect(s.told()).toEqual(["11s high gone", "11s low goes on with 100"]);
    expect(s.state.effects.size).toBe(3);
    expect(s.reserve("low", { wanted: { credits: 90 } })).not.toBe("");
  });

  test("waits behind who is more important, and before newcomers of its own rank", () => {
    const { s, top, hold } = busy();
    s.want(top, "high", 70, "HIGH");
    s.settle(hold);
    s.want(top, "newcomer", 50, "LOW");
    s.want(top, "normal", 50, "NORMAL", { strategy: undefined });
    const order = [...s.node(top).waiters].map(({ request }) => request.requestId);
    expect(order).toEqual(["normal", "claim-1.1/low", "newcomer"]);
    s.told();
    s.close("high");
    expect(s.told()).toEqual(["10s high gone", "10s normal granted 50"]);
    s.close("normal");
    expect(s.told()).toEqual(["10s normal gone", "10s low goes on with 100"]);
  });

  test("is left alone for the cool-down once it goes on, however long it stood still", () => {
    const { s, top, hold } = busy();
    s.want(top, "high", 100, "HIGH");
    s.settle(hold);
    s.wait(100_000);
    s.close("high");
    expect(s.node("low").reclaims.size).toBe(0);
    s.wait(59_000);
    expect(conflictOf(s.want(top, "again", 50, "HIGH", { waitMs: 0 })).preemption).toContain(
      "preempted less than 60000 ms ago",
    );
    s.wait(1_000);
    expect(s.want(top, "again-2", 50, "HIGH", { waitMs: 0 }).type).toBe("opened");
  });

  test("goes on as soon as nobody claims it any more, with what it gave so far", () => {
    const { s, top } = busy();
    s.want(top, "high", 70, "HIGH");
    expect(s.credits("low")).toMatchObject({ limit: 80, reserved: 80 });
    s.told();
    s.run({ type: "cancel_request", caller: "client", requestId: "high" });
    expect(s.told()).toEqual(["10s low goes on with 100"]);
    expect(s.credits("low")).toMatchObject({ available: 20, reserved: 80 });
    expect([...s.node(top).waiters]).toEqual([]);
  });

  test("is resumed by a person before its turn, and then waits no more", () => {
    const { s, top, hold } = busy(PAUSING, { branches: 2 });
    s.want(top, "high", 70, "HIGH");
    s.settle(hold);
    // It waits for a slot, and has its turn first.
    s.want(top, "normal", 90, "NORMAL");
    const resume = { type: "resume", caller: "person", requestId: "r", allocationId: "low" } as const;
    expect(s.ask(resume)).toMatchObject({ refusal: { code: "conflict", conflict: { wanted: 100, available: 30 } } });
    const grow = { type: "update_limits", caller: "person", requestId: "u", allocationId: top } as const;
    s.ask({ ...grow, limits: limits({ credits: 170 }) });
    expect(s.node("low").reclaims.size).toBe(1);
    s.told();
    expect(s.ask(resume)).toMatchObject({ type: "raised", by: { credits: 100 } });
    expect(s.told()).toEqual(["10s low goes on with 100"]);
    expect([...s.node(top).waiters].map(({ request }) => request.requestId)).toEqual(["normal"]);
  });

  test("what a person paused goes on when a person says so", () => {
    const { s, top } = busy();
    const pause = { type: "reclaim", preemptionId: "claim-1.1", allocationId: "low", epoch: undefined } as const;
    s.run({ ...pause, amounts: undefined, mode: "PAUSE", reason: "wait" });
    expect([...s.node(top).waiters]).toEqual([]);
    expect(conflictOf(s.want(top, "high", 70, "HIGH")).preemption).toContain("giving way already");
    expect(s.ask({ type: "resume", caller: "person", requestId: "r", allocationId: "low" }).type).toBe("raised");
  });

  test("is not stopped where the policy says no; and may be stopped later where it says so", () => {
    const { s, top } = busy({ strategy: "PREEMPTION_ALLOWED", preemption: { worst: "STOP", coolDownMs: 20_000 } });
    s.want(top, "high", 70, "HIGH");
    expect(s.told()).toEqual(["10s high: PAUSE low", "10s high: 20 set aside"]);
    s.wait(10_000);
    expect(s.node("low").state).toBe("open");
    // What it has in flight does not come; after its cool-down it is stopped.
    s.wait(10_000);
    s.wait(10_000);
    expect(s.told()).toEqual([
      "20s high: PAUSE low",
      "30s high: PAUSE low, STOP low",
      "40s low gone",
      "40s high: nobody gives way",
    ]);
    // What it had in flight may have been spent: the claim has what there was.
    expect(s.credits(top)).toMatchObject({ spent: 80, available: 20 });
    expect([...s.node(top).waiters].map(({ request }) => request.requestId)).toEqual(["high"]);
  });

  test("held elsewhere: its holder pauses it, and hears that it goes on with what it gets back", () => {
    const s = new Transcript();
    const top = s.account(
      { credits: 100 },
      { strategy: "PREEMPTION_ALLOWED", preemption: { worst: "PAUSE", graceMs: 0 } },
    );
    s.want(top, "there", 100, "LOW", { holder: "process-1" });
    s.wait(10_000);
    s.want(top, "high", 60, "HIGH");
    expect(s.told()).toEqual(["0s there granted 100", "10s high: SHRINK there"]);
    // It has 90 in flight and gives what is free.
    const back = { type: "receive_return", caller: "process-1", allocationId: "there", epoch: 1 } as const;
    s.run({ ...back, returnedTotal: some({ credits: 10 }) });
    s.wait(5_000);
    expect(s.told()).toEqual(["10s high: 10 set aside", "15s high: SHRINK there, PAUSE there"]);
    expect(s.last.messages).toContainEqual(expect.objectContaining({ type: "reclaim_child", mode: "PAUSE" }));
    s.report("there", 1, usage({ credits: 30 }), { caller: "process-1" });
    s.run({ ...back, returnedTotal: some({ credits: 70 }) });
    expect(s.told()).toEqual(expect.arrayContaining(["15s high granted 60"]));
    s.close("high");
    expect(s.told()).toEqual(["15s high gone", "15s there goes on with 90"]);
    const told = s.last.messages.filter((message) => message.type === "granted");
    expect(told.at(-1)).toMatchObject({ allocationId: "there", pausesOver: [expect.stringContaining("claim-1.2")] });
  });

  test("all of it outlasts a restart", () => {
    const { s, top, hold } = busy();
    s.want(top, "high", 70, "HIGH");
    s.settle(hold);
    s.restart();
    s.close("high");
    expect(s.told().at(-1)).toBe("10s low goes on with 100");
  });

  test("its end ends its waiting", () => {
    const { s, top, hold } = busy();
    s.want(top, "high", 70, "HIGH");
    s.settle(hold);
    s.close("low");
    expect([...s.node(top).waiters]).toEqual([]);
    expect(s.node("low").state).toBe("closed");
  });
});

test("why says who is left alone and why, and what waits to go on", () => {
  const { s, top, hold } = busy();
  const why = (id: string) => allocationStanding(s.state, s.node(id), { nowMs: s.nowMs, listed: 9 }).join("\n");
  const whyRequest = (id: string) =>
    requestStandings(s.state, id, { nowMs: s.nowMs, listed: 9, scanned: 9 }).join("\n");
  s.want(top, "high", 70, "HIGH");
  s.settle(hold);
  expect(why("low")).toContain("paused for the sake of others, waits to go on with");
  s.want(top, "fresh", 30, "LOW");
  s.reserve("high", { wanted: { credits: 70 } });
  s.want(top, "next", 90, "CRITICAL");
  const because = whyRequest("next");
  expect(because).toContain("low (LOW, preempted less than 60000 ms ago)");
  expect(because).toContain("high (HIGH, granted less than 5000 ms ago)");
});

/** Rules under which nothing but the order of priorities stands in the way. */
const EAGER: Policy = { ...PAUSING, preemption: { worst: "PAUSE", protectMs: 0, coolDownMs: 0 } };

describe("what other systems get wrong, with pauses", () => {
  test("a reclaim loop: victims rest at different times, wait to go on meanwhile, and never get the claim's room", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, EAGER);
    const victims = ["a", "b", "c", "d"];
    for (const name of victims) s.want(top, name, 25, "LOW");
    const holds = victims.map((name) => s.reserve(name, { wanted: { credits: 25 }, ttlMs: 600_000 }));
    s.told();
    s.want(top, "high", 100, "HIGH");
    expect(s.told()).toEqual(["0s high: PAUSE a, PAUSE b, PAUSE c, PAUSE d"]);
    for (const hold of holds) {
      s.wait(1_000);
      s.settle(hold);
    }
    const told = s.told();
    expect(told.filter((line) => line.includes("goes on"))).toEqual([]);
    expect(told.filter((line) => line.includes("PAUSE"))).toEqual([]);
    expect(told.at(-1)).toBe("4s high granted 100");
    expect(s.node(top).waiters.size).toBe(4);
    s.close("high");
    expect(s.told()).toEqual(["4s high gone", ...victims.map((name) => `4s ${name} goes on with 25`)]);
  });

  test("two do not pause each other in turns: who was paused waits, however long, and pauses nobody", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, EAGER);
    s.want(top, "normal", 80, "NORMAL");
    s.settle(s.reserve("normal", { wanted: { credits: 80 } }), { credits: 1, final: false });
    s.want(top, "high", 80, "HIGH");
    const hold = [...s.node("normal").holds][0]?.id ?? "";
    s.settle(hold, { credits: 1 });
    expect(s.node("high").state).toBe("open");
    s.told();
    // Its wait has aged ten levels by then.
    for (let i = 0; i < 120; i += 1) s.wait(5_000);
    expect(s.told()).toEqual([]);
    expect(s.node("normal").reclaims.size).toBe(1);
  });

  test("a stream of small claims pauses the same work at most once in a cool-down", () => {
    const s = new Transcript();
    const rules = { worst: "PAUSE", protectMs: 0, coolDownMs: 10_000, worthPercentMin: 0 } as const;
    const top = s.account({ credits: 100 }, { ...PAUSING, preemption: rules });
    s.want(top, "long", 100, "LOW");
    for (let i = 0; i < 30; i += 1) {
      if (s.node("long").reclaims.size === 0) s.reserve("long", { wanted: { credits: 100 }, ttlMs: 600_000 });
      s.want(top, `h${i}`, 10, "HIGH", { waitMs: 1_000 });
      for (const { id } of s.node("long").holds) s.settle(id);
      s.wait(1_000);
      if (s.state.allocations.get(`h${i}`)?.state === "open") s.close(`h${i}`);
    }
    const pauses = s.lines.filter((line) => line.includes("PAUSE long"));
    expect(pauses.length).toBeGreaterThan(1);
    expect(pauses.length).toBeLessThanOrEqual(3);
    expect(s.lines.filter((line) => line.includes("long goes on")).length).toBeGreaterThanOrEqual(pauses.length - 1);
  });
});
