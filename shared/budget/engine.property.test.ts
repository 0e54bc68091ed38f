/**
 * Random commands over random trees. The scenario checks every event (the invariants, replay, nothing stuck, nothing falls), the auditor
 * says what must have been spent, earlier requests are asked again, and every run ends by closing everything down.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "#std";
import { usageOf } from "./cascade.ts";
import { nextDueMs } from "./decide-time.ts";
import { correctBelow, sendReport } from "./random-holders.test-support.ts";
import { follow, type Instruction } from "./random-world.test-support.ts";
import { CONSUMABLES, NOTHING } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { type PastEffect, World } from "./world.test-support.ts";

const SEED = 20_261_124;
const RUNS = 500;

const instruction = fc.record<Instruction>({
  op: fc.nat(999),
  a: fc.nat(9_999),
  b: fc.nat(9_999),
  c: fc.nat(9_999),
});

/** Asks an earlier request again: the same is answered from memory, another under the same id is refused. */
function askAgain(world: World, { command, subject }: PastEffect): void {
  const ended = world.auditor.endedAtMs.get(subject);
  if (ended !== undefined && world.s.nowMs >= ended + LIMITS.effectMemoryMs) return;
  const again = world.s.run(command);
  expect(again.outcome).toMatchObject({ repeated: true });
  expect([again.events, again.messages]).toEqual([[], []]);
  if (command.type === "write_off") {
    expect(world.s.ask({ ...command, reason: "another" })).toMatchObject({ refusal: { code: "request_reused" } });
  } else if (command.type === "reserve") {
    expect(world.s.ask({ ...command, name: "another" })).toMatchObject({ refusal: { code: "request_reused" } });
  } else if (command.type === "grant" && command.wish.type === "open") {
    const wish = { ...command.wish, name: "another" };
    expect(world.s.ask({ type: "grant", wish })).toMatchObject({ refusal: { code: "request_reused" } });
  }
}

function askQueuedAgain(world: World): void {
  for (const command of world.queued.values()) {
    const again = world.s.run(command);
    expect(again.outcome.type).toBe("queued");
    if (again.outcome.type === "queued") expect(again.outcome.conflict.position).toBeGreaterThan(0);
    expect(again.events).toEqual([]);
  }
}

/** No call of these worlds is in flight for longer. */
const CALLS_END_MS = 25_000;

function heldElsewhere({ s }: World): Allocation[] {
  return [...s.state.allocations.values()].filter(({ side, state }) => side === "delegated" && state !== "closed");
}

function reportAll(world: World): void {
  for (let held = heldElsewhere(world); held.length > 0; held = heldElsewhere(world)) {
    for (const node of held) sendReport(world, node, { final: true, stale: false });
  }
}

/** The last report of every holder, the end of every call, the end of every root: what is left is the truth. */
function closeEverything(world: World, n: number): void {
  const { s } = world;
  // What comes back may be granted to a holder that waits for it, which has to report, too.
  reportAll(world);
  // Some of the true accounts that are missing come before everything above has closed, the others after that.
  for (const [i, node] of world.awaited.entries()) if ((i + n) % 2 === 0) tellTruth(world, node, (n % 4) / 3);
  reportAll(world);
  for (const root of s.state.roots) world.run({ type: "close", allocationId: root.id, reason: "the end" });
  s.nowMs += CALLS_END_MS;
  world.run({ type: "tick" });
  for (const node of world.awaited) tellTruth(world, node, (n % 3) / 2);
}

function tellTruth(world: World, node: Allocation, part: number): void {
  correctBelow(world, node, part);
  sendReport(world, node, { final: true, stale: false });
}

function expectAllAccountedFor(world: World): void {
  for (const node of world.s.state.allocations.values()) {
    expect(node.state, node.path).toBe("closed");
    for (const resource of CONSUMABLES) {
      const book = node.books[resource];
      expect(book.usage, `${node.path} ${resource}`).toBe(world.auditor.usedBy(node.id)[resource]);
      expect(book.spent).toBe(book.usage);
      expect(book.limit + book.debt).toBe(book.available + book.spent);
      // Nothing was lost and nothing invented: a holder's part is what it truly used.
      if (node.side === "delegated") expect(book.usage, node.path).toBe(world.trulyUsed(node.id)[resource]);
    }
    if (node.side === "received") {
      const told = world.told.get(node.id);
      expect(told?.final, node.path).toEqual(usageOf(node));
      expect(told?.returned ?? NOTHING).toEqual(node.returnedTotal);
    }
  }
  expect(world.s.state.uncorrected).toBe(0);
  expect(world.queued.size).toBe(0);
}

function expectNothingRemembered(world: World): void {
  for (const { id: allocationId, usageSequence: sequence } of [...world.s.state.unacknowledged]) {
    const told = { type: "acknowledge_final", allocationId, sequence: sequence + 1 } as const;
    expect(world.s.ask(told)).toEqual({ type: "done", changed: true });
  }
  world.s.nowMs += LIMITS.effectMemoryMs;
  world.run({ type: "tick" });
  const { allocations, roots, holds, effects } = world.s.state;
  expect([allocations.size, roots.size, holds.size, effects.size]).toEqual([0, 0, 0, 0]);
  expect(nextDueMs(world.s.state)).toBeUndefined();
}

test(`any sequence of commands keeps the books (seed ${SEED}, ${RUNS} runs)`, () => {
  const sequences = fc.array(instruction, { minLength: 1, maxLength: 200, size: "max" });
  fc.assert(
    fc.property(sequences, fc.nat(9_999), (instructions, n) => {
      const world = new World();
      for (const [i, one] of instructions.entries()) {
        follow(world, one);
        const past = world.effects[(i * 7 + n) % Math.max(1, world.effects.length)];
        if (past && i % 3 === 0) askAgain(world, past);
        if (i % 9 === 0) askQueuedAgain(world);
      }
      closeEverything(world, n);
      expectAllAccountedFor(world);
      world.s.restart();
      expectNothingRemembered(world);
      world.s.assertAnswersStand();
    }),
    { seed: SEED, numRuns: RUNS },
  );
}, 120_000);

test(`a daemon that restarts after every command decides as one that never does (seed ${SEED})`, () => {
  const sequences = fc.array(instruction, { minLength: 1, maxLength: 60, size: "max" });
  fc.assert(
    fc.property(sequences, (instructions) => {
      const [steady, restarted] = [new World(), new World()];
      for (const one of instructions) {
        follow(steady, one);
        follow(restarted, one);
        restarted.s.restart();
        expect(restarted.s.last.outcome).toEqual(steady.s.last.outcome);
        expect(restarted.s.last.events).toEqual(steady.s.last.events);
      }
    }),
    { seed: SEED, numRuns: 150 },
  );
}, 120_000);
