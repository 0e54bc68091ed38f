/**
 * When the daemons of a bench have done all that their load has left them: compaction goes on for seconds after it, and a bare thing that
 * is measured beside it would look worse than it is.
 */
import { readFileSync } from "node:fs";
import { passed } from "./swarm.ts";

const LOOK_MS = 200;
/** CPU ticks (10 ms each) of all of them within one look, and how long to wait at most. */
const TICKS_MAX = 1;
const LOOKS_MAX = 50;

/** Resolves when the processes have nothing to do, or have had their time. Without /proc it waits for a second. */
export async function quiet(pids: readonly number[]): Promise<void> {
  let before = ticksOf(pids);
  if (Number.isNaN(before)) return passed(1_000);
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    await passed(LOOK_MS);
    const now = ticksOf(pids);
    if (now - before <= TICKS_MAX) return;
    before = now;
  }
}

/** CPU ticks that they have used in all, user and system; NaN where nobody says. */
function ticksOf(pids: readonly number[]): number {
  try {
    return pids.reduce((sum, pid) => {
      // The name in brackets may have spaces of its own; utime and stime are the 14th and 15th field.
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
      return sum + Number(fields[11]) + Number(fields[12]);
    }, 0);
  } catch {
    return Number.NaN;
  }
}
