/** SHRINK over daemons: who is asked for what, and who is asked instead when one turns out to have nothing. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeState } from "./describe.ts";
import { Scenario, some, usage } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

/** A run here with steps elsewhere, all of its credits in them. */
class Steps extends Scenario {
  readonly run_ = this.receive({ credits: 300 });
  readonly one = this.#step("one");
  readonly two = this.#step("two");
  readonly three = this.#step("three");
  #sequence = 0;

  #step(holder: string): string {
    return this.open(this.run_, { limits: { credits: 100 }, holder });
  }

  shrink(credits: number, preemptionId = "p", allocationId = this.run_) {
    const which = { preemptionId, allocationId, epoch: undefined, amounts: some({ credits }) } as const;
    return this.ask({ type: "reclaim", ...which, mode: "SHRINK", reason: "needed elsewhere" });
  }

  #holder(id: string): string {
    return this.node(id).peer ?? "";
  }

  /** The step's holder has given back so much in all. */
  givesBack(id: string, credits: number) {
    const caller = this.#holder(id);
    this.ask({ type: "receive_return", caller, allocationId: id, epoch: 1, returnedTotal: some({ credits }) });
  }

  /** The step's holder reports so much used in all. */
  used(id: string, credits: number, final = false) {
    this.#sequence += 1;
    this.report(id, this.#sequence, usage({ credits }), { caller: this.#holder(id), final });
  }

  /** Who was asked for what by the latest command. */
  get asked() {
    return this.last.messages.flatMap((message) =>
      message.type === "reclaim_child" ? [[message.allocationId, Number(message.amounts.credits)]] : [],
    );
  }

  /** Names under which the latest command asked. */
  get names(): string[] {
    return this.last.messages.flatMap((message) => (message.type === "reclaim_child" ? [message.preemptionId] : []));
  }

  pending(): number {
    const reclaim = this.node(this.run_).reclaims.get("p");
    return reclaim ? reclaim.wanted.credits - reclaim.reclaimed.credits : 0;
  }
}

describe("a step that has used what was asked of it", () => {
  test("and has answered with less: the next ones are asked for the rest once its report says so", () => {
    const s = new Steps();
    s.shrink(120);
    expect(s.asked).toEqual([
      [s.one, 100],
      [s.two, 20],
    ]);
    s.givesBack(s.one, 30);
    expect(s.asked).toEqual([]);
    s.used(s.one, 70);
    // The second has 80 more that nobody has asked for.
    expect(s.asked).toEqual([[s.two, 70]]);
    expect(s.shrink(120)).toMatchObject({ pending: { credits: 90 }, waitingOn: [s.two] });
    s.givesBack(s.two, 90);
    expect(s.shrink(120)).toMatchObject({ reclaimed: { credits: 120 }, met: true, waitingOn: [] });
  });

  test("and whose report comes before its answer: what it can still give is waited for", () => {
    const s = new Steps();
    s.shrink(200);
    s.used(s.one, 70);
    expect(s.asked).toEqual([[s.three, 70]]);
    s.givesBack(s.one, 30);
    s.givesBack(s.two, 100);
    expect(s.pending()).toBe(70);
    s.givesBack(s.three, 70);
    expect(s.pending()).toBe(0);
    expect(s.credits(s.run_)).toEqual({ limit: 100, granted: 100, usage: 70 });
  });

  test("or closes and owes something: the others are asked for that", () => {
    const s = new Steps();
    s.shrink(150);
    s.used(s.one, 90, true);
    // Ten came free with its end.
    expect(s.pending()).toBe(140);
    expect(s.asked).toEqual([
      [s.two, 50],
      [s.three, 40],
    ]);
  });

  test("and has no neighbours with anything left: it goes on waiting, and nobody is asked", () => {
    const s = new Steps();
    s.shrink(300);
    s.used(s.one, 40);
    expect(s.asked).toEqual([]);
    expect(s.pending()).toBe(300);
    expect(s.shrink(300)).toMatchObject({ met: false, waitingOn: [s.one, s.two, s.three] });
  });

  test("but has enough left: nothing is asked of others", () => {
    const s = new Steps();
    s.shrink(60);
    s.used(s.one, 40);
    expect(s.asked).toEqual([]);
  });

  test("and little of it: the others are asked once it is worth a look at all of them, or when nobody owes anything", () => {
    const s = new Steps();
    s.shrink(100);
    s.used(s.one, 6);
    expect(s.asked).toEqual([]);
    s.used(s.one, 7);
    expect(s.asked).toEqual([[s.two, 7]]);
    s.used(s.one, 8);
    expect(s.asked).toEqual([]);
    // With what has come back the rest is no small part any more.
    s.givesBack(s.one, 92);
    expect(s.asked).toEqual([[s.two, 1]]);
    s.givesBack(s.two, 8);
    expect(s.pending()).toBe(0);
  });
});

test("what is asked for is never more than what is still wanted, and never the same of one twice", () => {
  const s = new Steps();
  s.shrink(150);
  s.shrink(100, "q");
  // The first fifty of the second are asked for already.
  expect(s.asked).toEqual([
    [s.two, 50],
    [s.three, 50],
  ]);
  // The older of the two keeps the 40 that are left there, as it is fed first; together they get what the third has.
  s.used(s.two, 60);
  expect(s.asked).toEqual([
    [s.three, 10],
    [s.three, 40],
  ]);
  s.used(s.two, 70);
  expect(s.asked).toEqual([]);
  expect(s.pending()).toBe(150);
});

