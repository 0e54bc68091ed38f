/**
 * CPU time of commands that have ended. Once a command has been collected its own figures are gone; the kernel adds them to
 * those of the daemon's collected children. What was added since the last look belongs to the commands that ended since.
 * When several ended in the same turn of the event loop, each gets what was last seen of it and an equal part of the rest.
 */
import type { Clock } from "#ports";
import { readStatFields, readUnits } from "./process-table.ts";

const CHILDREN_USER_TICKS_FIELD = 16;
const CHILDREN_SYSTEM_TICKS_FIELD = 17;

interface Claim {
  readonly lastSeenMs: number;
  readonly settle: (cpuMs: number) => void;
}

let collectedMs: number | undefined;
let claims: Claim[] = [];

function readCollectedMs(): number {
  const fields = readStatFields("self");
  const ticks = Number(fields[CHILDREN_USER_TICKS_FIELD - 3]) + Number(fields[CHILDREN_SYSTEM_TICKS_FIELD - 3]);
  return (ticks * 1000) / readUnits().ticksPerSecond;
}

function settleClaims(): void {
  const ended = claims;
  claims = [];
  const before = collectedMs ?? 0;
  collectedMs = readCollectedMs();
  const lastSeenMs = ended.reduce((sum, claim) => sum + claim.lastSeenMs, 0);
  const restMs = Math.max(0, collectedMs - before - lastSeenMs) / ended.length;
  for (const claim of ended) claim.settle(Math.round(claim.lastSeenMs + restMs));
}

/** To be called before a command begins: what was collected until then is not its own. */
export function beginCpuAccounts(): void {
  if (process.platform === "linux") collectedMs ??= readCollectedMs();
}

/** To be called when a command's root has been collected. Milliseconds of CPU time; off Linux, what was last seen of it. */
export function claimReapedCpu(clock: Clock, lastSeenMs: number): Promise<number> {
  if (process.platform !== "linux") return Promise.resolve(lastSeenMs);
  return new Promise((settle) => {
    claims.push({ lastSeenMs, settle });
    if (claims.length === 1) clock.soon(settleClaims);
  });
}
