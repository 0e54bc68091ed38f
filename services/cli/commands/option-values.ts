/** Reads the values of options. What cannot be used is refused with what would do. */
import { InvalidArgumentError } from "commander";
import { bytesOf, durationOf, LIMITS } from "#std";

/** A whole number within a range; `_` and `,` may group its digits: 28_934_181. */
export function wholeNumber({ min, max }: { readonly min: number; readonly max: number }): (text: string) => number {
  return (text) => {
    const value = /^\d+(?:[_,]\d+)*$/.test(text) ? Number(text.replace(/[_,]/g, "")) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** A duration such as 90s, 10m or 1h30m, in milliseconds. */
export function duration(text: string): number {
  const ms = durationOf(text);
  if (ms !== undefined && ms >= 1n && ms <= BigInt(LIMITS.durationMsMax)) return Number(ms);
  throw new InvalidArgumentError("It must be a duration like 500ms, 90s, 10m or 1h30m, at most ten years.");
}

/** A number of bytes, plain or with a unit such as MiB. */
export function bytes(text: string): number {
  const total = bytesOf(text);
  if (total !== undefined && total <= BigInt(LIMITS.amountMax)) return Number(total);
  throw new InvalidArgumentError("It must be a whole number of bytes like 1_000_000, 512MiB or 2GiB.");
}

export const credits = wholeNumber({ min: 1, max: LIMITS.amountMax });

/** "max", or how many times faster: 1, 60, 0.5. */
export function speed(text: string): number | "max" {
  if (text === "max") return "max";
  const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0) return value;
  throw new InvalidArgumentError('It must be a number above 0 (1 = as it was, 60 = a minute in a second), or "max".');
}

const PORT_MAX = 65_535;

/** `host:port`; an IPv6 host in brackets. */
export function address(text: string): string {
  const port = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(text)?.[1];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= PORT_MAX) return text;
  throw new InvalidArgumentError("It must be HOST:PORT, for example 127.0.0.1:7410.");
}

/** One of a few names, in any case of its letters. */
export function choice<Name extends string>(known: readonly Name[]): (text: string) => Name {
  return (text) => {
    const found = known.find((name) => name === text.toUpperCase());
    if (found !== undefined) return found;
    throw new InvalidArgumentError(`It must be one of ${known.join(", ")}.`);
  };
}

/** Names that are given one by one. */
export function names(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, notEmpty(text)];
}

/** A text that is not empty. */
export function notEmpty(text: string): string {
  if (text.trim() !== "") return text;
  throw new InvalidArgumentError("It must not be empty.");
}