test("what comes free elsewhere meanwhile is not asked for again", () => {
  const s = new Steps();
  s.shrink(150);
  s.used(s.three, 10, true);
  expect(s.pending()).toBe(60);
  expect(s.asked).toEqual([]);
  s.used(s.one, 100);
  // Of the 60 that are wanted 50 are owed by the second.
  expect(s.asked).toEqual([[s.two, 10]]);
});

test("what is owed when nothing is wanted any more ends, and is a return like any other when it comes", () => {
  const s = new Steps();
  s.shrink(150);
  s.used(s.three, 0, true);
  s.used(s.one, 0, true);
  expect(s.pending()).toBe(0);
  expect(s.node(s.two).reclaims.size).toBe(0);
  s.givesBack(s.two, 50);
  expect(s.credits(s.run_)).toEqual({ limit: 150, available: 100, granted: 50 });
});

test("one that is preempted itself goes on owing: its limit may be raised", () => {
  const s = new Steps();
  s.shrink(80, "own", s.one);
  s.used(s.one, 100);
  expect(s.last.events.map(({ type }) => type)).toEqual(["usage_reported"]);
  expect(s.node(s.one).reclaims.size).toBe(1);
});

test("cancelling ends all that was asked for, also what was asked of one a second time", () => {
  const s = new Steps();
  s.shrink(120);
  s.used(s.one, 50);
  s.ask({ type: "cancel_reclaim", preemptionId: "p", allocationId: s.run_ });
  expect([s.one, s.two, s.three].map((id) => s.node(id).reclaims.size)).toEqual([0, 0, 0]);
  s.used(s.one, 100);
  expect(s.asked).toEqual([]);
});

test("a preemption with the longest name is asked for under one that can travel", () => {
  const s = new Steps();
  s.shrink(10, "p".repeat(128));
  const [message] = s.last.messages.filter(({ type }) => type === "reclaim_child");
  expect(message?.type === "reclaim_child" && message.preemptionId.length).toBeLessThan(64);
  s.used(s.one, 95);
  expect(s.asked).toEqual([[s.two, 5]]);
});

test("a restart, from the journal or a snapshot, changes nothing of it", () => {
  const s = new Steps();
  s.shrink(120);
  s.used(s.one, 50);
  s.givesBack(s.two, 20);
  s.restart();
  const restored = restoreState(snapshotParts(s.state));
  expect(describeState(restored)).toEqual(describeState(s.state));
  s.state = restored;
  s.used(s.one, 80);
  expect(s.asked).toEqual([[s.two, 30]]);
});

/** By the names alone: credits owed below a preemption, counted anew. */
function owed(s: Steps, preemptionId: string): number {
  let all = 0;
  for (const id of [s.one, s.two, s.three]) {
    for (const [name, { wanted, reclaimed }] of s.node(id).reclaims) {
      if (name.startsWith(`${preemptionId}/${s.run_}/`)) all += wanted.credits - reclaimed.credits;
    }
  }
  return all;
}

type Act = readonly [what: "shrink" | "used" | "final" | "back" | "cancel" | "restart", which: number, credits: number];

function act(s: Steps, [what, which, credits]: Act): void {
  const step = [s.one, s.two, s.three][which] ?? s.one;
  const preemptionId = `p${which}`;
  const { state, returnedTotal, books } = s.node(step);
  if (what === "shrink") s.shrink(credits, preemptionId);
  if (what === "cancel") s.ask({ type: "cancel_reclaim", preemptionId, allocationId: s.run_ });
  if (what === "back" && state !== "closed") s.givesBack(step, Math.min(100, returnedTotal.credits + credits / 4));
  if (what === "used" || what === "final") s.used(step, books.credits.usage + credits / 4, what === "final");
  if (what === "restart") s.state = restoreState(snapshotParts(s.state));
}

test("the running figure of what was asked is what is owed, and no more than is wanted is asked for, whatever happens", () => {
  const what = fc.constantFrom<Act[0]>("shrink", "used", "used", "back", "back", "final", "cancel", "restart");
  const acts = fc.array(
    fc.tuple(
      what,
      fc.nat(2),
      fc.nat(50).map((n) => 4 * n),
    ),
    { minLength: 5, maxLength: 30 },
  );
  let seen = 0;
  const holds = fc.property(acts, (all) => {
    const s = new Steps();
    s.shrink(120, "p0");
    for (const one of all) {
      act(s, one);
      for (const { preemptionId, wanted, reclaimed, ...reclaim } of s.node(s.run_).reclaims.values()) {
        const sum = owed(s, preemptionId);
        expect(reclaim.asked?.credits ?? 0).toBe(sum);
        if (sum > 0) seen += 1;
        const isAsking = s.names.some((name) => name.startsWith(`${preemptionId}/`));
        if (isAsking) expect(sum).toBeLessThanOrEqual(wanted.credits - reclaimed.credits);
      }
    }
  });
  fc.assert(holds, { seed: 20_261_124, numRuns: 300 });
  expect(seen).toBeGreaterThan(1_000);
});
