/**
 * What a call costs: exact fractions of a credit per unit, added up exactly and rounded up once per call. No floating point: a
 * fraction is two whole numbers, and where a product leaves the safe range the sum is done in BigInt.
 */
import type { Amount } from "#budget";
import { assert, LIMITS } from "#std";

/** Credits per unit as a fraction in lowest terms: `numerator` from 0, `denominator` from 1, both at most 2^53-1. */
export interface Price {
  readonly numerator: number;
  readonly denominator: number;
}

/** Credits per token of a model. */
export interface ModelPrice {
  readonly contextToken: Price;
  readonly generatedToken: Price;
}

/** Credits per code execution and per second of it. */
export interface CodePrice {
  readonly call: Price;
  readonly second: Price;
}

/** `quantity` / `per` units at `price` each. */
interface Term {
  readonly quantity: number;
  readonly per: 1 | 1_000;
  readonly price: Price;
}

function wholeCost(terms: readonly Term[]): number | undefined {
  let total = 0;
  for (const { quantity, per, price } of terms) {
    if (price.denominator * per !== 1) return undefined;
    total += quantity * price.numerator;
  }
  // A sum of products that ends within the safe range was exact at every step, for no term is negative.
  return total <= LIMITS.amountMax ? total : undefined;
}

function exactCost(terms: readonly Term[]): number {
  let [numerator, denominator] = [0n, 1n];
  for (const { quantity, per, price } of terms) {
    const below = BigInt(price.denominator) * BigInt(per);
    numerator = numerator * below + BigInt(quantity) * BigInt(price.numerator) * denominator;
    denominator *= below;
  }
  const credits = (numerator + denominator - 1n) / denominator;
  return credits > BigInt(LIMITS.amountMax) ? LIMITS.amountMax : Number(credits);
}

function cost(terms: readonly Term[]): Amount {
  for (const { quantity } of terms) {
    assert(
      Number.isSafeInteger(quantity) && quantity >= 0,
      `a quantity must be a whole number from 0; got ${quantity}`,
    );
  }
  return (wholeCost(terms) ?? exactCost(terms)) as Amount;
}

/**
 * Credits of one model call, rounded up once. Token counts are whole numbers from 0. A cost above LIMITS.amountMax, which no budget
 * can hold, is LIMITS.amountMax.
 */
export function modelCallCost(
  tokens: { readonly contextTokens: number; readonly generatedTokens: number },
  price: ModelPrice,
): Amount {
  return cost([
    { quantity: tokens.contextTokens, per: 1, price: price.contextToken },
    { quantity: tokens.generatedTokens, per: 1, price: price.generatedToken },
  ]);
}

/**
 * Credits of one code execution that ran for `elapsedMs` (whole milliseconds from 0), rounded up once; at most LIMITS.amountMax, as
 * for a model call.
 */
export function codeCost(elapsedMs: number, price: CodePrice): Amount {
  return cost([
    { quantity: 1, per: 1, price: price.call },
    { quantity: elapsedMs, per: 1_000, price: price.second },
  ]);
}

/**
 * The longest run, in whole milliseconds, whose codeCost is at most `credits`: at most LIMITS.durationMsMax, and undefined when the
 * credits do not even pay the call.
 */
export function affordableCodeMs(credits: Amount, price: CodePrice): number | undefined {
  const { call, second } = price;
  const left = BigInt(credits) * BigInt(call.denominator) - BigInt(call.numerator);
  if (left < 0n) return undefined;
  if (second.numerator === 0) return LIMITS.durationMsMax;
  const affordable =
    (left * BigInt(second.denominator) * 1_000n) / (BigInt(call.denominator) * BigInt(second.numerator));
  return affordable > BigInt(LIMITS.durationMsMax) ? LIMITS.durationMsMax : Number(affordable);
}
