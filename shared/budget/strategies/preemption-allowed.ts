/**
 * PREEMPTION_ALLOWED: as PRIORITY_BASED, and a request may take from running work of strictly lower base priority. Who gives way is decided
 * by victim-plan.ts; a request that does not wait is given only what comes back at once.
 */
import { priorityBased } from "./priority-based.ts";
import type { Strategy } from "./strategy.ts";

export const preemptionAllowed: Strategy = { ...priorityBased, name: "PREEMPTION_ALLOWED", preempts: true };
