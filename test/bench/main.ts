/**
 * `npm run bench`: measures the rows that were asked for, here or here and in another checkout, prints them as a table and writes them as
 * JSON. Exits 0 whatever they say.
 */
import { writeFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { BENCH_USAGE, isAsked, parseBenchArguments } from "../bench-report/arguments.ts";
import { curveTableOf } from "../bench-report/curve-table.ts";
import { type Measured, rowOf } from "../bench-report/row.ts";
import { tableOf } from "../bench-report/table.ts";
import { killAll } from "../e2e/mesh.ts";
import { againstRows } from "./against.ts";
import { BASELINE_ROWS, baselineRows } from "./baselines.ts";
import { CHAIN_ROWS, chainRows } from "./chain.ts";
import { ENGINE_ROWS, ENGINE_STRATEGY_ROWS, engineRows, engineStrategyRows } from "./engine.ts";
import { ENGINE_CURVE_ROWS, engineCurveRows } from "./engine-curve.ts";
import { V8_SETTING } from "./forked.ts";
import { GRANTS_ROWS, grantsRows } from "./grants.ts";
import { METER_ROWS, meterRows } from "./meter.ts";
import { PREEMPT_ROWS, preemptRows } from "./preempt.ts";
import { PREEMPT_STOP_ROWS, preemptStopRows } from "./preempt-stop.ts";
import { RECOVERY_ROWS, recoveryRows } from "./recovery.ts";
import { USAGE_ROWS, usageRows } from "./usage-lag.ts";

/** Rows that are measured together. */
interface Group {
  readonly names: readonly string[];
  readonly measure: () => Promise<Measured[]>;
  /** Takes minutes: measured only when something is asked for whose name begins so. */
  readonly apart?: string;
}

const CURVES_APART = "engine.curve";

const GROUPS: readonly Group[] = [
  { names: BASELINE_ROWS, measure: baselineRows },
  { names: ENGINE_ROWS, measure: engineRows },
  { names: ENGINE_STRATEGY_ROWS, measure: engineStrategyRows },
  { names: ENGINE_CURVE_ROWS, measure: engineCurveRows, apart: CURVES_APART },
  { names: GRANTS_ROWS, measure: grantsRows },
  { names: METER_ROWS, measure: meterRows },
  { names: CHAIN_ROWS, measure: chainRows },
  { names: USAGE_ROWS, measure: usageRows },
  { names: PREEMPT_ROWS, measure: preemptRows },
  { names: PREEMPT_STOP_ROWS, measure: preemptStopRows },
  { names: RECOVERY_ROWS, measure: recoveryRows },
];

async function main(argv: readonly string[]): Promise<void> {
  const { only, json, against, rounds, help } = parseBenchArguments(
    argv,
    GROUPS.flatMap(({ names }) => names),
  );
  if (help) {
    process.stdout.write(BENCH_USAGE);
    return;
  }
  const measured = against === undefined ? await rowsOf(only) : await againstRows({ folder: against, rounds, only });
  const rows = measured.map(rowOf);
  process.stdout.write(`${tableOf(rows)}\n`);
  const curves = curveTableOf(rows, `${CURVES_APART}.`);
  if (curves !== "") process.stdout.write(`\n${curves}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
}

async function rowsOf(only: readonly string[]): Promise<Measured[]> {
  const rows: Measured[] = [];
  for (const { names, measure, apart = "" } of GROUPS) {
    if (apart !== "" && !only.some((asked) => asked.startsWith(apart))) continue;
    const asked = names.filter((name) => isAsked(name, only));
    if (asked.length === 0) continue;
    process.stderr.write(`measuring ${asked.join(", ")} …\n`);
    rows.push(...(await measure()).filter(({ name }) => asked.includes(name)));
  }
  return rows;
}

process.once("exit", killAll);
// By way of exit, so that no daemon and no folder stays behind.
process.once("SIGINT", () => process.exit(130));
process.once("SIGTERM", () => process.exit(143));
setFlagsFromString(V8_SETTING);
try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
