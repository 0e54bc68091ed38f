import { describe, expect, test } from "vitest";
import type { Amount } from "./amount.ts";
import { withoutIndex, withText } from "./collections.ts";
import { describeState } from "./describe.ts";
import { answerOf } from "./effect.ts";
import { ownBook, ownHeldBook } from "./ledger.ts";
import { follow, World } from "./random-world.test-support.ts";
import { Scenario, some, usage } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { SnapshotError } from "./snapshot-error.ts";
import { PART_TYPES, type PartType, type SnapshotPart } from "./snapshot-part.ts";
import { restoreState } from "./snapshot-restore.ts";
import { type BudgetState, createState, ownTally } from "./state.ts";

/** Kinds that are read, and no longer written: only a snapshot of the first format has them. */
const ONLY_READ: readonly PartType[] = ["ended"];

/** A state with something of every kind. */
function everything(): BudgetState {
  const s = new Scenario();
  const account = s.account({ credits: 1_000 }, { strategy: "QUEUE_AND_WAIT" });
  const received = s.receive({ credits: 100 });
  const run = s.open(account, { limits: { credits: 300, durationMs: 90_000 }, holder: "holder", caller: "holder" });
  const step = s.open(account, { limits: { credits: 100 } });
  const call = s.reserve(step, { wanted: { credits: 10 }, ttlMs: 5_000 });
  s.settle(s.reserve(step, { wanted: { credits: 10 } }), { credits: 4 });
  s.settle(s.reserve(received, { wanted: { credits: 10 } }), { credits: 4 });
  for (let i = 0; i < 70; i += 1) s.grant(s.raiseWish(step, { by: { credits: 1 } }));
  s.report(run, 1, usage({ credits: 30, callsPerTool: [["search", 2]] }));
  s.run({ type: "attach_note", allocationId: run, key: "routine", value: "…" });
  s.grant(s.openWish(account, { limits: { credits: 900 }, waitMs: 60_000 }));
  const amounts = undefined;
  s.run({ type: "reclaim", preemptionId: "p", allocationId: run, epoch: 1, amounts, mode: "SHRINK", reason: "r" });
  s.close(s.open(account));
  claiming(s);
  carved(s);
  named(s);
  reserved(s);
  s.close(received);
  s.run({ type: "extend", allocationId: step, holdId: call, ttlMs: 9_000 });
  return s.state;
}

/** Somebody to whom others give way: one has gone, the other has a call in flight. */
function claiming(s: Scenario): void {
  const preemption = { protectMs: 0 };
  const account = s.account({ credits: 100 }, { strategy: "PREEMPTION_ALLOWED", preemption });
  const [one, two] = ["LOW", "LOW"].map((priority) =>
    s.open(account, { limits: { credits: 50 }, priority: priority as "LOW" }),
  );
  const call = s.reserve(one ?? "", { wanted: { credits: 50 } });
  s.reserve(two ?? "", { wanted: { credits: 50 }, ttlMs: 5_000 });
  s.grant(s.openWish(account, { limits: { credits: 80 }, priority: "HIGH", waitMs: 60_000 }));
  s.settle(call, { credits: 10 });
}

/** Tranches of which children and a call have drawn. */
function carved(s: Scenario): void {
  const account = s.account({ credits: 100, priorityBonus: 30, wrapUpReserve: 10 });
  const urgent = s.open(account, { limits: { credits: 80, priorityBonus: 50 }, priority: "HIGH" });
  s.open(account, { limits: { credits: 5 }, wrapUp: true });
  s.reserve(urgent, { wanted: { credits: 60 } });
}

/** A name that one holds, another waits for, and a third wants with one that it may have. */
function named(s: Scenario): void {
  const account = s.account({}, { strategy: "QUEUE_AND_WAIT" });
  s.open(account, { access: [{ name: "browser", mode: "EXCLUSIVE" }] });
  s.grant(s.openWish(account, { access: [{ name: "browser", mode: "SHARED" }], waitMs: 60_000 }));
  const both = [{ name: "db", mode: "SHARED" } as const, { name: "browser", mode: "EXCLUSIVE" } as const];
  s.grant(s.openWish(account, { access: both, waitMs: 60_000 }));
}

/** Reservations: one that has begun and is used in part, one that has not, and one that is over. */
function reserved(s: Scenario): void {
  const allocationId = s.account({ credits: 100, branches: 4 });
  const one = { type: "reserve_ahead", caller: "person", allocationId, name: "n", priority: "NORMAL" } as const;
  for (const [reservationId, startsInMs] of [
    ["begun", 0],
    ["ahead", 60_000],
    ["over", 0],
  ] as const) {
    const times = { startsInMs, lastsMs: 60_000, amounts: some({ credits: 30, branches: 1 }) };
    s.run({ ...one, ...times, requestId: s.id("request"), reservationId });
  }
  s.grant(s.openWish(allocationId, { limits: { credits: 10 }, reservationId: "begun" }));
  s.run({ type: "cancel_reservation", reservationId: "over" });
}

