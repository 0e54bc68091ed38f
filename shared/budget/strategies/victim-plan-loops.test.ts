/** That preemption comes to an end: the proofs of docs/preemption.md, as runs of a tiny node on virtual time. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PRIORITIES } from "../policy.ts";
import { type JobSpec, type NodeOptions, TinyNode } from "./victim-plan-model.test-support.ts";

const SEED = 20_261_124;

function played(options: NodeOptions, jobs: readonly JobSpec[], untilMs = 1_000_000): TinyNode {
  const node = new TinyNode(options);
  for (const job of jobs) node.add(job);
  node.run(untilMs);
  return node;
}

const job = (id: string, own: Partial<JobSpec> = {}): JobSpec => {
  return { id, priority: "LOW", slots: 1, workMs: 100, arrivesAtMs: 0, ...own };
};

describe("two preemptors alternating for ever", () => {
  test("equals never preempt each other", () => {
    const node = played({ slots: 1 }, [
      job("a", { priority: "HIGH" }),
      job("b", { priority: "HIGH", arrivesAtMs: 50 }),
    ]);
    expect(node.log).toEqual(["0 a starts", "100 a ends", "100 b starts", "200 b ends"]);
  });

  test("the lower one is preempted once, never takes its revenge, and has its turn in the end", () => {
    const node = played({ slots: 1 }, [job("a"), job("b", { priority: "HIGH", arrivesAtMs: 50 })]);
    expect(node.log).toEqual([
      "0 a starts",
      "50 b preempts a (STOP)",
      "50 a has left",
      "50 b starts",
      "150 b ends",
      "150 a starts",
      "250 a ends",
    ]);
  });

  test("a victim that goes first in line alternates for ever with the claimant where nothing is reserved, and only there", () => {
    const jobs = [job("a", { graceMs: 10 }), job("b", { priority: "HIGH", arrivesAtMs: 50 })];
    const broken = played({ slots: 1, reserves: false, ranks: false }, jobs, 5_000);
    expect(broken.job("b").starts).toBe(0);
    expect(broken.job("a").preemptions).toBeGreaterThan(100);
    expect(played({ slots: 1, ranks: false }, jobs).job("a").preemptions).toBe(1);
    expect(played({ slots: 1 }, jobs).job("a").preemptions).toBe(1);
  });
});

const chanceJob = fc.record({
  level: fc.integer({ min: 0, max: 4 }),
  slots: fc.integer({ min: 1, max: 4 }),
  workMs: fc.integer({ min: 1, max: 200 }),
  arrivesAtMs: fc.nat(300),
  graceMs: fc.constantFrom(0, 1, 30, 100),
  pausable: fc.boolean(),
});

const chanceJobs = fc
  .array(chanceJob, { minLength: 2, maxLength: 24 })
  .map((list) =>
    list.map(({ level, ...rest }, at): JobSpec => ({ ...rest, id: `j${at}`, priority: PRIORITIES[level] ?? "LOW" })),
  );

/** Compares from the highest priority down. */
function isMore(after: readonly number[], before: readonly number[]): boolean {
  const at = after.findIndex((count, level) => count !== before[level]);
  return at >= 0 && (after[at] ?? 0) > (before[at] ?? 0);
}

test("each plan, and each of its rounds, raises what stands, read from the highest priority down: so no chain is endless", () => {
  let plans = 0;
  fc.assert(
    fc.property(chanceJobs, fc.integer({ min: 4, max: 8 }), fc.integer({ min: 1, max: 4 }), (jobs, slots, most) => {
      const node = new TinyNode({ slots, ranks: most % 2 === 0, rules: { victimsPerRoundMax: most } });
      for (const each of jobs) node.add(each);
      let before: number[] | undefined;
      node.onPlan = () => {
        if (before && !isMore(node.standing, before))
          throw new Error(`${before} → ${node.standing}\n${node.log.join("\n")}`);
        plans += before ? 1 : 0;
        before = before ? undefined : node.standing;
      };
      node.run(1_000_000);
      expect([...node.jobs.values()].every(({ state }) => state === "done")).toBe(true);
    }),
    { seed: SEED, numRuns: 300 },
  );
  expect(plans).toBeGreaterThan(300);
});

test("nobody is preempted by an equal or lower one, and who has the highest priority never", () => {
  fc.assert(
    fc.property(chanceJobs, (jobs) => {
      const node = played({ slots: 5 }, jobs);
      const levelOf = (id: string) => node.job(id).level;
      for (const line of node.log) {
        const [, claimant, victim] = /^\d+ (j\d+) (?:preempts|takes over from) (j\d+)/.exec(line) ?? [];
        if (claimant && victim) expect(levelOf(claimant)).toBeGreaterThan(levelOf(victim));
      }
      const highest = Math.max(...[...node.jobs.values()].map(({ level }) => level));
      for (const each of node.jobs.values()) if (each.level === highest) expect(each.preemptions).toBe(0);
    }),
    { seed: SEED, numRuns: 200 },
  );
});

