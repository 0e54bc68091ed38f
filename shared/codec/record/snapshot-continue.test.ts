/**
 * A state that went through the bytes of a snapshot is the state: random worlds are written down and read back on the way, and whatever
 * they are asked from then on both answer alike, to the end of all memory.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  assertInvariants,
  type BudgetState,
  type Command,
  type Decision,
  decide,
  describeState,
  type Message,
  nextDueMs,
  restoreState,
  snapshotParts,
} from "#budget";
import { LIMITS } from "#std";
import { follow, type Instruction, World } from "../../budget/random-world.test-support.ts";
import { Scenario, usage } from "../../budget/scenario.test-support.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot-codec.ts";

const SEED = 20_261_125;
const FOLLOWERS_MAX = 4;

const instruction = fc.record<Instruction>({
  op: fc.nat(999),
  a: fc.nat(9_999),
  b: fc.nat(9_999),
  c: fc.nat(9_999),
});

function bytesOf(state: BudgetState): Buffer {
  return Buffer.concat([...encodeSnapshot(snapshotParts(state))]);
}

/** The state as it comes back from its bytes; it must be the same, and have the same bytes. */
function throughBytes(state: BudgetState): BudgetState {
  const restored = restoreState(decodeSnapshot(encodeSnapshot(snapshotParts(state))));
  expect(describeState(restored)).toEqual(describeState(state));
  expect(bytesOf(restored).equals(bytesOf(state))).toBe(true);
  expect(nextDueMs(restored)).toBe(nextDueMs(state));
  assertInvariants(restored);
  return restored;
}

/** That its own lease has ended a daemon is told once per life, and a restart of the world begins another. */
function told(messages: readonly Message[]): readonly Message[] {
  return messages.filter(({ type }) => type !== "lease_ended");
}

/** Scenario whose commands are also given to states that were restored from its own on the way. */
class Followed {
  readonly followers: BudgetState[] = [];
  commands = 0;
  readonly #s: Scenario;

  constructor(s: Scenario) {
    this.#s = s;
    const run = s.run.bind(s);
    s.run = (untimed) => {
      const decision = run(untimed);
      this.commands += 1;
      for (const state of this.followers) this.#expectSame(state, { ...untimed, nowMs: s.nowMs } as Command, decision);
      return decision;
    };
  }

  /** A new follower; the oldest but one makes room, so that one has come all the way. */
  add(): void {
    if (this.followers.length >= FOLLOWERS_MAX) this.followers.splice(1, 1);
    this.followers.push(throughBytes(this.#s.state));
  }

  #expectSame(state: BudgetState, command: Command, decision: Decision): void {
    const { outcome, events, messages } = decide(state, command);
    expect(outcome).toEqual(decision.outcome);
    expect(events).toEqual(decision.events);
    expect(told(messages)).toEqual(told(decision.messages));
  }

  expectSameStates(): void {
    const described = describeState(this.#s.state);
    for (const state of this.followers) expect(describeState(state)).toEqual(described);
  }
}

function forgetAll(s: Scenario): void {
  for (const root of s.state.roots) s.run({ type: "close", allocationId: root.id, reason: "the end" });
  s.wait(LIMITS.holdTtlMsMax);
  s.wait(LIMITS.effectMemoryMs);
}

test(`worlds go on from their snapshots as if nothing had been (seed ${SEED})`, () => {
  const sequences = fc.array(instruction, { minLength: 1, maxLength: 120, size: "max" });
  fc.assert(
    fc.property(sequences, fc.integer({ min: 1, max: 40 }), (instructions, every) => {
      const world = new World();
      const followed = new Followed(world.s);
      for (const [at, one] of instructions.entries()) {
        if (at % every === 0) followed.add();
        follow(world, one);
      }
      followed.expectSameStates();
      forgetAll(world.s);
      followed.expectSameStates();
    }),
    { seed: SEED, numRuns: 120 },
  );
}, 60_000);

test("closed children are pushed out in the same order, and their calls are still answered", () => {
  const s = new Scenario();
  const account = s.account({ credits: 1_000 });
  const step = s.open(account, { limits: { credits: 10 } });
  const below = s.open(step);
  const call = { requestId: "r1", holdId: "h1", wanted: { credits: 3 } };
  s.tryReserve(step, call);
  s.settle("h1", { credits: 1 });
  s.reserve(below, { holdId: "h2", wanted: {} });
  s.settle("h2");
  s.close(step);
  const followed = new Followed(s);
  s.quickly(() => {
    for (let i = 1; i < LIMITS.closedChildrenMax; i += 1) s.close(s.open(account));
  });
  followed.add();
  s.close(s.open(account));
  expect(s.state.allocations.has(step)).toBe(false);
  // Both the step and the node below it are known to their calls alone now.
  followed.add();
  expect(s.tryReserve(step, call)).toMatchObject({ holdId: "h1", repeated: true });
  expect(s.settle("h1", { credits: 2 })).toMatchObject({ type: "settled", late: true });
  expect(s.settle("h2", { credits: 2 })).toMatchObject({ type: "settled", late: true });
  followed.expectSameStates();
  forgetAll(s);
  followed.expectSameStates();
});

test("what is many goes on over several parts: raises of one allocation, calls that are due, closed children", () => {
  const s = new Scenario();
  const account = s.account({ credits: 1_000_000 });
  const pool = s.open(account, { limits: { credits: 0 } });
  const gone = s.open(account, { limits: { credits: 0 } });
  s.quickly(() => {
    for (let i = 0; i < 200; i += 1) {
      s.grant(s.raiseWish(pool, { by: { credits: 10 } }));
      s.grant(s.raiseWish(gone, { by: { credits: 1 } }));
    }
    for (let i = 0; i < 5_000; i += 1) s.reserve(account, { wanted: { credits: 1 }, ttlMs: 1_000 + (i % 7) });
    s.close(gone);
    for (let i = 0; i < LIMITS.closedChildrenMax; i += 1) s.close(s.open(account));
  });
  expect(s.state.allocations.has(gone)).toBe(false);
  expect(s.node(pool).effectKeys).toHaveLength(201);
  const followed = new Followed(s);
  followed.add();
  s.quickly(() => {
    s.wait(1_003);
    s.close(pool);
    forgetAll(s);
  });
  followed.expectSameStates();
  expect(s.state.effects.size).toBe(0);
});

test("notes as large as they may be, a queue, preemptions and reports of a silent holder", () => {
  const s = new Scenario();
  const account = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
  const run = s.open(account, { limits: { credits: 90 }, holder: "holder", caller: "holder" });
  for (const key of ["a", "b", "c"]) {
    const value = "€".repeat(LIMITS.noteCharsMax - 1);
    s.quickly(() => s.run({ type: "attach_note", allocationId: run, key, value }));
  }
  const followed = new Followed(s);
  followed.add();
  s.quickly(() => {
    for (const credits of [60, 20, 50]) s.grant(s.openWish(account, { limits: { credits }, waitMs: 60_000 }));
    const amounts = undefined;
    s.run({ type: "reclaim", preemptionId: "p", allocationId: run, epoch: 1, amounts, mode: "SHRINK", reason: "r" });
    s.report(run, 1, usage({ credits: 30, callsPerTool: [["search", 2]] }));
    followed.add();
    s.wait(40_000);
    followed.add();
    s.report(run, 2, usage({ credits: 40 }), { final: true });
    s.wait(30_000);
  });
  followed.expectSameStates();
});
