/**
 * PREEMPTION_ALLOWED in the engine: who gives way, what is set aside, who is granted what, and who waits again. Whoever wants slots has
 * work stopped for it, for a pause keeps them; of pauses tells pausing.test.ts.
 */
import { describe, expect, test } from "vitest";
import type { Policy } from "./policy.ts";
import { Transcript } from "./preempting.test-support.ts";
import { conflictOf, refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";

const PREEMPTING: Policy = { strategy: "PREEMPTION_ALLOWED" };

describe("what is unspent comes first", () => {
  test("a request that waits is granted in the same decision what others here have free", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, PREEMPTING);
    s.want(top, "low", 100, "LOW");
    s.wait(10_000);
    s.reserve("low", { wanted: { credits: 30 } });
    s.told();
    const granted = s.want(top, "high", 40, "HIGH");
    expect(granted).toMatchObject({ type: "opened", allocationId: "high", preempted: ["low"] });
    expect(s.last.messages.filter(({ type }) => type === "decided")).toEqual([]);
    expect(s.told()).toEqual(["10s high: SHRINK low", "10s high: 40 set aside", "10s high granted 40"]);
    expect(s.credits("low")).toMatchObject({ limit: 60, available: 30, reserved: 30 });
  });

  test("so is one that does not wait; and nothing running is touched for it", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, PREEMPTING);
    s.want(top, "low", 100, "LOW");
    s.wait(10_000);
    s.reserve("low", { wanted: { credits: 70 }, ttlMs: 600_000 });
    expect(s.want(top, "now", 30, "HIGH", { waitMs: 0 })).toMatchObject({ type: "opened", preempted: ["low"] });
    const refused = s.want(top, "more", 10, "HIGH", { waitMs: 0 });
    expect(conflictOf(refused)).toMatchObject({
      resource: "credits",
      position: 0,
      preemption: expect.stringMatching(/^nothing may be taken for .*\(HIGH\)/),
    });
  });

  test("nothing is taken from equals, nor from what was granted a moment ago; why is said", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, PREEMPTING);
    s.want(top, "equal", 50, "HIGH");
    s.wait(10_000);
    s.want(top, "fresh", 50, "LOW");
    const conflict = conflictOf(s.want(top, "high", 40, "HIGH", { waitMs: 0 }));
    expect(conflict.preemption).toContain("granted less than 5000 ms ago");
    expect(s.credits("equal")).toMatchObject({ available: 50 });
    expect(s.want(top, "waits", 40, "HIGH")).toMatchObject({ type: "queued" });
    s.told();
    s.wait(5_000);
    expect(s.told()).toEqual(["15s waits: SHRINK fresh", "15s waits: 40 set aside", "15s waits granted 40"]);
  });
});

describe("running work", () => {
  test("is stopped when what is free is not enough; its room is the claim's as it comes free, and nobody else's", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100, branches: 2 }, PREEMPTING);
    s.want(top, "one", 50, "LOW");
    s.want(top, "two", 50, "LOW");
    s.wait(10_000);
    const hold = s.reserve("one", { wanted: { credits: 50 }, ttlMs: 600_000 });
    const other = s.reserve("two", { wanted: { credits: 50 }, ttlMs: 600_000 });
    s.told();
    expect(conflictOf(s.want(top, "high", 80, "HIGH", { limits: { branches: 1 } })).preemption).toBe(
      "2 of lower priority give way to it",
    );
    expect(s.told()).toEqual(["10s high: STOP one, STOP two"]);
    s.settle(hold, { credits: 10 });
    expect(s.told()).toEqual(["10s high: 40 set aside", "10s one gone"]);
    // Somebody else comes, and must not have it.
    expect(s.want(top, "urgent", 20, "HIGH", { waitMs: 0 }).type).toBe("refused");
    s.told();
    s.settle(other, { credits: 5 });
    expect(s.told()).toEqual(["10s high: 40 set aside", "10s two gone", "10s high granted 80"]);
    expect(s.credits(top)).toMatchObject({ available: 5, spent: 15 });
  });

  test("its next attempt waits since the first arrival, and is left alone for the cool-down", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100, branches: 1 }, PREEMPTING);
    s.want(top, "victim", 100, "LOW");
    s.wait(10_000);
    const hold = s.reserve("victim", { wanted: { credits: 100 }, ttlMs: 600_000 });
    s.want(top, "high", 60, "HIGH");
    s.settle(hold);
    expect(s.node("high").state).toBe("open");
    s.wait(1_000);
    s.want(top, "newcomer", 90, "LOW");
    s.want(top, "victim-2", 90, "LOW", { attemptOf: "victim" });
    expect([...s.node(top).waiters].map(({ request }) => request.requestId)).toEqual(["victim-2", "newcomer"]);
    s.close("high");
    expect(s.node("victim-2").state).toBe("open");
    expect(s.state.victims.historyOf("victim-2")).toEqual({ arrivedAtMs: 0, preemptedAtMs: 10_000 });
    s.wait(30_000);
    expect(conflictOf(s.want(top, "again", 60, "HIGH", { waitMs: 0 })).preemption).toContain(
      "preempted less than 60000 ms ago",
    );
  });

  test("held by another daemon: it is asked first for what it has not used, then paused, and stopped where that does not come", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, { ...PREEMPTING, preemption: { coolDownMs: 10_000 } });
    s.want(top, "there", 100, "LOW", { holder: "process-1" });
    s.wait(10_000);
    s.report("there", 1, usage({ credits: 30 }), { caller: "process-1" });
    s.told();
    expect(s.want(top, "high", 60, "HIGH").type).toBe("queued");
    expect(s.told()).toEqual(["10s high: SHRINK there"]);
    expect(s.last.messages).toMatchObject([{ type: "reclaim_child", mode: "SHRINK", amounts: some({ credits: 60 }) }]);
    // It has its calls in flight: nothing comes within the grace.
    s.wait(5_000);
    s.report("there", 2, usage({ credits: 35 }), { caller: "process-1" });
    s.wait(5_000);
    expect(s.told()).toEqual(["20s high: SHRINK there, PAUSE there"]);
    expect(s.last.messages).toContainEqual(expect.objectContaining({ type: "reclaim_child", mode: "PAUSE" }));
    s.wait(10_000);
    expect(s.told()).toEqual(["30s high: PAUSE there, STOP there"]);
    expect(s.last.messages).toContainEqual(
      expect.objectContaining({ type: "reclaim_child", mode: "STOP", graceMs: 5_000, claimantPriority: "HIGH" }),
    );
    // Nothing is granted that it has not given up, however long it takes.
    s.report("there", 3, usage({ credits: 38 }), { caller: "process-1" });
    s.wait(20_000);
    expect(s.node(top).children.size).toBe(1);
    s.told();
    s.report("there", 4, usage({ credits: 40 }), { caller: "process-1", final: true });
    expect(s.told()).toEqual(["50s there gone", "50s high: 60 set aside", "50s high granted 60"]);
    expect(s.credits(top)).toMatchObject({ spent: 40, granted: 60 });
  });
});

