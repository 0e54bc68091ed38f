/**
 * The rows of recovery: from the start of a process until its loop takes commands again, on a journal of a million events, and on the same
 * journal once it has been folded into a snapshot. Beside it stands the bare reading of the same file.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Measured } from "../bench-report/row.ts";
import { median } from "../bench-report/statistics.ts";
import type { RecoveryOrder, RecoveryResult } from "./recovery-probe.ts";
import { benchFolder } from "./swarm.ts";

const EVENTS = 1_000_000;
const ROUNDS = 3;

export const RECOVERY_ROWS = ["recovery.full", "recovery.snapshot"];

export async function recoveryRows(): Promise<Measured[]> {
  const { folder, remove } = benchFolder();
  const path = join(folder, "recovery.db");
  const [full = "", snapshot = ""] = RECOVERY_ROWS;
  try {
    await probe({ act: "write", path, events: EVENTS });
    const ofEvents = await row(full, path, 5_000);
    await probe({ act: "compact", path });
    return [ofEvents, await row(snapshot, path, 1_000)];
  } finally {
    remove();
  }
}

async function row(name: string, path: string, goal: number): Promise<Measured> {
  const results: RecoveryResult[] = [];
  while (results.length < ROUNDS) {
    const result = await probe({ act: "open", path });
    if (result !== undefined) results.push(result);
  }
  const value = median(results.map(({ sinceStartMs }) => sinceStartMs));
  const baseline = median(results.map(({ bareReadMs }) => bareReadMs));
  return { name, unit: "ms", value, baseline, bar: { better: "lower", goal, on: "value" } };
}

/** What the process tells, if it has something to tell. */
async function probe(order: RecoveryOrder): Promise<RecoveryResult | undefined> {
  const child = fork(fileURLToPath(new URL("./recovery-probe.ts", import.meta.url)), [JSON.stringify(order)]);
  let result: RecoveryResult | undefined;
  child.once("message", (told) => {
    result = told as RecoveryResult;
  });
  const [code] = await once(child, "exit");
  if (code !== 0)
    throw new Error(`the process that was to ${order.act} the journal ended with ${code}; its stderr says why`);
  return result;
}
