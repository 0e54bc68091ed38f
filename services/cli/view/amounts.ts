/** Amounts as people read them. */

const GROUPED = new Intl.NumberFormat("en-US");
const BYTE_UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** 57868362 → "57,868,362". */
export function count(amount: number | bigint): string {
  return GROUPED.format(amount);
}

/** "1 credit", "2 credits". */
export function countOf(amount: number | bigint, noun: string, nouns = `${noun}s`): string {
  return `${count(amount)} ${Number(amount) === 1 ? noun : nouns}`;
}

/** 268435456 → "256 MiB". */
export function bytes(amount: number | bigint): string {
  let [value, unit] = [Number(amount), 0];
  while (value >= 1024 && unit < BYTE_UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : Number(value.toFixed(1))} ${BYTE_UNITS[unit]}`;
}

/** 350 → "350 ms", 2100 → "2.1 s", 95000 → "1 min 35 s", 7200000 → "2 h". */
export function milliseconds(amount: number | bigint): string {
  const ms = Number(amount);
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${Number((ms / 1_000).toFixed(1))} s`;
  const seconds = Math.round(ms / 1_000);
  const [hours, minutes, left] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60];
  const parts = [`${hours} h`, `${minutes} min`, `${left} s`].filter((part) => !part.startsWith("0 "));
  return parts.slice(0, 2).join(" ");
}

/** How much of a limit is used: "0%", "<1%", "42%", "112%"; empty when there is no limit to measure by. */
export function percent(used: number, limit: number | undefined): string {
  if (limit === undefined || limit === 0) return "";
  const share = (used / limit) * 100;
  if (share > 0 && share < 1) return "<1%";
  return `${Math.floor(share)}%`;
}

const BAR_CELLS = 10;

/** A bar of ten cells; anything used shows at least one, and only what is used up fills it. */
export function bar(used: number, limit: number | undefined): string {
  if (limit === undefined || limit === 0) return "";
  const cells = Math.floor((Math.min(used, limit) / limit) * BAR_CELLS);
  const full = used > 0 ? Math.max(1, cells) : 0;
  return `${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)}`;
}
