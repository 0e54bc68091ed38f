/** What a simulation tells people. */

import { KNOWN_GAP_FAULTS, KNOWN_GAPS } from "../known-gaps.ts";
import type { SimulationResult } from "../simulation.ts";

/** One line: what was simulated, its hash, and what it took. */
export function summaryOf({ seed, steps, hash, counts, virtualMs }: SimulationResult, realMs: number): string {
  const { commits, messages, faults, restarts, runs, calls, settled, gaps } = counts;
  const work = `${runs} runs, ${calls} calls (${settled} settled), ${commits} commits, ${messages} messages`;
  const trouble = `${faults} faults, ${restarts} restarts${gaps > 0 ? `, ${gaps} times a known gap` : ""}`;
  const speed = `${(virtualMs / 1_000).toFixed(0)} s simulated in ${(realMs / 1_000).toFixed(2)} s, ${Math.round(commits / (realMs / 1_000))} commits/s`;
  return `seed ${seed}, ${steps} steps: hash ${hash}\n  ${work}\n  ${trouble}\n  ${speed}`;
}

/** What is passed over, so that nobody takes silence for proof. */
export function gapsNote(): string {
  if (KNOWN_GAPS.length + KNOWN_GAP_FAULTS.size === 0) return "";
  const checks = KNOWN_GAPS.map(({ check, why }) => `${check} (${why})`);
  const faults = [...KNOWN_GAP_FAULTS].map((fault) => `the fault ${fault} is left out`);
  return `known gaps, passed over: ${[...checks, ...faults].join("; ")}`;
}

/** The story of a failure, and how to see it again. */
export function failureOf({ seed, steps, violation, story }: SimulationResult): string {
  return [
    `FAILED by ${violation?.message}`,
    "what happened (of what it is about):",
    ...story,
    `again: npm run simulate -- --seed ${seed} --steps ${steps}`,
  ].join("\n");
}