const STATE = everything();
const PARTS: readonly SnapshotPart[] = [...snapshotParts(STATE)];

describe("parts", () => {
  test("of all kinds, in their order", () => {
    const kinds = PARTS.map(({ type }) => type);
    expect(new Set(kinds)).toEqual(new Set(PART_TYPES.filter((type) => !ONLY_READ.includes(type))));
    const ranks = kinds.map((type) => PART_TYPES.indexOf(type));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
  });

  test("are plain values: a copy of them is as good", () => {
    expect(describeState(restoreState(structuredClone(PARTS)))).toEqual(describeState(STATE));
  });

  test("share nothing that can change with the state that they were taken of", () => {
    const restored = restoreState(snapshotParts(STATE));
    const before = structuredClone(describeState(STATE));
    for (const node of restored.allocations.values()) {
      ownBook(node, "credits").spent = 7 as Amount;
      ownHeldBook(node, "branches").peak = 7 as Amount;
      ownTally(node).gpuMs = 7;
      node.effectKeys = withText(node.effectKeys, "k");
      while (node.closedChildren.length > 0) node.closedChildren = withoutIndex(node.closedChildren, 0);
      for (const waiter of [...node.waiters]) node.waiters.remove(waiter);
      for (const reclaim of node.reclaims.values()) reclaim.reclaimed = reclaim.wanted;
    }
    for (const hold of restored.holds.values()) hold.charged = { ...hold.charged, credits: 7 as Amount };
    expect(describeState(STATE)).toEqual(before);
  });

  test("of the empty state", () => {
    expect(describeState(restoreState(snapshotParts(createState())))).toEqual(describeState(createState()));
  });
});

describe("what comes back", () => {
  /** What a new field of the state would be missing in. */
  const things = (state: BudgetState) => {
    const [waiter] = [...state.allocations.values()].flatMap(({ waiters }) => [...waiters]);
    const [reclaim] = [...state.allocations.values()].flatMap(({ reclaims }) => [...reclaims.values()]);
    const effects = [...state.effects].map(([, effect]) => effect);
    const answers = new Map(effects.map((effect) => [answerOf(effect)?.type ?? "waiter", answerOf(effect) ?? effect]));
    const kinds = new Map(effects.map((effect) => [effect.kind, effect]));
    return {
      state,
      allocation: [...state.allocations.values()][2],
      book: [...state.allocations.values()][2]?.books.credits,
      heldBook: [...state.allocations.values()][2]?.held.branches,
      tally: [...state.allocations.values()][2]?.tally,
      hold: [...state.holds.values()][0],
      waiter,
      reclaim,
      ended: [...state.ended.items()][0],
      ...Object.fromEntries(kinds),
      ...Object.fromEntries(answers),
    };
  };

  test("has every field that the state has, in the same order", () => {
    const [restored, original] = [things(restoreState(PARTS)), things(STATE)];
    expect(Object.keys(original)).toEqual(
      expect.arrayContaining(["waiter", "reclaim", "opening", "call", "answer", "opened", "raised", "held", "ended"]),
    );
    for (const [name, thing] of Object.entries(original)) {
      const other: unknown = restored[name as keyof typeof restored];
      expect(Object.keys(other as object), name).toEqual(Object.keys(thing as object));
    }
  });

  test("is one thing where it was one: what waits, the call and its effect", () => {
    const restored = restoreState(PARTS);
    const waiting = [...restored.allocations.values()].flatMap(({ waiters }) => [...waiters]);
    expect(waiting).toHaveLength(5);
    for (const waiter of waiting) expect(restored.effects.get(waiter.effectKey)).toBe(waiter);
    expect(restored.holds.size).toBeGreaterThan(0);
    for (const hold of restored.holds.values()) expect(restored.effects.get(hold.effectKey)).toBe(hold);
  });

  test("is the same for any state of a random world, however often it is taken", () => {
    const world = new World();
    for (let i = 1; i <= 400; i += 1) {
      follow(world, {
        op: (i * 7_919) % 1_000,
        a: (i * 104_729) % 10_000,
        b: (i * 1_299_709) % 9_973,
        c: (i * 31) % 9_999,
      });
      if (i % 20 > 0) continue;
      const again = restoreState(snapshotParts(restoreState(snapshotParts(world.s.state))));
      expect(describeState(again)).toEqual(describeState(world.s.state));
    }
  });
});

