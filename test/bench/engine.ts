/** The rows of the engine alone, in a process of its own: how fast it decides, how that grows, and what an open allocation weighs. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { STRATEGIES } from "#budget";
import type { Measured } from "../bench-report/row.ts";
import type { EngineProbeOrder, EngineProbeResult } from "./engine-probe.ts";

export const ENGINE_ROWS = ["engine.decisions", "engine.scaling", "memory.per_allocation"];

const [SMALL, MIDDLE, LARGE] = [1_000, 100_000, 1_000_000];
const NODE_FLAGS = ["--expose-gc", "--max-old-space-size=6144"];

export async function engineRows(): Promise<Measured[]> {
  const results = await probe({ sizes: [SMALL, MIDDLE, LARGE], durationMs: 2_000 });
  const [weighed] = await probe({ sizes: [LARGE], durationMs: 0 });
  if (weighed === undefined) throw new Error("the engine's process ended before its memory was measured");
  const of = (size: number): EngineProbeResult => {
    const found = results.find((result) => result.size === size);
    if (found === undefined) throw new Error(`the engine's process ended before it measured ${size} allocations`);
    return found;
  };
  const [decisions = "", scaling = "", memory = ""] = ENGINE_ROWS;
  const costUs = (size: number): number => 1e6 / of(size).decisionsPerSecond;
  return [
    {
      name: decisions,
      unit: "decisions/s",
      value: of(MIDDLE).decisionsPerSecond,
      bar: { better: "higher", goal: 500_000 },
    },
    { name: scaling, unit: "µs", value: costUs(LARGE), baseline: costUs(SMALL), bar: { better: "lower", goal: 1.5 } },
    { name: memory, unit: "bytes", value: weighed.residentBytesEach, bar: { better: "lower", goal: 1_024 } },
  ];
}

export const ENGINE_STRATEGY_ROWS = STRATEGIES.map((strategy) => `engine.decisions.${strategy}`);

/** How fast it decides under each strategy at 100,000 open allocations, where all of them fit; beside the first. */
export async function engineStrategyRows(): Promise<Measured[]> {
  const rows: Measured[] = [];
  for (const strategy of STRATEGIES) {
    const [found] = await probe({ sizes: [MIDDLE], durationMs: 1_000, strategy });
    if (found === undefined) throw new Error(`the engine's process ended before ${strategy} was measured`);
    const value = found.decisionsPerSecond;
    rows.push({
      name: `engine.decisions.${strategy}`,
      unit: "decisions/s",
      value,
      baseline: rows[0]?.value ?? value,
    });
  }
  return rows;
}

async function probe(order: EngineProbeOrder): Promise<EngineProbeResult[]> {
  const results: EngineProbeResult[] = [];
  const module = fileURLToPath(new URL("./engine-probe.ts", import.meta.url));
  const child = fork(module, [JSON.stringify(order)], { execArgv: NODE_FLAGS });
  child.on("message", (result) => results.push(result as EngineProbeResult));
  await once(child, "exit");
  return results;
}
