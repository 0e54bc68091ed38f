/** Amounts as people write them: grouped digits, durations, bytes. Read digit by digit, so that none is rounded on the way. */

/** A whole number in plain digits, which may be grouped: 1_000_000. */
export const DIGITS = /^(?:0|[1-9][0-9]*(?:_[0-9]+)*)$/;

/** Milliseconds of d, h, m, s and ms: the order of the groups in DURATION. */
const MS_BY_PART = [86_400_000, 3_600_000, 60_000, 1_000, 1] as const;
const DURATION = /^(?:([0-9_]+)d)?(?:([0-9_]+)h)?(?:([0-9_]+)m(?!s))?(?:([0-9_]+)s)?(?:([0-9_]+)ms)?$/;

/** Milliseconds of a duration such as 500ms, 90s, 10m, 1h30m or 2d, whatever they come to; undefined when it is none. */
export function durationOf(written: string): bigint | undefined {
  const parts = DURATION.exec(written)?.slice(1);
  const digits = parts?.filter((part) => part !== undefined) ?? [];
  if (parts === undefined || digits.length === 0 || !digits.every((part) => DIGITS.test(part))) return undefined;
  let totalMs = 0n;
  parts.forEach((part, index) => {
    if (part !== undefined) totalMs += BigInt(part.replaceAll("_", "")) * BigInt(MS_BY_PART[index] ?? 0);
  });
  return totalMs;
}

export const BYTES_BY_UNIT: Readonly<Record<string, number>> = Object.freeze({
  "": 1,
  B: 1,
  kB: 1_000,
  MB: 1_000_000,
  GB: 1_000_000_000,
  TB: 1_000_000_000_000,
  KiB: 1_024,
  MiB: 1_024 ** 2,
  GiB: 1_024 ** 3,
  TiB: 1_024 ** 4,
});

/** A number of bytes, plain or with a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), whatever it comes to; undefined when it is none. */
export function bytesOf(written: string): bigint | undefined {
  const [, digits = "", unit = ""] = /^([0-9_]+) ?([A-Za-z]*)$/.exec(written) ?? [];
  const factor = Object.hasOwn(BYTES_BY_UNIT, unit) ? BYTES_BY_UNIT[unit] : undefined;
  return DIGITS.test(digits) && factor !== undefined ? BigInt(digits.replaceAll("_", "")) * BigInt(factor) : undefined;
}
