/**
 * The resources and their kinds. Consumables (credits, tool calls) are spent once and have books; held resources (branch slots,
 * memory) are in use while held; duration is a deadline and is not divided.
 */
import { type Amount, add, least, most, ZERO } from "./amount.ts";

export const CONSUMABLES = ["credits", "toolCalls"] as const;
export const HELD_RESOURCES = ["branches", "memoryBytes"] as const;
export const RESOURCES = [...CONSUMABLES, ...HELD_RESOURCES] as const;
export type Consumable = (typeof CONSUMABLES)[number];
export type HeldResource = (typeof HELD_RESOURCES)[number];
export type Resource = (typeof RESOURCES)[number];

/** One amount per resource. Units: credits, calls, slots, bytes. */
export type Amounts = { readonly [R in Resource]: Amount };

/**
 * What an allocation may use at most. An absent resource is not limited here; that is possible only where no ancestor limits it,
 * and under a limiting parent an absent resource means none of it.
 */
export interface Limits {
  readonly credits?: Amount;
  readonly toolCalls?: Amount;
  readonly branches?: Amount;
  readonly memoryBytes?: Amount;
  /** Milliseconds from the opening; the deadline is never later than the parent's. */
  readonly durationMs?: number;
  /** Part of credits that only HIGH and above may draw. */
  readonly priorityBonus?: Amount;
  /** Part of credits that only CRITICAL and EMERGENCY may draw. */
  readonly emergencyReserve?: Amount;
  /** Part of credits that only the allocation's own final step may draw. */
  readonly wrapUpReserve?: Amount;
}

/** What a wish takes of its parent: all that is asked for, and the least that is of use. */
export interface Demand {
  readonly wanted: Amounts;
  readonly min: Amounts;
}

export const NOTHING: Amounts = Object.freeze({ credits: ZERO, toolCalls: ZERO, branches: ZERO, memoryBytes: ZERO });

/** Amounts from some of them; what is absent is zero. */
export function amountsOf(some: { readonly [R in Resource]?: Amount | undefined }): Amounts {
  return {
    credits: some.credits ?? ZERO,
    toolCalls: some.toolCalls ?? ZERO,
    branches: some.branches ?? ZERO,
    memoryBytes: some.memoryBytes ?? ZERO,
  };
}

export function isNothing(a: Amounts): boolean {
  return a.credits === 0 && a.toolCalls === 0 && a.branches === 0 && a.memoryBytes === 0;
}

function zip(a: Amounts, b: Amounts, combine: (x: Amount, y: Amount) => Amount): Amounts {
  return {
    credits: combine(a.credits, b.credits),
    toolCalls: combine(a.toolCalls, b.toolCalls),
    branches: combine(a.branches, b.branches),
    memoryBytes: combine(a.memoryBytes, b.memoryBytes),
  };
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  // Most counters begin at nothing.
  return a === NOTHING ? b : zip(a, b, add);
}

/** Resource by resource a − b, or zero where b is larger. */
export function monusAmounts(a: Amounts, b: Amounts): Amounts {
  return zip(a, b, (x, y) => (x > y ? x - y : 0) as Amount);
}

export function leastAmounts(a: Amounts, b: Amounts): Amounts {
  return zip(a, b, least);
}

export function mostAmounts(a: Amounts, b: Amounts): Amounts {
  return zip(a, b, most);
}
