import { beforeEach, expect, it } from "vitest";
import { LIMITS } from "#std";
import type { RunFacts } from "./run-facts.ts";
import { RunTelling } from "./run-telling.ts";

const facts: RunFacts = {
  runId: "run",
  name: "work",
  path: "global/swarm/work",
  limits: {},
  priority: "NORMAL",
  trace: undefined,
};
const stepStarted = {
  case: "stepStarted",
  value: { $typeName: "bursar.v1.StepStarted", allocationId: "s", path: "p" },
} as const;
const finished = { case: "finished", value: { $typeName: "bursar.v1.RunFinished", outcome: 1 } } as const;

let timers: { readonly delayMs: number; readonly action: () => void }[];
let told: RunTelling;
let heard: string[];

beforeEach(() => {
  timers = [];
  heard = [];
  const after = (delayMs: number, action: () => void) => {
    const timer = { delayMs, action };
    timers.push(timer);
    return () => {
      timers = timers.filter((other) => other !== timer);
    };
  };
  const soon = (action: () => void) => action();
  const clock = { after, wallMs: () => 7, monotonicMs: () => 0, soon, atOnce: soon };
  told = new RunTelling({ clock }, 1);
});

/** What a follower has got, without waiting for more. */
function heardNow(): string[] {
  const feed = told.feed.follow();
  for (let event = feed.take(); event; event = feed.take()) heard.push(`${event.event.case} ${event.sequence & 255n}`);
  void feed.return();
  return heard.splice(0);
}

it("tells starts a moment later, in one go, in the order in which they happened", () => {
  told.started(facts);
  told.tell(stepStarted);
  expect(heardNow()).toEqual([]);
  expect(timers.map(({ delayMs }) => delayMs)).toEqual([LIMITS.startTellingDelayMs]);
  timers[0]?.action();
  expect(heardNow()).toEqual(["started 1", "stepStarted 2"]);
});

it("tells starts before whatever comes next, and at the latest with the end", () => {
  told.tell(stepStarted);
  told.started(facts);
  told.finish(finished);
  expect(timers).toEqual([]);
  expect(heardNow()).toEqual(["started 1", "stepStarted 2", "finished 3"]);
  expect(told.feed.ended).toBe(true);
});