describe("parts that do not fit are refused by name", () => {
  const without = (type: PartType) => PARTS.filter((part) => part.type !== type);
  const at = (type: PartType) => PARTS.findIndex((part) => part.type === type);
  const doubled = (type: PartType) => PARTS.toSpliced(at(type), 0, PARTS[at(type)] as SnapshotPart);
  /** The first part of a type with some fields replaced. */
  const altered = (type: PartType, fields: object) =>
    PARTS.with(at(type), { ...(PARTS[at(type)] as SnapshotPart), ...fields } as SnapshotPart);
  const last = PARTS.length - 1;
  /** Told one by one, as in the first format. */
  const withEnded = (...subjects: readonly object[]) => {
    const none = { type: "ended", forgetAtMs: 0, hold: undefined, allocation: undefined, id: undefined };
    const ended = subjects.map((subject) => ({ ...none, effectKeys: [], ...subject }) as SnapshotPart);
    const parts = PARTS.toSpliced(at("effect_keys"), 0, ...ended);
    return parts.with(-1, { type: "end", parts: parts.length - 1 });
  };
  const neverForgotten = () => {
    const parts = altered("hold", { state: "ended" }).filter(({ type }) => type !== "due");
    return parts.with(-1, { type: "end", parts: parts.length - 1 });
  };
  const REMEMBERED = PARTS.flatMap((part) => (part.type === "remembered" ? [part.bytes] : []))[0] ?? new Uint8Array();

  const MISFITS: readonly (readonly [string, readonly SnapshotPart[], RegExp])[] = [
    ["nothing", [], /it is empty/],
    ["no header", without("header"), /begins with allocation/],
    ["two headers", doubled("header"), /two headers/],
    ["no end", without("end"), /ends after \d+ parts, before its end/],
    ["two ends", doubled("end"), /end comes after its end/],
    ["a part after the end", [...PARTS, PARTS[1] as SnapshotPart], /allocation comes after its end/],
    ["a part out of turn", PARTS.toSpliced(last, 0, PARTS[1] as SnapshotPart), /allocation comes after due/],
    ["a part that is missing", PARTS.toSpliced(at("note"), 1), /end says that \d+ parts came before it, not \d+/],
    ["an allocation twice", doubled("allocation"), /allocation account-1 stands twice/],
    ["an unknown parent", altered("allocation", { parent: 99 }), /allocation 99 of 0/],
    ["neither path nor parent", altered("allocation", { path: undefined }), /neither a path nor a parent/],
    ["an open allocation that is forgotten", altered("allocation", { forgotten: true }), /is forgotten and open/],
    ["a hold twice", doubled("hold"), /hold hold-\d+ stands twice/],
    ["a hold of nobody", altered("hold", { allocation: 99 }), /allocation 99 of/],
    ["a hold without a request", altered("hold", { requestId: undefined }), /has no request/],
    ["a live hold that would never lapse", altered("hold", { state: "lapsed" }), /is lapsed and still due/],
    ["a waiter of nobody", altered("waiter", { parent: 99 }), /allocation 99 of/],
    ["an end of nothing", withEnded({ hold: 99 }), /hold 99 of/],
    ["an end of what goes on", withEnded({ hold: 0 }), /is to be forgotten and live/],
    ["an end that nobody says of what", withEnded({}), /nobody says what/],
    ["an end out of turn", withEnded({ allocation: 0, forgetAtMs: 9 }, { allocation: 0 }), /out of turn/],
    [
      "an end of an answer that is not kept",
      withEnded({ id: "a", effectKeys: ["client\nr"] }),
      /forgotten and not kept/,
    ],
    ["an ended hold that is never forgotten", neverForgotten(), /never forgotten/],
    ["what is remembered twice", doubled("remembered"), /stands twice/],
    ["what is remembered, in part", altered("remembered", { bytes: REMEMBERED.subarray(8) }), /is damaged|not known/],
    [
      "what is remembered, of an unknown kind",
      altered("remembered", { bytes: REMEMBERED.with(4, 77) }),
      /is not known/,
    ],
    ["a closed child of another", altered("closed_children", { children: [0] }), /no closed child of/],
    ["a preemption twice", doubled("reclaim"), /preemption p stands twice/],
    ["a note twice", doubled("note"), /note routine stands twice/],
    ["a final account twice", doubled("final_account"), /final account of .* stands twice/],
    ["a final account of another", altered("final_account", { allocations: [0] }), /no closed grant/],
    ["an answer twice", doubled("effect"), /the answer to .* stands twice/],
    ["an answer of an unknown key", altered("effect", { key: 99 }), /has no request 99/],
    ["something due twice", doubled("due"), /due twice in the index of holds/],
    ["something due that is not there", altered("due", { items: [99] }), /hold 99 of/],
    ["something due that has no time", altered("due", { index: "leases" }), /nothing that is due/],
    ["a live hold that is not due", altered("due", { items: [] }), /3 holds are live, and 0 of them become due/],
  ];

  test.each(MISFITS)("%s", (_, parts, message) => {
    const taken = () => restoreState(structuredClone(parts));
    expect(taken).toThrow(SnapshotError);
    expect(taken).toThrow(message);
  });

  test("a request that waits for ever", () => {
    const parts = PARTS.filter((part) => part.type !== "due" || part.index !== "waiters");
    const shorter = parts.with(-1, { type: "end", parts: parts.length - 1 });
    expect(() => restoreState(shorter)).toThrow(/5 requests wait, and 0 of them become due/);
  });
});
