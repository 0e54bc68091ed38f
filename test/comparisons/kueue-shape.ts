/**
 * The work of Kueue's baseline performance test (kubernetes-sigs/kueue, test/performance/scheduler/configs/baseline/generator.yaml) and the
 * figures that its checker is set by (rangespec.yaml beside it). What stands here are their numbers, none of their code.
 */

export interface JobClass {
  readonly name: "small" | "medium" | "large";
  /** Jobs of each queue. */
  readonly count: number;
  /** One comes each so many milliseconds. */
  readonly everyMs: number;
  readonly units: number;
  /** How long it runs once it is admitted; one that was preempted begins anew. */
  readonly runsMs: number;
  /** Kueue's 50, 100 and 200: here the three lowest of our priorities. */
  readonly priority: "LOW" | "NORMAL" | "HIGH";
}

export const KUEUE = {
  cohorts: 5,
  queuesPerCohort: 6,
  /** 6 queues with a quota of 20 each, all of which any of them may borrow (borrowingLimit 100). */
  unitsPerCohort: 120,
  classes: [
    { name: "small", count: 350, everyMs: 100, units: 1, runsMs: 200, priority: "LOW" },
    { name: "medium", count: 100, everyMs: 500, units: 5, runsMs: 500, priority: "NORMAL" },
    { name: "large", count: 50, everyMs: 1_200, units: 20, runsMs: 1_000, priority: "HIGH" },
  ] as readonly JobClass[],
  /** Averages of five runs, from the comments in rangespec.yaml. */
  published: {
    totalMs: 351_116,
    usagePercent: 58.7,
    waitMs: { large: 6_666, medium: 76_768, small: 215_468 } as Readonly<Record<JobClass["name"], number>>,
  },
} as const;

export interface Arrival {
  readonly atMs: number;
  readonly cohort: number;
  readonly queue: number;
  readonly of: JobClass;
  readonly number: number;
}

/** All 15,000 jobs, in the order in which they come. */
export function arrivals(): Arrival[] {
  const all: Arrival[] = [];
  for (let cohort = 0; cohort < KUEUE.cohorts; cohort += 1) {
    for (let queue = 0; queue < KUEUE.queuesPerCohort; queue += 1) {
      for (const of of KUEUE.classes) {
        for (let number = 0; number < of.count; number += 1)
          all.push({ atMs: number * of.everyMs, cohort, queue, of, number });
      }
    }
  }
  return all.sort((a, b) => a.atMs - b.atMs || a.cohort - b.cohort || a.queue - b.queue);
}

/** What the work alone needs when nothing is ever idle or done twice: 66 s. */
export function leastMs(): number {
  const perQueue = KUEUE.classes.reduce((sum, { count, units, runsMs }) => sum + count * units * runsMs, 0);
  return (perQueue * KUEUE.queuesPerCohort) / KUEUE.unitsPerCohort;
}
