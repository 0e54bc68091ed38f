/** What a play of Kueue's work comes to. */
import { type Arrival, type JobClass, KUEUE } from "./kueue-shape.ts";

export interface ClassResult {
  readonly name: JobClass["name"];
  readonly jobs: number;
  /** From arrival to the first start, and to the start of the attempt that ran to its end. */
  readonly firstWaitMs: { readonly average: number; readonly most: number };
  readonly lastWaitMs: { readonly average: number; readonly most: number };
  readonly preemptions: number;
}

export interface KueueResult {
  readonly totalMs: number;
  /** Of all units over the whole time, work that counted; and with what was begun in vain. */
  readonly usagePercent: number;
  readonly busyPercent: number;
  readonly unitsInUseMost: number;
  readonly decisions: number;
  readonly classes: readonly ClassResult[];
}

export type Preemptions = { readonly [N in JobClass["name"]]: number };

interface Started extends Arrival {
  readonly firstStartMs: number | undefined;
  readonly lastStartMs: number;
}

export function classResults(jobs: readonly Started[], preemptions: Preemptions): ClassResult[] {
  return KUEUE.classes.map(({ name }) => {
    const own = jobs.filter(({ of }) => of.name === name);
    const firstWaitMs = waits(own.map(({ atMs, firstStartMs = 0 }) => firstStartMs - atMs));
    const lastWaitMs = waits(own.map(({ atMs, lastStartMs }) => lastStartMs - atMs));
    return { name, jobs: own.length, firstWaitMs, lastWaitMs, preemptions: preemptions[name] };
  });
}

function waits(ms: readonly number[]): { readonly average: number; readonly most: number } {
  const sum = ms.reduce((total, one) => total + one, 0);
  return { average: sum / ms.length, most: ms.reduce((most, one) => Math.max(most, one), 0) };
}
