/**
 * Amounts: whole, never negative, at most 2^53-1, so that a JavaScript number, a JSON number and an int64 carry them exactly.
 * Only this file adds and subtracts them (docs/adr: integer amounts). A result out of range is a broken invariant, not a refusal:
 * callers compare before they subtract.
 */
import { assert, InvariantError, LIMITS } from "#std";

declare const amountBrand: unique symbol;
/** A whole number in 0 … 2^53-1 of some resource's unit (credits, calls, slots, bytes). */
export type Amount = number & { readonly [amountBrand]: true };

export const ZERO = 0 as Amount;

/** True when `value` can be an amount. */
export function isAmount(value: number): value is Amount {
  return Number.isSafeInteger(value) && value >= 0;
}

/** The number as an amount; throws InvariantError when it is negative, fractional or above 2^53-1. */
export function amount(value: number): Amount {
  assert(isAmount(value), `not an amount: ${value}`);
  return value;
}

// These run several times in every decision: what they say is put together only when it is said.
export function add(a: Amount, b: Amount): Amount {
  const sum = a + b;
  if (sum > LIMITS.amountMax) throw new InvariantError(`amount above 2^53-1: ${a} + ${b}`);
  return sum as Amount;
}

/** a + b, or the largest amount when that is more. */
export function addCapped(a: Amount, b: Amount): Amount {
  const sum = a + b;
  return (sum < LIMITS.amountMax ? sum : LIMITS.amountMax) as Amount;
}

/** a − b; b must not exceed a. */
export function subtract(a: Amount, b: Amount): Amount {
  if (a < b) throw new InvariantError(`amount below zero: ${a} - ${b}`);
  return (a - b) as Amount;
}

/** a − b, or zero when b is larger. */
export function monus(a: Amount, b: Amount): Amount {
  return (a > b ? a - b : 0) as Amount;
}

export function least(a: Amount, b: Amount): Amount {
  return a < b ? a : b;
}

export function most(a: Amount, b: Amount): Amount {
  return a > b ? a : b;
}
