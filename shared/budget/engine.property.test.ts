/**
 * Random commands over random trees. The scenario checks every event (the invariants, replay, nothing stuck, nothing falls), the auditor
 * says what must have been spent, earlier requests are asked again, and every run ends by closing everything down.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { LIMITS } from "#std";
import { nextDueMs } from "./decide-time.ts";
import { follow, type Instruction, type PastEffect, World } from "./random-world.test-support.ts";
import { CONSUMABLES } from "./resource.ts";
import { usage } from "./scenario.test-support.ts";
import { rootOf } from "./state.ts";

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
  if (command.type === "reserve") {
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

/** The last report of every holder, the end of every call, the end of every root: what is left is the truth. */
function closeEverything(world: World): void {
  const { s } = world;
  for (const node of s.state.allocations.values()) {
    if (node.side !== "delegated" || node.state === "closed") continue;
    const { sequence, ...used } = world.trulyUsed(node.id);
    const final = {
      caller: "holder",
      allocationId: node.id,
      epoch: 1,
      sequence: sequence + 1,
      usage: usage(used),
      final: true,
    };
    world.run({ type: "report_usage", ...final, leaseEndsAtMs: s.nowMs });
  }
  for (const root of s.state.roots) world.run({ type: "close", allocationId: root.id, reason: "the end" });
  s.nowMs += LIMITS.holdTtlMsMax;
  world.run({ type: "tick" });
}

function expectAllAccountedFor(world: World): void {
  for (const node of world.s.state.allocations.values()) {
    expect(node.state, node.path).toBe("closed");
    for (const resource of CONSUMABLES) {
      const book = node.books[resource];
      expect(book.usage, `${node.path} ${resource}`).toBe(world.auditor.usedBy(node.id)[resource]);
      expect(book.spent).toBe(book.usage);
      expect(book.limit + book.debt).toBe(book.available + book.spent);
      // What was free went up; only an account at the top keeps it.
      if (rootOf(node) !== node || node.side === "received") expect(book.available).toBe(0);
    }
  }
  expect(world.queued.size).toBe(0);
}

function expectNothingRemembered(world: World): void {
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
      closeEverything(world);
      expectAllAccountedFor(world);
      world.s.restart();
      expectNothingRemembered(world);
      world.s.assertAnswersStand();
    }),
    { seed: SEED, numRuns: RUNS },
  );
}, 60_000);

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
}, 60_000);
