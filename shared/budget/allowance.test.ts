/** What may be answered before it is durable, and what a power cut may hide of it. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { allowanceOf } from "./allowance.ts";
import { amount, ZERO } from "./amount.ts";
import type { Outcome } from "./outcome.ts";
import { refusalOf, Scenario } from "./scenario.test-support.ts";

const PARTS = LIMITS.aheadLimitParts;

/** A step of so many credits, on a machine that was started once. */
function started(credits = 160): { readonly s: Scenario; readonly step: string } {
  const s = new Scenario();
  s.ask({ type: "start", bootId: "first" });
  return { s, step: s.receive({ credits }, { leaseMs: 1_000_000 }) };
}

/** The machine loses power and is started again, and the daemon with it. */
function losePower(s: Scenario, bootId = "second"): void {
  s.restart();
  s.ask({ type: "start", bootId });
}

/** Settles a hold that this side need not know. */
function settleHold(
  s: Scenario,
  allocationId: string,
  told: { holdId: string; credits: number; final: boolean },
): Outcome {
  const { holdId, final } = told;
  const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
  return s.ask({
    type: "settle",
    allocationId,
    holdId,
    credits: amount(told.credits),
    toolCalls: ZERO,
    final,
    ...facts,
  });
}

describe("the allowance", () => {
  test("is a part of the limit, and some calls where nothing limits them", () => {
    const { s, step } = started(10 * PARTS + 3);
    expect(allowanceOf(s.node(step))).toEqual({
      credits: 10,
      toolCalls: LIMITS.aheadCallsMax,
      branches: 0,
      memoryBytes: 0,
    });
    const few = s.receive({ credits: PARTS - 1, toolCalls: 2 * PARTS });
    expect(allowanceOf(s.node(few))).toMatchObject({ credits: 0, toolCalls: 2 });
    const many = s.receive({ toolCalls: 100 * PARTS });
    expect(allowanceOf(s.node(many))).toMatchObject({ credits: 0, toolCalls: LIMITS.aheadCallsMax });
  });

  test("is nothing at a node of this daemon's own, and at one that closes", () => {
    const { s, step } = started();
    const account = s.account({ credits: 1_000 });
    expect(allowanceOf(s.node(account))).toMatchObject({ credits: 0, toolCalls: 0 });
    s.reserve(step, { wanted: { credits: 1 } });
    s.close(step);
    expect(s.node(step).state).toBe("closing");
    expect(allowanceOf(s.node(step))).toMatchObject({ credits: 0, toolCalls: 0 });
  });
});

describe("after a power cut", () => {
  test("all that may be hidden is unconfirmed, and spent at the close", () => {
    const { s, step } = started(10 * PARTS);
    s.reserve(step, { wanted: { credits: 30 } });
    losePower(s);
    expect(s.node(step).books.credits).toMatchObject({
      reserved: 30,
      unconfirmed: 10,
      available: 10 * PARTS - 40,
      spent: 0,
    });
    s.close(step);
    s.wait(LIMITS.holdTtlMsMax);
    expect(s.node(step).books.credits).toMatchObject({ spent: 40, unconfirmed: 0 });
  });

  test("no more is hidden than was free", () => {
    const { s, step } = started(10 * PARTS);
    s.reserve(step, { wanted: { credits: 10 * PARTS - 4 } });
    losePower(s);
    expect(s.node(step).books.credits).toMatchObject({ unconfirmed: 4, available: 0, debt: 0 });
  });

  test("nothing is hidden by the end of a process, nor where nothing was answered ahead", () => {
    const { s, step } = started();
    losePower(s, "first");
    expect(s.node(step).books.credits).toMatchObject({ unconfirmed: 0 });
    const never = new Scenario();
    const other = never.receive({ credits: 160 });
    losePower(never);
    expect(never.node(other).books.credits).toMatchObject({ unconfirmed: 0 });
    never.restart();
    never.ask({ type: "start" });
    expect(never.node(other).books.credits).toMatchObject({ unconfirmed: 10 });
    expect(never.state.bootId).toBeUndefined();
  });

  test("who had a hidden hold settles its true cost, once; the rest stays unconfirmed", () => {
    const { s, step } = started(10 * PARTS);
    losePower(s);
    const settle = (holdId: string, credits: number, final = true) => settleHold(s, step, { holdId, credits, final });
    expect(settle("hidden-1", 3, false)).toMatchObject({ type: "settled", credits: 3, late: true, ended: false });
    expect(settle("hidden-1", 4)).toMatchObject({ type: "settled", credits: 4, overrun: 1, ended: true });
    expect(settle("hidden-1", 4)).toMatchObject({ type: "settled", credits: 4 });
    expect(s.node(step).books.credits).toMatchObject({
      spent: 4,
      unconfirmed: 7,
      available: 10 * PARTS - 11,
      overrun: 1,
    });
    expect(settle("hidden-2", 20)).toMatchObject({ overrun: 13 });
    expect(s.node(step).books.credits).toMatchObject({ spent: 24, unconfirmed: 0, available: 10 * PARTS - 24 });
    expect([...s.node(step).tally.callsPerTool]).toEqual([["unknown", 2]]);
  });

  test("no more holds are found than can be hidden, and none at another allocation", () => {
    const { s, step } = started(10 * PARTS);
    losePower(s);
    const late = s.receive({ credits: 160 });
    const settle = (allocationId: string, holdId: string) =>
      settleHold(s, allocationId, { holdId, credits: 0, final: true });
    expect(refusalOf(settle(late, "x"))).toMatchObject({ code: "not_found" });
    for (let at = 0; at < LIMITS.aheadCallsMax; at += 1) expect(settle(step, `h${at}`).type).toBe("settled");
    expect(refusalOf(settle(step, "one-more"))).toMatchObject({ code: "not_found" });
    expect(s.node(step).books.credits).toMatchObject({ unconfirmed: 10 });
  });
});
