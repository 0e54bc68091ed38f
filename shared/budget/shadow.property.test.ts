/**
 * Random commands over random trees, with policies tried everywhere. Each verdict of a shadow is held against the model: the same request
 * decided where that policy is in force. And all is decided twice, with shadows and without: the events are the same.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Command } from "./command.ts";
import { decide } from "./decide.ts";
import { describeState } from "./describe.ts";
import type { BudgetEvent } from "./event.ts";
import { evolve } from "./evolve.ts";
import type { Decision } from "./outcome.ts";
import type { Policy, ShadowPolicy } from "./policy.ts";
import { follow, type Instruction } from "./random-world.test-support.ts";
import type { Untimed } from "./scenario.test-support.ts";
import { isTried } from "./shadow.ts";
import { decidedAsTried, shadowMade } from "./shadow-model.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";
import { createState } from "./state.ts";
import { World } from "./world.test-support.ts";

const SEED = 20_261_127;

const SHADOWS: readonly (ShadowPolicy | undefined)[] = [
  undefined,
  { strategy: "FIRST_COME_FIRST_SERVED" },
  { strategy: "PRIORITY_BASED" },
  undefined,
  { strategy: "QUEUE_AND_WAIT" },
  { strategy: "PROPORTIONAL_SHARING" },
  { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0, coolDownMs: 0 } },
  { queueLengthMax: 1 },
  { requestMayChoose: true },
  { agingStepMs: 200 },
  { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0, worst: "SHRINK" } },
  { strategy: "PROPORTIONAL_SHARING", requestMayChoose: true },
  { preemption: { protectMs: 0, victimsPerRoundMax: 1 } },
];

/** The command with a policy that is tried in it, now and then. */
function withShadow(command: Untimed, shadow: ShadowPolicy | undefined): Untimed {
  const tried = ({ shadow: _, ...policy }: Policy): Policy => (shadow ? { ...policy, shadow } : policy);
  if (command.type === "open_root" || command.type === "receive_grant" || command.type === "set_limits") {
    return { ...command, policy: tried(command.policy) };
  }
  if (command.type !== "grant" || command.wish.type !== "open") return command;
  return { ...command, wish: { ...command.wish, policy: tried(command.wish.policy) } };
}

/** Without anything that is tried, and without what tells that it is. */
function plain<T>(value: T): T {
  const skipped = new Set(["shadow", "fingerprint"]);
  return JSON.parse(JSON.stringify(value, (key, part) => (skipped.has(key) ? undefined : part))) as T;
}

/** That another policy is tried from now on is an event of its own; it must not be more. */
function effectsOf({ type }: Command, { events, messages, outcome }: Decision) {
  if (type !== "set_limits" || outcome.type === "refused") return plain({ events, messages, outcome });
  return plain({ events: events.filter((event) => event.type !== "policy_set"), messages });
}

class TriedWorld extends World {
  /** The same, where nothing is tried. */
  #other = createState();
  readonly #otherEvents: BudgetEvent[] = [];
  #life = this.s.state;
  readonly seen = new Map<string, number>();
  #count = 0;

  override run(untimed: Untimed): Decision {
    this.#count += 1;
    const command = withShadow(untimed, SHADOWS[(this.#count * 7) % SHADOWS.length]);
    const timed = { ...command, nowMs: this.s.nowMs } as Command;
    this.#restartOther();
    const expected = this.#expected(timed);
    const decision = super.run(command);
    const made = shadowMade(decision.outcome);
    if (expected && made) {
      expect(JSON.parse(JSON.stringify(made)), JSON.stringify(timed)).toEqual(JSON.parse(JSON.stringify(expected)));
      this.seen.set(made.kind, (this.seen.get(made.kind) ?? 0) + 1);
    }
    const other = decide(this.#other, plain(timed));
    this.#otherEvents.push(...other.events);
    expect(effectsOf(timed, decision)).toEqual(effectsOf(timed, other));
    return decision;
  }

  /** When the world was made anew from its events, so is this. */
  #restartOther(): void {
    if (this.#life === this.s.state) return;
    this.#life = this.s.state;
    this.#other = createState();
    for (const event of this.#otherEvents) evolve(this.#other, event);
  }

  #expected(command: Command) {
    if (command.type !== "grant") return undefined;
    const { wish } = command;
    // Turns for names are as they are, whatever order is tried.
    if (wish.type === "open" && wish.access !== undefined) return undefined;
    const { allocations } = this.s.state;
    const asked = wish.type === "open" ? allocations.get(wish.parentId) : allocations.get(wish.allocationId)?.parent;
    return asked && isTried(asked, wish) ? decidedAsTried(this.s.events, command) : undefined;
  }
}

const instruction = fc.record<Instruction>({
  op: fc.nat(999),
  a: fc.nat(9_999),
  b: fc.nat(9_999),
  c: fc.nat(9_999),
});

test("a shadow says what its policy would decide, and changes nothing", { timeout: 60_000 }, () => {
  const seen = new Map<string, number>();
  const runs = fc.array(instruction, { minLength: 30, maxLength: 160, size: "max" });
  fc.assert(
    fc.property(runs, (instructions) => {
      const world = new TriedWorld();
      for (const one of instructions) follow(world, one);
      for (const [kind, times] of world.seen) seen.set(kind, (seen.get(kind) ?? 0) + times);
      const restored = restoreState(snapshotParts(world.s.state));
      expect(describeState(restored)).toEqual(describeState(world.s.state));
    }),
    { seed: SEED, numRuns: 220 },
  );
  // Each kind of verdict has come often enough to mean something.
  for (const kind of ["GRANTED", "GRANTED_IN_PART", "PREEMPTING", "QUEUED", "REFUSED"]) {
    expect(seen.get(kind) ?? 0, kind).toBeGreaterThan(2);
  }
});