/** Rules under which nothing but the order of priorities stands in the way. */
const EAGER: Policy = { ...PREEMPTING, preemption: { protectMs: 0, coolDownMs: 0 } };

describe("what other systems get wrong", () => {
  test("a reclaim loop: victims leave at different times, are tried again meanwhile, and never get the claim's room", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100, branches: 4 }, EAGER);
    const victims = ["a", "b", "c", "d"];
    for (const name of victims) s.want(top, name, 25, "LOW");
    const holds = victims.map((name) => s.reserve(name, { wanted: { credits: 25 }, ttlMs: 600_000 }));
    s.wait(1_000);
    s.told();
    s.want(top, "high", 100, "HIGH", { limits: { branches: 3 } });
    expect(s.told()).toEqual(["1s high: STOP a, STOP b, STOP c, STOP d"]);
    for (const [i, name] of victims.entries()) {
      s.wait(1_000);
      s.settle(holds[i] ?? "");
      // It comes back at once, and before everybody else of its priority; it must wait all the same.
      const again = s.want(top, `${name}-2`, 25, "LOW", { attemptOf: name });
      expect(again.type).toBe("queued");
    }
    const told = s.told();
    expect(told.filter((line) => line.includes("STOP"))).toEqual([]);
    expect(told.filter((line) => line.includes("granted"))).toEqual(["5s high granted 100"]);
    expect(s.node(top).waiters.size).toBe(4);
    s.close("high");
    expect(s.told().filter((line) => line.includes("granted"))).toEqual(
      victims.map((name) => `5s ${name}-2 granted 25`),
    );
  });

  test("two preemptors do not alternate: the higher one runs, the lower one waits, however long", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, EAGER);
    s.want(top, "high", 80, "HIGH");
    s.want(top, "normal", 80, "NORMAL");
    s.want(top, "equal", 80, "HIGH");
    s.told();
    for (let i = 0; i < 120; i += 1) s.wait(5_000);
    // Both have waited ten levels of aging by now: nobody gives way to them all the same.
    expect(s.told().filter((line) => !line.endsWith("nobody gives way"))).toEqual([]);
    expect(s.node("high").state).toBe("open");
  });

  test("a higher claim takes over what is set aside for a lower one; that one goes on waiting", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100, branches: 2 }, EAGER);
    s.want(top, "one", 50, "LOW");
    s.want(top, "two", 50, "LOW");
    const [one, two] = ["one", "two"].map((name) => s.reserve(name, { wanted: { credits: 50 }, ttlMs: 600_000 }));
    s.want(top, "normal", 90, "NORMAL", { limits: { branches: 1 } });
    s.settle(one ?? "");
    s.told();
    expect(s.want(top, "high", 40, "HIGH", { waitMs: 0 })).toMatchObject({ type: "opened" });
    expect(s.told()).toEqual(["0s high: ", "0s high: 40 set aside from normal", "0s high granted 40"].map(shown));
    s.settle(two ?? "");
    s.close("high");
    expect(s.told()).toEqual([
      "0s normal: 50 set aside",
      "0s two gone",
      "0s normal: nobody gives way",
      "0s high gone",
      "0s normal granted 90",
    ]);
  });

  test("so many at a time: the next round begins when the last has left, and the first only if all are enough", () => {
    const s = new Transcript();
    const policy: Policy = { ...PREEMPTING, preemption: { protectMs: 0, victimsPerRoundMax: 2 } };
    const top = s.account({ credits: 100, branches: 5 }, policy);
    const holds = ["a", "b", "c", "d", "e"].map((name) => {
      s.want(top, name, 20, "LOW");
      return s.reserve(name, { wanted: { credits: 20 }, ttlMs: 600_000 });
    });
    s.told();
    s.want(top, "high", 100, "HIGH", { limits: { branches: 4 } });
    expect(s.told()).toEqual(["0s high: STOP a, STOP b"]);
    for (const hold of holds) s.settle(hold);
    expect(s.told().filter((line) => line.includes("STOP") || line.includes("granted"))).toEqual([
      "0s high: STOP c, STOP d",
      "0s high: STOP e",
      "0s high granted 100",
    ]);
  });

  test("an overrun eats what is set aside; where nobody can make it good, the rest is free again", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100, branches: 3 }, EAGER);
    for (const name of ["one", "two", "three"]) s.want(top, name, name === "three" ? 20 : 40, "LOW");
    const [one, two, three] = ["one", "two", "three"].map((name) =>
      s.reserve(name, { wanted: { credits: name === "three" ? 20 : 40 }, ttlMs: 600_000 }),
    );
    s.told();
    s.want(top, "high", 80, "HIGH", { limits: { branches: 1 } });
    expect(s.told()).toEqual(["0s high: STOP one, STOP two"]);
    s.settle(one ?? "");
    expect(s.told()[0]).toBe("0s high: 40 set aside");
    s.settle(three ?? "", { credits: 30, final: false });
    expect(s.node(top).waiters.earmarks.of("client\nhigh").credits).toBe(30);
    s.settle(two ?? "");
    // "three" has nothing left to give: the claim waits like any other, and others may have what it cannot use.
    expect(s.told()).toEqual(["0s high: 40 set aside", "0s two gone", "0s high: nobody gives way"]);
    expect(s.want(top, "small", 70, "CRITICAL", { waitMs: 0 }).type).toBe("opened");
  });

  test("who cancels asks for nothing any more, and what was set aside is free for the next", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 }, EAGER);
    s.want(top, "low", 100, "LOW", { holder: "process-1" });
    s.want(top, "high", 60, "HIGH");
    const returned = { type: "receive_return", caller: "process-1", allocationId: "low", epoch: 1 } as const;
    s.run({ ...returned, returnedTotal: some({ credits: 20 }) });
    s.want(top, "next", 20, "NORMAL");
    s.told();
    s.run({ type: "cancel_request", caller: "client", requestId: "high" });
    expect(s.told()).toEqual(["0s next granted 20"]);
    expect([...s.node("low").reclaims.values()]).toEqual([]);
  });

  test("a person's preemption of the node has its budget before any claim there", () => {
    const s = new Transcript();
    const top = s.account({ credits: 100 });
    const swarm = s.open(top, { kind: "swarm", limits: { credits: 100 }, policy: EAGER });
    s.want(swarm, "low", 100, "LOW");
    const hold = s.reserve("low", { wanted: { credits: 100 }, ttlMs: 600_000 });
    s.want(swarm, "high", 60, "HIGH");
    const which = { preemptionId: "p", allocationId: swarm, epoch: undefined, amounts: some({ credits: 30 }) } as const;
    s.run({ type: "reclaim", ...which, mode: "SHRINK", reason: "needed elsewhere" });
    s.told();
    s.settle(hold, { credits: 10 });
    expect(s.told()).toContain("0s high: 60 set aside");
    expect(s.credits(top)).toMatchObject({ available: 30 });
    expect(s.node("high").state).toBe("open");
  });
});

function shown(line: string): string {
  return line.endsWith(": ") ? `${line}nobody gives way` : line;
}

describe("bad rules", () => {
  test.each([
    [{ victimsPerRoundMax: 0 }, "policy.preemption.victims_per_round_max"],
    [{ worthPercentMin: 101 }, "policy.preemption.worth_percent_min"],
    [{ coolDownMs: -1 }, "policy.preemption.cool_down_ms"],
    [{ protectMs: 0.5 }, "policy.preemption.protect_ms"],
    [{ graceMs: 600_001 }, "policy.preemption.grace_ms"],
  ])("%o is refused by the name of its field", (preemption, field) => {
    const s = new Scenario();
    const policy = { ...PREEMPTING, preemption };
    const limits = {};
    const refused = s.ask({ type: "open_root", allocationId: "a", name: "a", limits, policy });
    expect(refusalOf(refused)).toMatchObject({ code: "invalid", violations: [{ field }] });
    expect(s.state.allocations.size).toBe(0);
  });
});
