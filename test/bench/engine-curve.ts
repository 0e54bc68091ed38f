/**
 * The curve of the engine: what one decision costs beside 10³ … 10⁶ open siblings of one node, under every strategy, and beside as many
 * requests that wait. One decision is a grant or a close; beside those who wait, a request that is queued or cancelled. Each strategy in a
 * process of its own. `tight`: PROPORTIONAL_SHARING where nothing is free, so that each newcomer's share is given by its siblings.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Measured } from "../bench-report/row.ts";
import { CURVES, type Curve, type CurvePoint } from "./engine-curve-probe.ts";

const SIZES = [1_000, 10_000, 100_000, 1_000_000];
/** To fill a tight node takes a share from others for each. */
const TIGHT_MAX = 100_000;

export const ENGINE_CURVE_ROWS = CURVES.flatMap((curve) => sizesOf(curve).map((size) => nameOf(curve, size)));

function sizesOf(curve: Curve): number[] {
  return SIZES.filter((size) => size <= TIGHT_MAX || !curve.startsWith("tight"));
}

function nameOf(curve: Curve, size: number): string {
  return `engine.curve.${curve}.${size}`;
}
const NODE_FLAGS = ["--max-old-space-size=8192"];

/** A row for each size; its ratio is to the smallest. */
export async function engineCurveRows(): Promise<Measured[]> {
  const rows: Measured[] = [];
  for (const curve of CURVES) {
    const points = await probe(curve);
    const [smallest] = points;
    for (const { size, decisionUs } of points) {
      rows.push({
        name: nameOf(curve, size),
        unit: "µs",
        value: decisionUs,
        ...(smallest && { baseline: smallest.decisionUs }),
      });
    }
  }
  return rows;
}

async function probe(curve: Curve): Promise<CurvePoint[]> {
  const points: CurvePoint[] = [];
  const module = fileURLToPath(new URL("./engine-curve-probe.ts", import.meta.url));
  const child = fork(module, [JSON.stringify({ curve, sizes: sizesOf(curve) })], { execArgv: NODE_FLAGS });
  child.on("message", (point) => points.push(point as CurvePoint));
  await once(child, "exit");
  if (points.length < sizesOf(curve).length) throw new Error(`the process of ${curve} ended before it was measured`);
  return points;
}
