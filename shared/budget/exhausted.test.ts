/** A holder says that nothing more is free: what a claim asks next, and when; who passes it on. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { describeState } from "./describe.ts";
import type { Policy } from "./policy.ts";
import { Transcript } from "./preempting.test-support.ts";
import { type LimitNumbers, some, usage } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

const POLICY: Policy = { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0, graceMs: 1_000 } };

class Holding extends Transcript {
  /** Work of low priority with so much memory, held by another daemon. */
  low(parentId: string, name: string, memory: number, holder = "process-1"): void {
    this.want(parentId, name, 0, "LOW", { limits: { memoryBytes: memory }, holder });
    this.told();
  }

  /** Asks for memory at HIGH. */
  high(parentId: string, memory: number, name = "high") {
    return this.want(parentId, name, 0, "HIGH", { limits: { memoryBytes: memory } });
  }

  /** The holder answers: it has given back so much in all, and has nothing more that is free for what it was asked last, or `preemptionId`. */
  answers(allocationId: string, back: LimitNumbers = {}, preemptionId = this.lastAsked(allocationId)) {
    const which = { caller: this.node(allocationId).peer ?? "", allocationId, epoch: 1 } as const;
    return this.run({ type: "receive_return", ...which, returnedTotal: some(back), exhausted: preemptionId });
  }

  lastAsked(allocationId: string): string {
    return [...this.node(allocationId).reclaims.keys()].at(-1) ?? "";
  }

  /** What the latest command told of a preemption. */
  get progress() {
    return this.last.messages.findLast(({ type }) => type === "reclaim_progress");
  }

  /** Whom the latest command asked, how, and for how many bytes. */
  get asked() {
    return this.last.messages.flatMap((message) =>
      message.type === "reclaim_child"
        ? [`${message.mode} ${message.allocationId} ${message.amounts.memoryBytes}`]
        : [],
    );
  }
}

describe("a claim to which a holder has nothing free to give", () => {
  test("has its work stopped in the decision in which the holder says so", () => {
    const s = new Holding();
    const top = s.account({ memoryBytes: 100 }, POLICY);
    s.low(top, "low", 100);
    s.high(top, 40);
    expect(s.asked).toEqual(["SHRINK low 40"]);
    s.answers("low");
    // Not asked for the other sixty that are not known to be used: while it owes forty it has nothing free.
    expect(s.asked).toEqual(["STOP low 100"]);
    s.report("low", 1, usage({}), { caller: "process-1", final: true });
    expect(s.node("high").state).toBe("open");
  });

  test("waits for its grace and a look where the holder says nothing", () => {
    const s = new Holding();
    const top = s.account({ memoryBytes: 100 }, POLICY);
    s.low(top, "low", 40);
    s.low(top, "other", 60);
    s.high(top, 100);
    s.answers("low");
    expect(s.asked).toEqual([]);
    s.wait(1_000 + LIMITS.claimLookMs - 1);
    expect(s.asked).toEqual([]);
    s.wait(1);
    expect(s.asked).toEqual(["STOP other 60", "STOP low 40"]);
  });

  test("has its next plan when the last of several has answered, and takes what was free of the others", () => {
    const s = new Holding();
    const top = s.account({ memoryBytes: 100 }, POLICY);
    s.low(top, "one", 50);
    s.low(top, "two", 50);
    s.high(top, 80);
    s.answers("one");
    expect(s.asked).toEqual([]);
    const wanted = s.node("two").reclaims.get(s.lastAsked("two"))?.wanted.memoryBytes ?? 0;
    s.run({
      type: "receive_return",
      caller: "process-1",
      allocationId: "two",
      epoch: 1,
      returnedTotal: some({ memoryBytes: wanted }),
    });
    expect(s.asked).toEqual(["STOP one 50"]);
  });

  test("looks no further by every move of others when nobody else can give way", () => {
    const s = new Holding();
    const top = s.account(
      { memoryBytes: 100, credits: 10 },
      { ...POLICY, preemption: { protectMs: 0, worst: "SHRINK" } },
    );
    s.low(top, "low", 90);
    s.want(top, "beside", 0, "HIGH", { limits: { memoryBytes: 10 } });
    s.high(top, 40);
    s.told();
    s.answers("low");
    expect(s.told()).toEqual(["0s high: SHRINK low"]);
    s.run({ type: "close", allocationId: "beside", reason: "finished" });
    expect(s.told()).toEqual(["0s beside gone"]);
    // What it gives in the end is the claim's all the same.
    const back = { caller: "process-1", allocationId: "low", epoch: 1 } as const;
    s.run({ type: "receive_return", ...back, returnedTotal: some({ memoryBytes: 40 }) });
    expect(s.node("high").state).toBe("open");
  });

  test("is told by a holder once, and late answers move nothing", () => {
    const s = new Holding();
    const top = s.account({ memoryBytes: 100 }, POLICY);
    s.low(top, "low", 100);
    s.high(top, 40);
    const name = s.lastAsked("low");
    s.answers("low");
    expect(s.answers("low", {}, name).events).toEqual([]);
    expect(s.answers("low", {}, "another").events).toEqual([]);
    s.run({ type: "cancel_request", caller: "client", requestId: "high" });
    expect(s.answers("low", {}, name).events).toEqual([]);
  });

  test("remembers what was said across a restart", () => {
    const s = new Holding();
    const top = s.account({ memoryBytes: 100 }, { ...POLICY, preemption: { protectMs: 0, worst: "SHRINK" } });
    s.low(top, "low", 100);
    s.high(top, 40);
    s.answers("low");
    expect([...s.node("low").reclaims.values()]).toMatchObject([{ exhausted: true }]);
    expect(describeState(restoreState(snapshotParts(s.state)))).toEqual(describeState(s.state));
  });
});

describe("what is asked through others", () => {
  test("is exhausted when all below have said so; and nobody below is asked for the same again", () => {
    const s = new Holding();
    const top = s.account({ memoryBytes: 100 }, POLICY);
    const swarm = s.open(top, { kind: "swarm", limits: { memoryBytes: 100 }, priority: "LOW" });
    s.low(swarm, "one", 50);
    s.low(swarm, "two", 50, "process-2");
    s.high(top, 60);
    expect(s.asked).toEqual(["SHRINK one 50", "SHRINK two 10"]);
    s.answers("two");
    expect(s.asked).toEqual([]);
    s.answers("one", { memoryBytes: 20 });
    // Of the first nothing is expected, nor of the second, though it is not known to use the rest.
    expect(s.told().at(-1)).toBe(`0s high: SHRINK ${swarm}, STOP ${swarm}`);
    expect(s.node(swarm).state).toBe("closing");
  });

  test("is told to the tier above as soon as it is known", () => {
    const s = new Holding();
    const run = s.receive({ memoryBytes: 100 });
    s.low(run, "one", 50, "execution-1");
    s.low(run, "two", 50, "execution-2");
    const which = { preemptionId: "p", allocationId: run, epoch: 1, amounts: some({ memoryBytes: 100 }) } as const;
    const reclaim = { type: "reclaim", ...which, mode: "SHRINK", reason: "needed elsewhere" } as const;
    expect(s.ask(reclaim)).toMatchObject({ exhausted: false, waitingOn: ["one", "two"] });
    s.answers("one", { memoryBytes: 10 });
    expect(s.progress).toMatchObject({ exhausted: false });
    s.answers("two");
    expect(s.progress).toMatchObject({ exhausted: true, reclaimed: { memoryBytes: 10 } });
    expect(s.ask(reclaim)).toMatchObject({ exhausted: true, met: false, pending: { memoryBytes: 90 } });
  });
});
