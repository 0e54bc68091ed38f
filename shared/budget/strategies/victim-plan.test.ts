/** Each rule of victim plans by example. */
import { describe, expect, test } from "vitest";
import { ask, candidate, line, some, UNDAMPED } from "./victim-plan.test-support.ts";
import { percentDone, USUAL_RULES } from "./victim-plan-candidate.ts";

const slot = some({ branches: 1 });
const nothing = some({});

describe("V1 strict", () => {
  test("an equal and a higher one are never preempted, nor is their unspent budget taken", () => {
    const own = { unspent: some({ credits: 9 }), byStop: some({ credits: 99 }) };
    const others = [
      candidate("high", { priority: "HIGH", ...own }),
      candidate("top", { priority: "CRITICAL", ...own }),
    ];
    const plan = ask({ credits: 1 }, others);
    expect(plan).toMatchObject({ type: "none", reason: "NOT_ENOUGH", shortBy: some({ credits: 1 }) });
    expect(plan.type === "none" && plan.spared.map(({ id, why }) => `${id} ${why}`)).toEqual([
      "high NOT_LOWER",
      "top NOT_LOWER",
    ]);
  });

  test("emergency work, a final step, and who is leaving already are left alone", () => {
    const plan = ask({ branches: 1 }, [
      candidate("a", { byStop: slot, exempt: "EMERGENCY_WORK" }),
      candidate("b", { byStop: slot, exempt: "WRAP_UP" }),
      candidate("c", { byStop: slot, leaving: true }),
    ]);
    expect(plan.type === "none" && plan.because).toBe(
      "nothing may be taken for node/claimant (HIGH); left alone: " +
        "node/a (LOW, emergency work), node/b (LOW, in its final step), node/c (LOW, giving way already)",
    );
  });

  test("what was just granted or preempted is left alone, and the answer says until when", () => {
    const rules = { ...UNDAMPED, protectMs: 5_000, coolDownMs: 60_000 };
    const young = candidate("young", { byStop: slot, grantedAtMs: 96_000 });
    const cool = candidate("cool", { byStop: slot, preemptedAtMs: 50_000 });
    const plan = ask({ branches: 1 }, [young, cool], { rules });
    expect(plan).toMatchObject({ reason: "NOT_ENOUGH", againAtMs: 101_000 });
    expect(plan.type === "none" && plan.spared.map(({ id, untilMs }) => [id, untilMs])).toEqual([
      ["cool", 110_000],
      ["young", 101_000],
    ]);
    expect(line(ask({ branches: 1 }, [young, cool], { rules, nowMs: 100_999 }))).toBe("NOT_ENOUGH");
    expect(line(ask({ branches: 1 }, [young, cool], { rules, nowMs: 101_000 }))).toBe("young:STOP");
    expect(line(ask({ branches: 1 }, [cool], { rules, nowMs: 109_999 }))).toBe("NOT_ENOUGH");
    expect(line(ask({ branches: 1 }, [cool], { rules, nowMs: 110_000 }))).toBe("cool:STOP");
  });
});

describe("V2 unspent first", () => {
  test("what is free is enough: nothing running is touched, and no more is taken than is needed", () => {
    const candidates = [
      candidate("a", { unspent: some({ credits: 30 }), byStop: some({ credits: 100 }) }),
      candidate("b", { unspent: some({ credits: 50 }), byStop: some({ credits: 100 }) }),
    ];
    expect(line(ask({ credits: 60 }, candidates))).toBe("b-50 a-10");
    expect(line(ask({ credits: 30 }, candidates))).toBe("a-30");
    expect(line(ask({ credits: 40 }, candidates))).toBe("b-40");
  });

  test("the lower priority gives first", () => {
    const unspent = some({ credits: 50 });
    const candidates = [candidate("normal", { priority: "NORMAL", unspent }), candidate("low", { unspent })];
    expect(line(ask({ credits: 60 }, candidates))).toBe("low-50 normal-10");
  });

  test("what the victims give anyway is not taken from others", () => {
    const candidates = [
      candidate("rich", { unspent: some({ credits: 80 }) }),
      candidate("victim", { unspent: some({ credits: 10 }), byStop: some({ credits: 70, branches: 1 }) }),
    ];
    const plan = ask({ credits: 90, branches: 1 }, candidates);
    expect(line(plan)).toBe("rich-20 victim:STOP");
    expect(plan).toMatchObject({ victims: [{ takes: some({ credits: 70, branches: 1 }) }], shortBy: nothing });
  });

  test("nothing needed, nothing taken", () => {
    expect(ask({}, [candidate("a", { unspent: some({ credits: 5 }) })])).toEqual({
      type: "plan",
      unspent: [],
      victims: [],
      shortBy: nothing,
    });
  });
});

