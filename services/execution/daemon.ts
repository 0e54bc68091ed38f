/** The wiring of execution: uplink to process, the executor of steps, and the services on top. */
import { readFileSync } from "node:fs";
import { formatProblems, type PriceTable, readPricesDocument } from "#codec";
import {
  connectTierAbove,
  type DaemonBase,
  type DaemonParts,
  preemptionService,
  SettingsError,
  watchService,
} from "#daemon";
import { executionServices } from "./handlers.ts";
import { LowBudgets } from "./low-budgets.ts";
import { processTreeWarnings } from "./process-tree/index.ts";
import { UnifiedExecutor } from "./unified-executor.ts";

/** Variables of the daemon's own environment that code steps are given; everything else stays out. */
const PASSED_ON = ["PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"];

export async function buildExecution(
  base: DaemonBase,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<DaemonParts> {
  const { settings, log } = base;
  for (const warning of processTreeWarnings()) log.warn({}, warning);
  const traceOf = (id: string) => executor.steps.get(id)?.trace;
  const lowBudgets = new LowBudgets({ base, traceOf });
  const above = connectTierAbove(base, { traceOf, onLowBudget: (id, low) => lowBudgets.tell(id, low) });
  const executor = new UnifiedExecutor({
    base,
    uplink: above.uplink,
    prices: settings.prices === undefined ? undefined : readPrices(settings.prices),
    environment: passedOn(environment),
    address: above.address,
  });
  await executor.recover();
  return {
    services: [...executionServices(base, executor, lowBudgets), preemptionService(base), watchService({ base })],
    beginsWork: [],
    start: (address) => {
      above.start(address);
      executor.served();
    },
    drain: async (graceMs) => {
      await executor.drain(graceMs);
      await above.stop();
    },
  };
}

function readPrices(file: string): PriceTable {
  let text: Uint8Array;
  try {
    text = readFileSync(file);
  } catch (error) {
    throw new SettingsError(`cannot read the price table ${file}: ${error instanceof Error ? error.message : error}`);
  }
  const read = readPricesDocument({ file, text });
  if (!read.ok) throw new SettingsError(formatProblems(read.problems));
  return read.value;
}

function passedOn(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = environment[name];
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}
