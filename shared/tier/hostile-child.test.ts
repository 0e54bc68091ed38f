import { describe, expect, it } from "vitest";
import { describeState } from "#budget";
import type { Hello, UpItem } from "#ports";
import { LIMITS } from "#std";
import { held, RawChild, used } from "./testing/raw-child.ts";
import { some } from "./testing/tier.ts";
import { TwoTiers } from "./testing/two-tiers.ts";

/** A child that holds `run` with 400 credits of which it used 30, and a stranger who knows of it. */
async function withRun(): Promise<TwoTiers> {
  const tiers = await new TwoTiers().start();
  await tiers.clock.advance(100);
  await tiers.grant("run", { credits: 400 });
  await tiers.spend("run", 30);
  await tiers.clock.advance(LIMITS.usageReportIntervalMs * 2);
  return tiers;
}

const stateOf = (tiers: TwoTiers) =>
  tiers.parent.see((state) => JSON.stringify({ ...(describeState(state) as object), engineTimeMs: 0 }));
const ASK = {
  requestId: "r-1",
  min: some({}),
  priority: "NORMAL",
  weight: 1,
  waitMs: 0,
  strategy: undefined,
  trace: undefined,
} as const;
const stranger: Partial<Hello> = { instance: "stranger", incarnation: "s-1", life: 1 };

describe("a child that claims what it never had", () => {
  const claims: Record<string, Partial<Hello>> = {
    "an allocation that nobody knows": { allocations: [held("no-such", { usage: used(5) })] },
    "an allocation of the parent itself": { allocations: [held("account", { usage: used(5), final: true })] },
    "somebody else's allocation": { allocations: [held("run", { usage: used(400) })] },
    "somebody else's allocation, for good": { allocations: [held("run", { usage: used(1), final: true })] },
    "what it gave back of somebody else's": { allocations: [held("run", { returnedTotal: some({ credits: 300 }) })] },
  };

  it.each(Object.keys(claims))("in its hello is told that it is unknown, and nothing changes: %s", async (claim) => {
    const tiers = await withRun();
    const before = await stateOf(tiers);
    const child = new RawChild(tiers, { ...stranger, ...claims[claim] });
    await child.answer();
    expect(child.items).toMatchObject([
      { welcome: { allocations: [{ epoch: 0, state: undefined, lease: undefined }] } },
    ]);
    expect(await stateOf(tiers)).toBe(before);
    expect(tiers.states).toEqual(["connected"]);
  });

  const of = { allocationId: "run", epoch: 1 } as const;
  const report = { sequence: 9, state: "open", final: false, returnedTotal: some({}), trace: undefined } as const;
  const items: Record<string, readonly [UpItem, string]> = {
    "reports somebody else's usage": [
      { type: "usage", report: { ...of, ...report, usage: used(390) } },
      "NOT_PERMITTED",
    ],
    "ends somebody else's allocation": [
      { type: "usage", report: { ...of, ...report, usage: used(0), final: true } },
      "NOT_PERMITTED",
    ],
    "reports what nobody knows": [
      { type: "usage", report: { ...of, ...report, allocationId: "no-such", usage: used(0) } },
      "NOT_FOUND",
    ],
    "gives somebody else's budget back": [
      { type: "returned", ...of, returnedTotal: some({ credits: 300 }) },
      "no answer",
    ],
    "wants more for somebody else": [
      { type: "ask", ask: { ...ASK, target: { type: "raise", ...of, by: some({ credits: 50 }) } } },
      "NOT_PERMITTED",
    ],
    "wants something where it holds nothing": [
      {
        type: "ask",
        ask: { ...ASK, target: { type: "open", parentId: "account", name: "x", kind: undefined, limits: {} } },
      },
      "NOT_PERMITTED",
    ],
    "cancels what somebody else asked": [{ type: "cancel", requestId: "open-run" }, "no answer"],
  };

  it.each(Object.keys(items))("%s: refused by name, and nothing changes", async (what) => {
    const tiers = await withRun();
    const [item, reason] = items[what] ?? expect.fail();
    const before = await stateOf(tiers);
    const child = new RawChild(tiers, { ...stranger, allocations: [] });
    await child.answer(item);
    const told = child.items.slice(1).map((answer) => {
      const error = answer.type === "ack" ? answer.ack.error : Reflect.get(Reflect.get(answer, "answer"), "error");
      return Reflect.get(error ?? {}, "refusal").reason;
    });
    expect(told).toEqual(reason === "no answer" ? [] : [reason]);
    expect(await stateOf(tiers)).toBe(before);
  });
});

describe("a child that says of its own what cannot be", () => {
  const wrong: Record<string, ReturnType<typeof held>> = {
    "more given back than it was granted": held("run", { usage: used(30), returnedTotal: some({ credits: 401 }) }),
    "more overrun than usage": held("run", { usage: { ...used(30), overrunCredits: 31 as never } }),
    "more used than can be counted": held("run", { usage: used(LIMITS.amountMax) }),
    "an epoch that never was": held("run", { epoch: 7, usage: used(350), returnedTotal: some({ credits: 50 }) }),
    "an epoch that never was, for good": held("run", { epoch: 7, usage: used(31), final: true }),
  };

  it.each(Object.keys(wrong))("%s: nothing of its books changes", async (what) => {
    const tiers = await withRun();
    const before = await tiers.parent.see((state) => JSON.stringify(state.allocations.get("run")?.books));
    const child = new RawChild(tiers, {
      clockMarkMs: tiers.clock.monotonicMs(),
      allocations: [wrong[what] ?? held("")],
    });
    await child.answer();
    expect(child.items).toMatchObject([{ welcome: { allocations: [{ epoch: 1, state: "open" }] } }]);
    expect(await tiers.parent.see((state) => JSON.stringify(state.allocations.get("run")?.books))).toBe(before);
    expect((await tiers.parent.node("run")).state).toBe("open");
  });

  it("names one allocation a thousand times: it is booked once", async () => {
    const tiers = await withRun();
    const again = Array.from({ length: 1_000 }, (_, n) => held("run", { usage: used(30 + (n % 7)) }));
    const child = new RawChild(tiers, { clockMarkMs: tiers.clock.monotonicMs(), allocations: again });
    await child.answer();
    expect((await tiers.parent.node("run")).books.credits).toMatchObject({ limit: 400, usage: 36 });
  });
});
