/** What a worker's log lets the books say, call by call. */
import { describe, expect, test } from "vitest";
import { boundsBy, contradictions, peakBy } from "./call-bounds.ts";
import type { CallEvent, CallLine, Cost } from "./worker-log.ts";

const cost = (credits: number, toolCalls = 0): Cost => ({ credits, toolCalls });

function linesOf(call: string, events: readonly CallEvent[]): CallLine[] {
  return events.map((event) => ({ t: 0, step: "s1", path: "g/t/u/swarm/run/step", call, ...event }));
}

function boundsOf(...events: CallEvent[]): readonly [number, number] {
  const bounds = boundsBy(linesOf("c1", events), () => "all").get("all");
  return [bounds?.low.credits ?? -1, bounds?.high.credits ?? -1];
}

const reserve: CallEvent = { op: "reserve", wanted: cost(100) };
const held: CallEvent = { op: "held", holdId: "h", granted: cost(80) };
const settle = (credits: number, final = true): CallEvent => ({ op: "settle", cost: cost(credits), final });
const settled = (credits: number, { final = true, late = false } = {}): CallEvent => {
  return { op: "settled", cost: cost(credits), final, late };
};

describe("a call is charged", () => {
  test("nothing when it was refused, and anything up to its wish when nobody knows", () => {
    expect(boundsOf(reserve, { op: "refused", why: "", sure: true })).toEqual([0, 0]);
    expect(boundsOf(reserve, { op: "refused", why: "", sure: false })).toEqual([0, 100]);
    expect(boundsOf(reserve)).toEqual([0, 100]);
  });

  test("exactly its cost once that is acknowledged, above its hold too", () => {
    expect(boundsOf(reserve, held, settle(30), settled(30))).toEqual([30, 30]);
    expect(boundsOf(reserve, held, settle(130), settled(130))).toEqual([130, 130]);
  });

  test("exactly its hold when nobody settles it", () => {
    expect(boundsOf(reserve, held)).toEqual([80, 80]);
    expect(boundsOf(reserve, held, settle(20, false), settled(20, { final: false }))).toEqual([80, 80]);
  });

  test("its cost or its hold where the answer is missing, or came for a hold that had lapsed", () => {
    expect(boundsOf(reserve, held, settle(30))).toEqual([30, 80]);
    expect(boundsOf(reserve, held, settle(130))).toEqual([80, 130]);
    expect(boundsOf(reserve, held, settle(30), settled(30, { late: true }))).toEqual([30, 80]);
  });
});

test("what is said twice is charged once", () => {
  expect(boundsOf(reserve, held, held, settle(30), settled(30), settle(30), settled(30))).toEqual([30, 30]);
  expect(boundsOf(reserve, held, settle(30), settled(30), settle(30))).toEqual([30, 30]);
  expect(peakBy(linesOf("c1", [reserve, held, held]), () => "all").get("all")).toEqual(cost(80));
});

test("answers that contradict each other are found", () => {
  expect(contradictions(linesOf("c1", [reserve, held, held, settle(30), settled(30)]))).toEqual([]);
  const other: CallEvent = { op: "held", holdId: "other", granted: cost(80) };
  expect(contradictions(linesOf("c1", [reserve, held, other]))).toHaveLength(1);
  expect(contradictions(linesOf("c1", [reserve, held, settle(30), settled(31)]))).toHaveLength(1);
});

test("calls are added up by key, each with its own bounds", () => {
  const lines = [...linesOf("c1", [reserve, held, settle(30), settled(30)]), ...linesOf("c2", [reserve, held])];
  const bounds = boundsBy(lines, ({ path }) => path).get("g/t/u/swarm/run/step");
  expect(bounds).toEqual({ low: cost(110), high: cost(110) });
});

test("the peak counts holds in full until their settle is said, and no overruns", () => {
  const lines = [
    ...linesOf("c1", [reserve, held, settle(30)]),
    ...linesOf("c2", [reserve, held]),
    ...linesOf("c1", [settled(30)]),
    ...linesOf("c2", [settle(500), settled(500)]),
  ];
  expect(peakBy(lines, () => "all").get("all")).toEqual(cost(110));
  const both = [...linesOf("c1", [reserve, held]), ...linesOf("c2", [reserve, held])];
  expect(peakBy(both, () => "all").get("all")).toEqual(cost(160));
});
