/** The row of the chain: from a client's RunRoutine through the three daemons to the answer of the first reserve. */
import { connect } from "#rpc";
import { systemClock } from "#tier";
import type { Measured } from "../bench-report/row.ts";
import { median } from "../bench-report/statistics.ts";
import { startMesh } from "../e2e/mesh.ts";
import { startChainBaseline } from "./baseline-chain.ts";
import { startHopsBaseline } from "./baseline-hops.ts";
import { attach, complete, MeterPlayer, reserve, settle } from "./meter-player.ts";
import { type BenchSwarm, benchFolder, openSwarm } from "./swarm.ts";
import { startWorker } from "./workers.ts";

const ROUNDS = 5;
const CALLS_PER_ROUND = 200;
const RUNS_PER_ROUND = 40;
/** Runs before the first that counts, some at a time: a daemon that has just been started is slow, the bar is on one that works. */
const WARM_UP_RUNS = 60;
const WARM_UP_PLAYERS = 16;

/** The second only informs: what the same messages and commits take with nothing of ours around them. */
export const CHAIN_ROWS = ["chain.over_hops", "chain.bare"];

export async function chainRows(): Promise<Measured[]> {
  const { folder, accounts, remove } = benchFolder();
  const mesh = await startMesh({ folder, accounts });
  const coordination = connect({ address: mesh.coordination.address, clock: systemClock });
  const execution = connect({ address: mesh.execution.address, clock: systemClock });
  const hops = await startHopsBaseline();
  const bare = await startChainBaseline(folder);
  const seen = { hopsMs: [] as number[], chainMs: [] as number[], bareMs: [] as number[] };
  try {
    const swarm = await openSwarm(coordination);
    const players = Array.from({ length: WARM_UP_PLAYERS }, () => new MeterPlayer(execution));
    await Promise.all(players.map((player) => times(WARM_UP_RUNS, () => chainMs(swarm, player))));
    await times(CALLS_PER_ROUND, hops.callMs);
    await times(CALLS_PER_ROUND, bare.chainMs);
    const [player = new MeterPlayer(execution)] = players;
    for (let round = 0; round < ROUNDS; round += 1) {
      seen.hopsMs.push(median(await times(CALLS_PER_ROUND, hops.callMs)));
      seen.chainMs.push(median(await times(RUNS_PER_ROUND, () => chainMs(swarm, player))));
      seen.bareMs.push(median(await times(RUNS_PER_ROUND, bare.chainMs)));
    }
  } finally {
    coordination.close();
    execution.close();
    await hops.close();
    await bare.close();
    await mesh.end();
    remove();
  }
  const baseline = median(seen.hopsMs);
  const [name = "", bareName = ""] = CHAIN_ROWS;
  return [
    { name, unit: "ms", value: median(seen.chainMs), baseline, bar: { better: "lower", goal: 2, floor: 3 } },
    { name: bareName, unit: "ms", value: median(seen.bareMs), baseline },
  ];
}

async function times(count: number, measure: () => Promise<number>): Promise<number[]> {
  const results: number[] = [];
  while (results.length < count) results.push(await measure());
  return results;
}

/** One run of one worker step: until the first hold is there, in milliseconds. Resolves when the run has ended. */
async function chainMs(swarm: BenchSwarm, player: MeterPlayer): Promise<number> {
  const startMs = performance.now();
  const { workers, ended } = await startWorker(swarm);
  const [worker] = workers;
  if (worker === undefined) throw new Error("the run asked for no worker");
  const { allocationId } = worker;
  const { promise: held, resolve } = Promise.withResolvers<string>();
  player.onAnswers((answers) => {
    for (const { result } of answers) if (result.case === "held") resolve(result.value.holdId);
  });
  player.send([attach(worker), reserve(allocationId)]);
  const holdId = await held;
  const tookMs = performance.now() - startMs;
  await player.sendAndWait([settle(allocationId, holdId), complete(worker)]);
  await ended;
  return tookMs;
}
