/** The sentences of decisions. */
import { describe, expect, it } from "vitest";
import { DECIDED, type Verdict, wishWords, wordsOf } from "./explain.ts";
import { NOTHING } from "./resource.ts";
import { limits, Scenario, some } from "./scenario.test-support.ts";

const OWN = { name: "PRIORITY_BASED", from: "own", path: "acme" } as const;
const granted = { granted: some({ credits: 300, branches: 1 }), lacking: NOTHING, pooled: false, strategy: OWN };
const preemption = {
  preemptionId: "p-1",
  mode: "SHRINK",
  reason: "for the demo",
  reclaimed: some({ credits: 30 }),
  pending: NOTHING,
  waitingOn: 0,
} as const;

const RESERVED = { reservationId: "r-1", name: "nightly", amounts: some({ credits: 60 }) };

const CASES: readonly (readonly [Verdict, string])[] = [
  [
    { decided: "GRANTED", ...granted, waitedMs: undefined },
    "granted in full: 300 credits and 1 branch slot, out of acme under PRIORITY_BASED (its own)",
  ],
  [
    { decided: "GRANTED_IN_PART", ...granted, lacking: some({ credits: 200 }), waitedMs: 1_500 },
    "granted in part after waiting 1500 ms: 300 credits and 1 branch slot, 200 credits less than wanted, out of acme under PRIORITY_BASED (its own)",
  ],
  [
    { decided: "GRANTED", ...granted, granted: NOTHING, pooled: true, waitedMs: undefined },
    "granted in full: nothing to keep, drawn as calls need it, out of acme under PRIORITY_BASED (its own)",
  ],
  [
    { decided: "PREEMPTED", preemption },
    "preempted (SHRINK) by p-1: 30 credits came back, all that was wanted; for the demo",
  ],
  [
    { decided: "PREEMPTED", preemption: { ...preemption, reason: "", pending: some({ credits: 5 }), waitingOn: 2 } },
    "preempted (SHRINK) by p-1: 30 credits came back, 5 credits still wanted, asked of 2 held elsewhere",
  ],
  [
    {
      decided: "LIMITS_CHANGED",
      before: limits({ credits: 500, durationMs: 60_000 }),
      after: limits({ credits: 800, durationMs: 90_000 }),
    },
    "limits changed: credits 500 → 800, duration 60000 → 90000 ms",
  ],
  [
    {
      decided: "LIMITS_CHANGED",
      before: limits({ credits: 5 }),
      after: limits({ credits: 5 }),
      newStrategy: "INHERITED",
    },
    "limits changed: strategy inherited from above",
  ],
  [{ decided: "CLOSING", reason: "stopped by ann" }, "closing: stopped by ann"],
  [{ decided: "CLOSED", reason: "succeeded" }, "closed: succeeded"],
  [
    { decided: "IN_DOUBT", holder: "process-7", amounts: some({ credits: 9 }) },
    "the lease of process-7 ended unrenewed: 9 credits in doubt, neither spendable nor lost until it is back or a person writes it off",
  ],
  [
    { decided: "WRITTEN_OFF", amounts: some({ credits: 9 }), reason: "its host is gone" },
    "written off: 9 credits in doubt count as spent; its host is gone",
  ],
  [
    { decided: "GRANTED", ...granted, waitedMs: 900, sinceFirstMs: 2_000 },
    "granted in full after waiting 900 ms (2000 ms after its first attempt came): 300 credits and 1 branch slot, out of acme under PRIORITY_BASED (its own)",
  ],
  [{ decided: "RESUMED", back: some({ credits: 75 }) }, "goes on: 75 credits that it gave are back"],
  [{ decided: "RESUMED", back: NOTHING }, "goes on"],
  [
    { decided: "TOPPED_UP", by: some({ credits: 27 }) },
    "topped up: 27 credits more, for its share of acme is larger now",
  ],
  [
    { decided: "RESERVED", ...RESERVED, startsInMs: 60_000, lastsMs: 5_000 },
    "reserved as nightly (r-1): 60 credits from in 60000 ms on, for 5000 ms",
  ],
  [
    { decided: "RESERVED", ...RESERVED, startsInMs: 0, lastsMs: 5_000 },
    "reserved as nightly (r-1): 60 credits from now on, for 5000 ms",
  ],
  [
    { decided: "RESERVATION_ENDED", reservationId: "r-1", cause: "lapsed", left: some({ credits: 20 }) },
    "reservation r-1 is over: its time is over, and 20 credits of it are free again",
  ],
  [
    { decided: "RESERVATION_ENDED", reservationId: "r-1", cause: "used_up", left: NOTHING },
    "reservation r-1 is over: all of it has been used",
  ],
  [{ decided: "REFUSED", refusal: { code: "not_permitted", message: "not yours" } }, "not yours"],
];

describe("a decision in words", () => {
  it.each(CASES)("%o", (verdict, words) => {
    expect(wordsOf({ parentPath: "acme", verdict })).toBe(words);
  });

  it("knows every kind of decision; how a queued one reads is that of its conflict", () => {
    const told = new Set(CASES.map(([{ decided }]) => decided));
    expect(DECIDED.filter((decided) => !told.has(decided))).toEqual(["QUEUED"]);
  });
});

it("a wish says what it asks, the least that is of use, and how long it would wait", () => {
  const s = new Scenario();
  const account = s.account({ credits: 100 });
  const wish = s.openWish(account, { kind: "run", limits: { credits: 50 }, min: { credits: 20 }, waitMs: 900 });
  expect(wishWords(wish)).toBe("a run with 50 credits (at least 20 credits), NORMAL, willing to wait 900 ms");
  const run = s.open(account, { limits: { credits: 1 } });
  expect(wishWords(s.raiseWish(run, { by: { credits: 5 } }))).toBe("5 credits more");
});