describe("a reclaim loop: victims leave at different times and are re-admitted meanwhile", () => {
  const jobs = [
    job("a", { graceMs: 10, workMs: 300 }),
    job("b", { graceMs: 100, workMs: 300, pausable: true }),
    job("c", { graceMs: 200, workMs: 300 }),
    job("claimant", { priority: "HIGH", slots: 3, arrivesAtMs: 50 }),
    job("late", { priority: "NORMAL", arrivesAtMs: 70 }),
  ];

  test("what is free already is reserved for the claimant until all of it is there", () => {
    const node = played({ slots: 3 }, jobs);
    expect(node.log).toEqual([
      "0 a starts",
      "0 b starts",
      "0 c starts",
      "50 claimant preempts b (PAUSE)",
      "50 claimant preempts a (STOP)",
      "50 claimant preempts c (STOP)",
      "60 a has left",
      "150 b has left",
      "250 c has left",
      "250 claimant starts",
      "350 claimant ends",
      "350 late starts",
      "350 a starts",
      "350 b starts",
      "450 late ends",
      "450 c starts",
      "600 b ends",
      "650 a ends",
      "750 c ends",
    ]);
  });

  test("without the reservation they are taken back in, and preempted again and again", () => {
    const long = jobs.map((each) => ({ ...each, workMs: 100_000 }));
    const broken = played({ slots: 3, reserves: false }, long, 20_000);
    expect(broken.job("claimant").starts).toBe(0);
    expect(broken.preemptions).toBeGreaterThan(50);
    const node = played({ slots: 3 }, long, 20_000);
    expect([node.job("claimant").starts, node.preemptions]).toEqual([1, 3]);
  });

  test("in rounds, those who went in an earlier one stay out until the claimant has all", () => {
    const rules = { victimsPerRoundMax: 1 };
    const node = played({ slots: 3, rules }, jobs.slice(0, 4), 400);
    expect(node.log.slice(3)).toEqual([
      "50 claimant preempts b (PAUSE)",
      "150 b has left",
      "150 claimant preempts a (STOP)",
      "160 a has left",
      "160 claimant preempts c (STOP)",
      "360 c has left",
      "360 claimant starts",
    ]);
  });

  test("one of higher priority takes over what is reserved; the lower claim waits again and has its turn", () => {
    const node = played({ slots: 3 }, [
      ...jobs.slice(0, 4),
      job("top", { priority: "CRITICAL", slots: 2, arrivesAtMs: 160 }),
    ]);
    expect(node.log.filter((line) => /top|claimant/.test(line))).toEqual([
      "50 claimant preempts b (PAUSE)",
      "50 claimant preempts a (STOP)",
      "50 claimant preempts c (STOP)",
      "160 top takes over from claimant",
      "160 top starts",
      "260 top ends",
      "260 claimant starts",
      "360 claimant ends",
    ]);
  });
});

describe("thrash is bounded", () => {
  const stream = Array.from({ length: 100 }, (_, at) => {
    return job(`h${at}`, { priority: "HIGH", workMs: 20, arrivesAtMs: 50 + at * 100 });
  });
  const long = job("long", { workMs: 400 });

  test("by nothing but the strict order a stream of small jobs preempts a long one each time", () => {
    const node = played({ slots: 1 }, [long, ...stream]);
    expect(node.job("long").preemptions).toBe(100);
  });

  test("with the cool-down it is preempted once in that time at most, and ends in the midst of the stream", () => {
    const node = played({ slots: 1, rules: { coolDownMs: 1_000 } }, [long, ...stream]);
    expect(node.job("long").preemptions).toBe(1);
    expect(node.job("long").finishedAtMs).toBe(470);
    expect([...node.jobs.values()].every(({ state }) => state === "done")).toBe(true);
  });

  test("one that takes longer than the cool-down is preempted at most so often", () => {
    const rules = { coolDownMs: 1_000, protectMs: 100 };
    const node = played({ slots: 1, rules }, [job("long", { workMs: 3_000, pausable: true }), ...stream], 10_000);
    const { preemptions } = node.job("long");
    expect(preemptions).toBeGreaterThan(1);
    expect(preemptions).toBeLessThanOrEqual(10_000 / 1_000);
  });
});
