/**
 * What a world is like, drawn by its seed.
 * - contended: there is little for many, who take it from each other. Swarms are under PREEMPTION_ALLOWED, most with pauses; their runs
 *   wait; calls are in flight for seconds and cost little.
 * - named: most runs want names, are patient, and do not end soon.
 * - stormy: daemons are gone and back, again and again, while what was said to them is on its way.
 */
import type { Chance } from "./chance.ts";

export type Temper = "usual" | "contended" | "stormy" | "named";

const CONTENDED_PERCENT = 35;
const STORMY_PERCENT = 10;
const NAMED_PERCENT = 10;

export function drawTemper(chance: Chance): Temper {
  if (chance.percent(CONTENDED_PERCENT)) return "contended";
  if (chance.percent(STORMY_PERCENT)) return "stormy";
  return chance.percent(NAMED_PERCENT) ? "named" : "usual";
}
