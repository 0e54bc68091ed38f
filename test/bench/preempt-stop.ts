/**
 * The row of STOP: a run of code steps side by side that do not hear SIGTERM is stopped with a grace, through the three daemons. Timed from
 * the call of PreemptRun until the last of its processes is gone; the grace is taken off. Beside it: as many such processes killed by hand.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { PreemptionMode } from "#gen/bursar/v1/preemption_service_pb.js";
import { type Connection, connect } from "#rpc";
import { systemClock, systemIds } from "#tier";
import type { Measured } from "../bench-report/row.ts";
import { quantile } from "../bench-report/statistics.ts";
import { startMesh } from "../e2e/mesh.ts";
import { type BenchSwarm, benchFolder, openSwarm, passed } from "./swarm.ts";

const STEPS = 16;
const ROUNDS = 5;
const GRACE_MS = 500;
const LOOK_MS = 1;
const WAIT_MS = 30_000;
const CREDITS_EACH = 1_000_000n;
/** Leaves its pid in the folder it is told, and hears nothing but force. */
const SCRIPT =
  'trap "" TERM; echo $$ > "$PIDS/$NAME.new"; mv "$PIDS/$NAME.new" "$PIDS/$NAME"; while :; do sleep 0.2; done';

export const PREEMPT_STOP_ROWS = ["preempt.stop"];

export async function preemptStopRows(): Promise<Measured[]> {
  const { folder, accounts, remove } = benchFolder();
  const mesh = await startMesh({ folder, accounts });
  const coordination = connect({ address: mesh.coordination.address, clock: systemClock });
  try {
    const swarm = await openSwarm(coordination);
    const [ours, bare]: [number[], number[]] = [[], []];
    while (ours.length < ROUNDS) {
      const pids = pidsFolder(folder, `round-${ours.length}`);
      ours.push(await stopRun({ coordination, swarm, pids }));
      bare.push(await killByHand(pidsFolder(folder, `bare-${bare.length}`)));
    }
    const row = { name: "preempt.stop", unit: "ms", value: quantile(ours, 0.5), baseline: quantile(bare, 0.5) };
    return [row];
  } finally {
    coordination.close();
    await mesh.end();
    remove();
  }
}

function pidsFolder(folder: string, name: string): string {
  const pids = join(folder, name);
  mkdirSync(pids);
  return pids;
}

interface Stopping {
  readonly coordination: Connection;
  readonly swarm: BenchSwarm;
  readonly pids: string;
}

/** Milliseconds beyond the grace. */
async function stopRun({ coordination, swarm, pids }: Stopping): Promise<number> {
  const names = Array.from({ length: STEPS }, (_, index) => `s${index}`);
  const branches = names.map((name) => {
    const code = { command: ["/bin/sh", "-c", SCRIPT], env: { PIDS: pids, NAME: name } };
    const step = { name: "step", limits: { maxCredits: CREDITS_EACH }, work: { case: "code", value: code } } as const;
    return { name, steps: [step] };
  });
  const all = { name: "all", work: { case: "parallel", value: { branches } } } as const;
  const limits = { maxCredits: BigInt(STEPS) * CREDITS_EACH };
  const events = swarm.run({ name: `run-${systemIds.newId()}`, limits, steps: [all] });
  let runId = "";
  const ended = (async () => {
    for await (const { event } of events) if (event.case === "started") runId = event.value.run?.allocationId ?? "";
  })();
  const running = await allBegun(pids);
  while (runId === "") await passed(LOOK_MS);
  const startMs = performance.now();
  const client = coordination.client(CoordinationService);
  const request = { preemptionId: systemIds.newId(), runId, mode: PreemptionMode.STOP, graceMs: GRACE_MS };
  const answered = (async () => {
    for await (const _ of client.preemptRun({ ...request, reason: "bench", waitMs: WAIT_MS }));
  })();
  while (running.some(lives)) await passed(LOOK_MS);
  const tookMs = performance.now() - startMs - GRACE_MS;
  await answered;
  await ended;
  return tookMs;
}

async function killByHand(pids: string): Promise<number> {
  const begin = (name: string): ChildProcess =>
    spawn("/bin/sh", ["-c", SCRIPT], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, PIDS: pids, NAME: name },
    });
  const children = Array.from({ length: STEPS }, (_, index) => begin(`s${index}`));
  const gone = Promise.all(children.map((child) => once(child, "exit")));
  await allBegun(pids);
  const startMs = performance.now();
  for (const { pid } of children) if (pid !== undefined) process.kill(-pid, "SIGKILL");
  await gone;
  return performance.now() - startMs;
}

async function allBegun(pids: string): Promise<readonly number[]> {
  const begun = () => readdirSync(pids).filter((name) => !name.endsWith(".new"));
  while (begun().length < STEPS) await passed(LOOK_MS);
  return begun().map((name) => Number(readFileSync(join(pids, name), "utf8")));
}

function lives(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
