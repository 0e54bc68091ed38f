import { describe, expect, it } from "vitest";
import { describeState } from "#budget";
import type { Hello } from "#ports";
import { LIMITS } from "#std";
import { held, lastHello, RawChild, used } from "./testing/raw-child.ts";
import { some } from "./testing/tier.ts";
import { TwoTiers } from "./testing/two-tiers.ts";

/** A child that holds `run` with 400 credits, of which it used 30 and gave 100 back, and has told so. */
async function withRun(): Promise<TwoTiers> {
  const tiers = await new TwoTiers().start();
  await tiers.grant("run", { credits: 400 });
  await tiers.spend("run", 30);
  await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: some({ credits: 270 }) });
  await tiers.clock.advance(LIMITS.usageReportIntervalMs * 2);
  return tiers;
}

const stateOf = (tiers: TwoTiers) =>
  tiers.parent.see((state) => JSON.stringify({ ...(describeState(state) as object), engineTimeMs: 0 }));

describe("the hello of a journal that is an old copy", () => {
  const known = { grantedTotal: some({ credits: 400 }), returnedTotal: some({ credits: 100 }) };
  const older: Record<string, Hello["allocations"]> = {
    "has used less than was told": [held("run", { ...known, usage: used(29) })],
    "has given back less than was told": [
      held("run", { ...known, usage: used(30), returnedTotal: some({ credits: 99 }) }),
    ],
    "does not know what it has told of": [],
  };

  it.each(Object.keys(older))("is refused by name, and nothing changes: %s", async (name) => {
    const tiers = await withRun();
    const before = await stateOf(tiers);
    const { life } = lastHello(tiers);
    const child = new RawChild(tiers, { incarnation: "copy", life: life + 1, allocations: older[name] ?? [] });
    await tiers.clock.settle();
    expect(child.failure).toMatchObject({ refusal: { reason: "JOURNAL_BEHIND" } });
    expect(child.failure?.message).toContain("account/run");
    expect(child.items).toEqual([]);
    expect(await stateOf(tiers)).toBe(before);
    // Silent from now on, it is in doubt once its lease has ended.
    await tiers.clock.advance(LIMITS.leaseTtlMs + LIMITS.leaseMarginMs + 1_000);
    expect((await tiers.parent.node("account")).books.credits).toMatchObject({
      granted: 30,
      inDoubt: 270,
      available: 700,
    });
  });

  it("is welcome when it knows what it has told, and more", async () => {
    const tiers = await withRun();
    const { life } = lastHello(tiers);
    const allocations = [held("run", { ...known, usage: used(31) })];
    const child = new RawChild(tiers, { incarnation: "next", life: life + 1, allocations });
    await child.answer();
    expect(child.items).toMatchObject([{ type: "welcome", welcome: { allocations: [{ epoch: 1, state: "open" }] } }]);
  });

  it("is refused also when only its life is an earlier one", async () => {
    const tiers = await withRun();
    const { life } = lastHello(tiers);
    const allocations = [held("run", { ...known, usage: used(31) })];
    const next = new RawChild(tiers, { incarnation: "next", life: life + 1, allocations });
    await next.answer();
    const before = new RawChild(tiers, { incarnation: "before", life, allocations });
    await tiers.clock.settle();
    expect(before.failure).toMatchObject({ refusal: { reason: "JOURNAL_BEHIND" } });
    expect(next.closed).toBe(false);
  });
});
