/** Exact quotients of whole numbers. Levels of water are such; they are compared and rounded without loss, whatever their size. */

/** The denominator is above zero. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
  /** The same within one part in 2^50: enough wherever two values lie clearly apart. */
  readonly approx: number;
}

export function fraction(numerator: bigint, denominator: bigint): Fraction {
  return { numerator, denominator, approx: Number(numerator) / Number(denominator) };
}

export function whole(value: bigint): Fraction {
  return fraction(value, 1n);
}

export function minus(a: Fraction, b: Fraction): Fraction {
  return fraction(a.numerator * b.denominator - b.numerator * a.denominator, a.denominator * b.denominator);
}

/** Below zero where `a` is the smaller one. */
export function compareFractions(a: Fraction, b: Fraction): number {
  return signOf(a.numerator * b.denominator - b.numerator * a.denominator);
}

/** The same for a/b and c/d of whole numbers from 0 to 2^53-1, b and d above zero; without large integers where it is clear. */
export function compareQuotients(a: number, b: number, c: number, d: number): number {
  const left = a * d;
  const right = c * b;
  if (left <= Number.MAX_SAFE_INTEGER && right <= Number.MAX_SAFE_INTEGER) return left - right;
  if (Math.abs(left - right) > (left + right) * CLEARLY) return left - right;
  return signOf(BigInt(a) * BigInt(d) - BigInt(c) * BigInt(b));
}

/** Two products of rounded factors that lie this part of their sum apart are in the same order as the exact ones. */
export const CLEARLY = 2 ** -46;

export function signOf(value: bigint): number {
  if (value === 0n) return 0;
  return value < 0n ? -1 : 1;
}
