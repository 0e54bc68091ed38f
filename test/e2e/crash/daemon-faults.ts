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

/**
 * Whether Node aborted the process by a defect of its own HTTP/2 (nodejs/node#38964: an assertion about memory when a connection is reset,
 * seen in 26.10 right after SIGCONT). For the books that is one more kill; it is counted and told, not passed over.
 */
export function isAbortOfNode(log: string): boolean {
  return log.includes("Http2Session::CheckAllocatedSize");
}

function isPlain(line: string): boolean {
  try {
    const { level } = JSON.parse(line) as { readonly level?: unknown };
    return typeof level === "number" && level < LEVEL_ERROR;
  } catch {
    return false;
  }
}
