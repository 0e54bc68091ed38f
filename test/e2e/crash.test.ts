/**
 * kill -9 of daemons in the middle of a replay, of all three and of each alone: the journals recover, the replay goes on
 * to its end, and the books are exact: what is spent is what the client saw settled, and nothing is left in flight.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync, watch } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { clientOf } from "./client.ts";
import {
  type Daemon,
  killAll,
  type Mesh,
  ROOT,
  startDaemon,
  startMesh,
  type TierName,
  temporaryFolder,
} from "./mesh.ts";

const TRACE = join(ROOT, "../shared/data/azure-llm-inference-code-2023.csv");
const BRANCHES = 16;
const CALLS = 8_819;
const SETTLES_BEFORE_THE_CRASH = 1_500;
const NOTHING_OPEN = { debt: 0n, reserved: 0n, unconfirmed: 0n, granted: 0n, inDoubt: 0n };

let folder: string;
let remove: () => void;

beforeEach(() => {
  ({ folder, remove } = temporaryFolder());
});

afterEach(() => {
  killAll();
  remove();
});

interface LogLine {
  readonly op: "reserve" | "settle";
  readonly request_id: string;
  readonly credits: number;
}

function readLog(file: string): LogLine[] {
  const lines = readFileSync(file, "utf8").split("\n");
  // The last line may be torn if the client was writing it just now.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as LogLine);
}

/** Resolves when the file has that many lines of the kind. */
function linesIn(file: string, op: LogLine["op"], count: number): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(folder, () => {
      if (!existsSync(file) || readLog(file).filter((line) => line.op === op).length < count) return;
      watcher.close();
      resolve();
    });
  });
}

function replay(address: string, log: string) {
  const files = ["--trace", TRACE, "--prices", "examples/prices.yaml", "--log", log];
  const pace = ["--speed", "max", "--branches", String(BRANCHES), "--limit", "100000000"];
  const child = spawn(process.execPath, ["services/cli/main.ts", "--address", address, "replay", ...files, ...pace], {
    cwd: ROOT,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      said += text;
    });
  }
  return new Promise<{ readonly code: number | null; readonly said: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, said }));
  });
}

/** Starts the daemon again on its journal and at its address. */
function again(mesh: Mesh, tier: TierName): Promise<Daemon> {
  const parents = { coordination: undefined, process: mesh.coordination.address, execution: mesh.process.address };
  const files = {
    coordination: ["--accounts", "examples/accounts.yaml"],
    process: [],
    execution: ["--prices", "examples/prices.yaml"],
  };
  return startDaemon({ tier, folder, listen: mesh[tier].address, parent: parents[tier], arguments: files[tier] });
}

const CASES: readonly (readonly TierName[])[] = [
  ["execution", "process", "coordination"],
  ["execution"],
  ["process"],
  ["coordination"],
];

describe.skipIf(!existsSync(TRACE))("the books are right", () => {
  test.each(CASES.map((tiers) => [tiers]))("after %s was killed", { timeout: 90_000 }, async (tiers) => {
    const mesh = await startMesh({ folder });
    const log = join(folder, "calls.jsonl");
    const ended = replay(mesh.coordination.address, log);
    await linesIn(log, "settle", SETTLES_BEFORE_THE_CRASH);
    await Promise.all(tiers.map((tier) => mesh[tier].end("SIGKILL")));
    for (const tier of [...tiers].reverse()) await again(mesh, tier);
    const { code, said } = await ended;
    expect(said).toContain(`${CALLS.toLocaleString("en-US")} calls made`);
    expect(code).toBe(0);

    const client = clientOf(mesh.coordination.address);
    const { swarm } = await client.coordination.getSwarm({ swarm: "global/research/demo/replay" });
    if (!swarm?.credits) throw new Error("the swarm has no books");
    const { limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent } = swarm.credits;
    const calls = readLog(log);
    const settles = calls.filter(({ op }) => op === "settle");
    expect(new Set(settles.map(({ request_id }) => request_id)).size).toBe(CALLS);
    expect(calls).toHaveLength(2 * CALLS);
    expect(Number(spent)).toBe(settles.reduce((total, { credits }) => total + credits, 0));
    expect({ debt, reserved, unconfirmed, granted, inDoubt }).toEqual(NOTHING_OPEN);
    expect(available).toBe(limit - spent);
    client.connection.close();
  });
});
