import { describe, expect, it } from "vitest";
import { amount, type BudgetState, createState, decide } from "#budget";
import { LIMITS } from "#std";
import { UsageReporter } from "./usage-reporter.ts";

const TTL_MS = 30_000;
const COUNT = 3 * LIMITS.usageReportsPartMax - 10;
/** Late enough for every lease to be due again. */
const STEP_MS = TTL_MS;

function withGrants(): BudgetState {
  const state = createState();
  for (let at = 0; at < COUNT; at += 1) {
    const allocationId = `run-${at}`;
    const { outcome } = decide(state, {
      type: "receive_grant",
      nowMs: 0,
      allocationId,
      path: `there/${allocationId}`,
      depth: 1,
      name: allocationId,
      kind: "run",
      limits: { credits: amount(10) },
      pooled: [],
      priority: "NORMAL",
      weight: 1,
      policy: {},
      peer: "parent",
      token: undefined,
      epoch: 1,
      leaseTtlMs: TTL_MS,
      leaseEndsAtMs: TTL_MS,
      deadlineLeftMs: undefined,
      notes: [],
    });
    expect(outcome.type).toBe("opened");
  }
  return state;
}

describe("reports in parts", () => {
  it("give each allocation its turn, though all are due again each time", () => {
    const state = withGrants();
    const reporter = new UsageReporter();
    const told = new Map<string, number>();
    for (let part = 1; part <= 6; part += 1) {
      const reports = reporter.collect(state, part * STEP_MS);
      expect(reports).toHaveLength(LIMITS.usageReportsPartMax);
      expect(reporter.hasMore).toBe(true);
      for (const { allocationId, sequence } of reports) {
        told.set(allocationId, (told.get(allocationId) ?? 0) + 1);
        expect(reporter.acknowledge(allocationId, sequence)).toMatchObject({ final: false });
      }
    }
    expect(told.size).toBe(COUNT);
    expect(Math.max(...told.values()) - Math.min(...told.values())).toBeLessThanOrEqual(1);
  });

  it("end when nothing more is due, and wait for their answers", () => {
    const state = withGrants();
    const reporter = new UsageReporter();
    const sent = [1, 2, 3].flatMap(() => reporter.collect(state, STEP_MS));
    expect(sent).toHaveLength(COUNT);
    expect([reporter.hasMore, reporter.idle]).toEqual([false, false]);
    expect(reporter.collect(state, 2 * STEP_MS)).toEqual([]);
    for (const [at, { allocationId, sequence }] of sent.entries()) {
      expect(reporter.idle).toBe(false);
      if (at % 2 === 0) reporter.acknowledge(allocationId, sequence);
      else reporter.putBack(allocationId, sequence, 0);
    }
    expect(reporter.idle).toBe(true);
    reporter.collect(state, 3 * STEP_MS);
    expect(reporter.idle).toBe(false);
    reporter.reset();
    expect(reporter.idle).toBe(true);
  });

  it("look at nothing that has closed and is acknowledged, however much is remembered of it", () => {
    const state = withGrants();
    const reporter = new UsageReporter();
    const ids = Array.from({ length: COUNT }, (_, at) => `run-${at}`);
    for (const allocationId of ids.slice(1)) {
      decide(state, { type: "close", nowMs: 1, allocationId, reason: "over" });
    }
    const finals = [1, 2, 3].flatMap(() => reporter.collect(state, 2)).filter(({ state: at }) => at === "closed");
    expect(finals.map(({ allocationId }) => allocationId)).toEqual(ids.slice(1));
    for (const { allocationId, sequence } of finals) {
      reporter.acknowledge(allocationId, sequence);
      decide(state, { type: "acknowledge_final", nowMs: 2, allocationId, sequence });
    }
    const acknowledged = [...state.acknowledged];
    expect(acknowledged).toHaveLength(COUNT - 1);
    for (const node of acknowledged) {
      Object.defineProperty(node, "side", {
        get: () => {
          throw new Error(`${node.id} was looked at`);
        },
      });
    }
    expect(reporter.collect(state, STEP_MS).map(({ allocationId }) => allocationId)).toEqual(["run-0"]);
  });
});
