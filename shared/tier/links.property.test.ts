import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RandomTiers, type Step } from "./testing/random-tiers.ts";

const at = fc.nat({ max: 50 });
const credits = fc.integer({ min: 0, max: 120 });
const side = fc.constantFrom("parent", "child");
const learnsAfterMs = fc.constantFrom(0, 0, 30, 700, 6_000);

const step = <T extends Step["type"]>(
  type: T,
  fields: {
    readonly [K in Exclude<keyof Extract<Step, { type: T }>, "type">]: fc.Arbitrary<Extract<Step, { type: T }>[K]>;
  },
): fc.Arbitrary<Step> => fc.record({ type: fc.constant(type), ...fields }) as unknown as fc.Arbitrary<Step>;

const work: fc.Arbitrary<Step>[] = [
  step("pass", { ms: fc.constantFrom(1, 10, 60, 400, 2_500) }),
  step("grant", { credits }),
  step("reserve", { at, credits }),
  step("reserve", { at, credits: fc.integer({ min: 1, max: 20 }) }),
  step("settle", { at, credits: fc.integer({ min: 0, max: 40 }) }),
  step("raise", { at, credits, waitMs: fc.constantFrom(0, 0, 4_000) }),
  step("open", { credits }),
  step("cancel", { at }),
  step("surplus", { at, keep: credits }),
  step("shrink", { at, credits }),
  step("close", { at, side }),
];

const losses: fc.Arbitrary<Step>[] = [
  step("pass", { ms: fc.constantFrom(10, 200, 2_500, 9_000) }),
  step("cut", { childLearnsAfterMs: learnsAfterMs, parentLearnsAfterMs: learnsAfterMs, repeat: fc.nat({ max: 12 }) }),
  step("cut", { childLearnsAfterMs: fc.constant(0), parentLearnsAfterMs: fc.constant(0), repeat: fc.constant(0) }),
  step("reach", { reachable: fc.boolean() }),
  step("pass", { ms: fc.constant(18_000) }),
  step("silence", { ms: fc.constantFrom(400, 18_000) }),
  step("write_off", { at }),
  step("write_off", { at }),
  step("disk", { side, syncMs: fc.constantFrom(0, 3, 80) }),
];

const crashes: fc.Arbitrary<Step>[] = [step("crash", { side, keeping: fc.nat({ max: 2 }) })];

const RUNS = { numRuns: 150, endOnFailure: false } as const;
const LENGTH = { minLength: 5, maxLength: 60 } as const;

async function play(seed: number, steps: readonly Step[], also: (tiers: RandomTiers) => void) {
  const tiers = new RandomTiers(seed);
  await tiers.start();
  for (const one of steps) {
    await tiers.do(one);
    also(tiers);
  }
  await tiers.finish();
}

describe("a parent and a child whose link is cut, repeats and comes late", () => {
  it("never have more below than is committed above, and agree to the credit in the end", async () => {
    const steps = fc.array(fc.oneof(...work, ...losses), LENGTH);
    await fc.assert(
      fc.asyncProperty(fc.nat(), steps, (seed, list) => play(seed, list, (tiers) => tiers.checkLeases())),
      RUNS,
    );
  });

  it("agree too when they crash and start again, and no lease outlives itself at the child", async () => {
    const steps = fc.array(fc.oneof(...work, ...losses, ...crashes), LENGTH);
    await fc.assert(
      fc.asyncProperty(fc.nat(), steps, (seed, list) => play(seed, list, (tiers) => tiers.checkLeases())),
      RUNS,
    );
  });

  it("are checked by something that can fail", async () => {
    const tiers = new RandomTiers(1);
    await tiers.start();
    const forged = { type: "receive_limit", allocationId: "run-1", epoch: 1 } as const;
    const grantedTotal = tiers.tiers.raise("", "", 101).min;
    await tiers.tiers.child.run({ ...forged, grantedTotal });
    expect(() => tiers.check()).toThrow("the child was granted more credits");
  });
});
