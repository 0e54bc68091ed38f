/** What a daemon's log may not say: errors of its own, and anything that is not a line of the log. */

const LEVEL_ERROR = 50;
const FAULT_CHARS_MAX = 600;

/** The faults in what one life of a daemon wrote to stderr; the last line may be torn, for it may have been killed there. */
export function faultsIn(log: string): string[] {
  return log.split("\n").flatMap((line, at, lines) => {
    if (line.trim() === "" || at === lines.length - 1) return [];
    return isPlain(line) ? [] : [line.slice(0, FAULT_CHARS_MAX)];
  });
}

function isPlain(line: string): boolean {
  try {
    const { level } = JSON.parse(line) as { readonly level?: unknown };
    return typeof level === "number" && level < LEVEL_ERROR;
  } catch {
    return false;
  }
}