describe("V3 cheap", () => {
  test.each([
    ["the lowest priority, however far it is", { priority: "NORMAL", percentDone: 0 }, { percentDone: 99 }],
    ["the least progress lost", { percentDone: 11 }, { percentDone: 10 }],
    ["a pause loses none", { percentDone: 1 }, { percentDone: 99, byPause: slot }],
    ["the one granted last", { grantedAtMs: 1 }, { grantedAtMs: 2 }],
    ["else the smaller id", {}, {}],
  ] as const)("%s", (_, other, victim) => {
    const candidates = [candidate("z", { byStop: slot, ...other }), candidate("a", { byStop: slot, ...victim })];
    expect(line(ask({ branches: 1 }, candidates))).toMatch(/^a:/);
  });

  test("few rather than many, and the one that fits best", () => {
    const gives = (branches: number) => ({ byStop: some({ branches }) });
    const candidates = [
      candidate("a", gives(2)),
      candidate("b", gives(3)),
      candidate("c", gives(9)),
      candidate("d", gives(4)),
    ];
    expect(line(ask({ branches: 4 }, candidates))).toBe("d:STOP");
    expect(line(ask({ branches: 5 }, candidates))).toBe("c:STOP");
    expect(line(ask({ branches: 13 }, candidates))).toBe("c:STOP d:STOP");
  });
});

describe("V4 minimal", () => {
  test("whom the rest can do without is let go, the most valuable first", () => {
    const candidates = [
      candidate("low", { byStop: some({ branches: 3 }) }),
      candidate("normal", { priority: "NORMAL", byStop: some({ branches: 4 }) }),
      candidate("other", { priority: "NORMAL", byStop: some({ branches: 1 }), percentDone: 90 }),
    ];
    expect(line(ask({ branches: 4 }, candidates))).toBe("normal:STOP");
    expect(line(ask({ branches: 8 }, candidates))).toBe("low:STOP normal:STOP other:STOP");
  });

  test("of two either of whom would do the more valuable is let go", () => {
    const candidates = [
      candidate("fresh", { byStop: some({ branches: 2 }), percentDone: 1 }),
      candidate("old", { byStop: some({ branches: 2 }), percentDone: 80 }),
      candidate("normal", { priority: "NORMAL", byStop: some({ branches: 3 }) }),
    ];
    expect(line(ask({ branches: 5 }, candidates))).toBe("fresh:STOP normal:STOP");
  });

  test("nobody is stopped where a pause would do", () => {
    const both = { byPause: some({ credits: 60 }), byStop: some({ credits: 60, memoryBytes: 8 }) };
    const candidates = [candidate("a", both), candidate("b", both)];
    expect(line(ask({ credits: 60 }, candidates))).toBe("a:PAUSE");
    expect(line(ask({ credits: 120, memoryBytes: 8 }, candidates))).toBe("a:STOP b:PAUSE");
  });
});

test("V5 atomic: when all together are not enough nobody gives anything, and the answer says what is missing", () => {
  const candidates = [
    candidate("a", { unspent: some({ credits: 40 }), byStop: some({ credits: 50 }) }),
    candidate("b", { byStop: some({ credits: 20 }) }),
  ];
  expect(ask({ credits: 71 }, candidates)).toEqual({
    type: "none",
    reason: "NOT_ENOUGH",
    because: "all that may be taken for node/claimant (HIGH) is short of 71 credits by 1 credit",
    shortBy: some({ credits: 1 }),
    spared: [],
    againAtMs: undefined,
  });
  expect(line(ask({ credits: 70 }, candidates))).toBe("b:STOP a:STOP");
});

