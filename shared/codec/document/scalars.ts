/**
 * Readers of single values: text, choices, whole amounts, durations, bytes. Numbers are read from the text in the file, digit by
 * digit, so that none is rounded on the way; a fraction, a sign or a size beyond all sense is refused by name.
 */
import { BYTES_BY_UNIT, bytesOf, DIGITS, durationOf, LIMITS } from "#std";
import { nearestName } from "./nearest-name.ts";
import { INVALID, type Place, type Reader } from "./place.ts";

export interface TextOptions {
  /** The whole text must match; default: anything. */
  readonly pattern?: RegExp;
  /** Completes "must be …" when the pattern does not match. */
  readonly mustBe?: string;
  /** Default LIMITS.documentTextCharsMax. */
  readonly charsMax?: number;
  /** Fewest characters; default 1. */
  readonly charsMin?: number;
}

/** A text without NUL characters. */
export function text(options: TextOptions = {}): Reader<string> {
  const { pattern, mustBe = "text of the right form", charsMax = LIMITS.documentTextCharsMax, charsMin = 1 } = options;
  return (place) => {
    const written = place.text;
    if (written === undefined)
      return place.refuse(`must be ${pattern === undefined ? "text" : mustBe}; got ${place.shown}`);
    if (written.length > charsMax)
      return place.refuse(`has ${written.length} characters; at most ${charsMax} are allowed`);
    if (written.length < charsMin) return place.refuse("must not be empty");
    if (written.includes("\0")) return place.refuse("must not contain a NUL character");
    if (pattern !== undefined && !pattern.test(written)) return place.refuse(`must be ${mustBe}; got ${place.shown}`);
    return written;
  };
}

/** A name of ours: small letters, digits, dashes and underscores, at most LIMITS.nameCharsMax. */
export const name: Reader<string> = text({
  pattern: /^[a-z0-9][a-z0-9_-]*$/,
  mustBe: "a name of small letters, digits, - and _, starting with a letter or digit",
  charsMax: LIMITS.nameCharsMax,
});

/** One of `choices`, written exactly so. */
export function choice<const C extends string>(choices: readonly C[]): Reader<C> {
  return (place) => {
    const written = place.text;
    const chosen = choices.find((candidate) => candidate === written);
    if (chosen !== undefined) return chosen;
    const nearest = written === undefined ? undefined : nearestName(written, choices);
    const meant = nearest === undefined ? "" : `; did you mean ${nearest}?`;
    return place.refuse(`must be one of ${choices.join(", ")}; got ${place.shown}${meant}`);
  };
}

/** Yes or no. */
export const flag: Reader<boolean> = (place) => {
  const chosen = choice(["true", "false"])(place);
  return chosen === INVALID ? INVALID : chosen === "true";
};

export interface WholeOptions {
  /** What is counted, in the plural: "credits". */
  readonly unit: string;
  /** Default 0. */
  readonly min?: number;
  /** Default LIMITS.amountMax. */
  readonly max?: number;
}

/** The digits as a number; undefined when they say more than `max`. */
function wholeFrom(digits: string, max: number): number | undefined {
  const value = BigInt(digits.replaceAll("_", ""));
  return value > BigInt(max) ? undefined : Number(value);
}

/** A whole number in plain digits, which may be grouped: 1_000_000. */
export function whole(options: WholeOptions): Reader<number> {
  const { unit, min = 0, max = LIMITS.amountMax } = options;
  return (place) => {
    const written = place.text;
    if (written === undefined || !DIGITS.test(written)) {
      return place.refuse(`must be a whole number of ${unit}, ${min} or more; got ${place.shown}`);
    }
    const value = wholeFrom(written, max);
    if (value === undefined) return place.refuse(`must be at most ${max} ${unit}; got ${place.shown}`);
    return value < min ? place.refuse(`must be a whole number of ${unit}, ${min} or more; got ${place.shown}`) : value;
  };
}

export interface DurationOptions {
  /** Shortest allowed, in milliseconds. Default 1. */
  readonly minMs?: number;
}

/** A duration such as 500ms, 90s, 10m, 1h30m or 2d, in milliseconds; at most LIMITS.durationMsMax. */
export function duration(options: DurationOptions = {}): Reader<number> {
  const { minMs = 1 } = options;
  return (place) => {
    const totalMs = durationOf(place.text ?? "");
    if (totalMs === undefined) {
      const unitless = DIGITS.test(place.text ?? "") ? " without a unit" : "";
      return place.refuse(`must be a duration like 500ms, 90s, 10m or 1h30m; got ${place.shown}${unitless}`);
    }
    if (totalMs > BigInt(LIMITS.durationMsMax)) return place.refuse(`must be at most ten years; got ${place.shown}`);
    if (totalMs < BigInt(minMs)) return place.refuse(`must be at least ${minMs}ms; got ${place.shown}`);
    return Number(totalMs);
  };
}

function unknownSize(place: Place, unit: string | undefined): string {
  const nearest = unit === undefined || unit === "" ? undefined : nearestName(unit, Object.keys(BYTES_BY_UNIT));
  const meant = nearest === undefined ? "" : `; did you mean ${nearest}?`;
  return `must be a whole number of bytes like 1_000_000, 512MiB or 2GiB; got ${place.shown}${meant}`;
}

/** A number of bytes, plain or with a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB). */
export const bytes: Reader<number> = (place) => {
  const written = place.text ?? "";
  const total = bytesOf(written);
  if (total === undefined) return place.refuse(unknownSize(place, /^[0-9_]+ ?([A-Za-z]*)$/.exec(written)?.[1]));
  return total > BigInt(LIMITS.amountMax)
    ? place.refuse(`must be at most ${LIMITS.amountMax} bytes; got ${place.shown}`)
    : Number(total);
};