describe("V6 damped", () => {
  const many = ["a", "b", "c", "d", "e"].map((id) => candidate(id, { byStop: slot }));

  test("so many at a time; the first round only if all together are enough", () => {
    const rules = { ...UNDAMPED, victimsPerRoundMax: 2 };
    expect(ask({ branches: 5 }, many, { rules })).toMatchObject({
      victims: [{ id: "a" }, { id: "b" }],
      shortBy: some({ branches: 3 }),
    });
    expect(ask({ branches: 3 }, many.slice(2), { rules })).toMatchObject({ shortBy: slot });
    expect(ask({ branches: 1 }, many.slice(4), { rules })).toMatchObject({ shortBy: nothing });
    expect(line(ask({ branches: 6 }, many, { rules }))).toBe("NOT_ENOUGH");
  });

  test("one plan per claim at a time", () => {
    const claimant = { priority: "HIGH", path: "node/claimant", pending: true } as const;
    const plan = ask({ branches: 1 }, many, { claimant });
    expect(plan).toMatchObject({ reason: "PENDING", because: "room is being made for node/claimant already" });
  });

  test("nothing running is touched for too little, but what is free may be asked for", () => {
    const rules = { ...UNDAMPED, missingMin: some({ credits: 10 }) };
    const work = candidate("work", { byStop: some({ credits: 500 }) });
    const rich = candidate("rich", { unspent: some({ credits: 3 }) });
    expect(line(ask({ credits: 3 }, [work, rich], { rules }))).toBe("rich-3");
    const plan = ask({ credits: 12 }, [work, rich], { rules });
    expect(plan).toMatchObject({ reason: "TOO_LITTLE", because: "9 credits is too little to touch running work for" });
    expect(line(ask({ credits: 13 }, [work, rich], { rules }))).toBe("work:STOP");
  });

  test("nothing running is touched when far more would be taken than is missing", () => {
    const rules = { ...UNDAMPED, worthPercentMin: 10 };
    const work = candidate("work", { byStop: some({ credits: 500, branches: 1 }) });
    const because = "49 credits is less than 10 % of what running work would have to give for it";
    expect(ask({ credits: 49 }, [work], { rules })).toMatchObject({ reason: "NOT_WORTH_IT", because });
    expect(line(ask({ credits: 50 }, [work], { rules }))).toBe("work:STOP");
    expect(line(ask({ credits: 1, branches: 1 }, [work], { rules }))).toBe("work:STOP");
  });
});

test("the usual rules damp all of it", () => {
  const rules = USUAL_RULES;
  const of = (own: object) => line(ask({ branches: 1 }, [candidate("a", { byStop: slot, ...own })], { rules }));
  expect(of({})).toBe("a:STOP");
  expect(of({ grantedAtMs: 95_001 })).toBe("NOT_ENOUGH");
  expect(of({ preemptedAtMs: 40_001 })).toBe("NOT_ENOUGH");
  expect(of({ byStop: some({ branches: 11 }) })).toBe("NOT_WORTH_IT");
});

test("the answer says when not all were looked at", () => {
  const plan = ask({ credits: 2 }, [], { cut: true });
  expect(plan.type === "none" && plan.because).toBe(
    "nothing may be taken for node/claimant (HIGH) of those that were looked at",
  );
});

test("why each gives way is said in words", () => {
  const plan = ask({ credits: 10, branches: 2 }, [
    candidate("a", { unspent: some({ credits: 10 }) }),
    candidate("b", { byPause: slot, byStop: slot }),
    candidate("c", { byStop: slot, percentDone: 7 }),
  ]);
  expect(plan.type === "plan" && [...plan.unspent, ...plan.victims].map(({ because }) => because)).toEqual([
    "LOW below HIGH; this is free there, nothing running is touched",
    "LOW below HIGH; paused, its 50 % done are kept",
    "LOW below HIGH; 7 % done are lost: it cannot be paused",
  ]);
});

test("room that is reserved for a lower claim is unspent budget of its priority", () => {
  const reserved = candidate("claim", { priority: "NORMAL", unspent: slot });
  const work = candidate("work", { byStop: slot });
  expect(line(ask({ branches: 1 }, [reserved, work]))).toBe("claim-1");
});

test("amounts up to the largest are added without loss", () => {
  const largest = Number.MAX_SAFE_INTEGER;
  const all = ["a", "b", "c"].map((id) => candidate(id, { byStop: some({ credits: largest }) }));
  expect(line(ask({ credits: largest }, all))).toBe("a:STOP");
  const nearly = [
    candidate("a", { byStop: some({ credits: largest - 1 }) }),
    candidate("b", { byStop: some({ credits: 1 }) }),
  ];
  expect(line(ask({ credits: largest }, nearly))).toBe("a:STOP b:STOP");
});

test.each<[Parameters<typeof percentDone>[0] | object, number]>([
  [{ used: 12, limit: 100, ranMs: 0 }, 12],
  [{ used: 199, limit: 1_000, ranMs: 5, durationMs: 10 }, 50],
  [{ used: 0, ranMs: 60_000 }, 50],
  [{ used: 0, ranMs: 0 }, 0],
  [{ used: 7, limit: 5, ranMs: 0 }, 100],
  [{ used: 0, limit: 0, ranMs: 0 }, 0],
  [{ used: Number.MAX_SAFE_INTEGER - 1, limit: Number.MAX_SAFE_INTEGER, ranMs: 0 }, 99],
])("progress of %o is %i %%", (progress, percent) => {
  expect(percentDone(progress as Parameters<typeof percentDone>[0])).toBe(percent);
});
