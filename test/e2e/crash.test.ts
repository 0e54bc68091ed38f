/**
 * kill -9 of daemons in the middle of a replay, of all three and of each of the lower two alone: the journals recover, the books balance,
 * and what the client saw acknowledged is spent: acknowledged settles ≤ spent + unconfirmed + in_doubt ≤ acknowledged settles + holds in
 * flight. Without process the replay goes on, and nothing is in flight at its end; without the others its workers are lost, and a person
 * stops what nobody works on any more.
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
const SETTLES_BEFORE_THE_CRASH = 1_500;

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
  child.stdout.resume();
  child.stderr.resume();
  return new Promise<number | null>((resolve) => child.once("close", resolve));
}

/** What the log says was acknowledged, and what may have been in flight beside it. */
function accountOf(log: readonly LogLine[]) {
  const settled = new Map(
    log.filter(({ op }) => op === "settle").map(({ request_id, credits }) => [request_id, credits]),
  );
  const reserved = log.filter(({ op }) => op === "reserve");
  const inFlight = reserved.filter(({ request_id }) => !settled.has(request_id));
  const largest = Math.max(...reserved.map(({ credits }) => credits));
  // Calls whose reserve was durable but not yet acknowledged: at most one for each branch that had none in flight.
  const unseen = (BRANCHES - inFlight.length) * largest;
  const sum = (amounts: Iterable<number>) => [...amounts].reduce((total, credits) => total + credits, 0);
  return { acknowledged: sum(settled.values()), holds: sum(inFlight.map(({ credits }) => credits)) + unseen };
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

const CASES: readonly (readonly TierName[])[] = [["execution", "process", "coordination"], ["execution"], ["process"]];

describe.skipIf(!existsSync(TRACE))("the books are right", () => {
  test.each(CASES.map((tiers) => [tiers]))("after %s was killed", { timeout: 90_000 }, async (tiers) => {
    const mesh = await startMesh({ folder });
    const log = join(folder, "calls.jsonl");
    const ended = replay(mesh.coordination.address, log);
    await linesIn(log, "settle", SETTLES_BEFORE_THE_CRASH);
    await Promise.all(tiers.map((tier) => mesh[tier].end("SIGKILL")));
    for (const tier of [...tiers].reverse()) await again(mesh, tier);
    const code = await ended;
    if (tiers.includes("execution")) expect(code).not.toBe(0);
    else expect(code).toBe(0);

    const client = clientOf(mesh.coordination.address);
    const path = "global/research/demo/replay";
    const swarm = async () => (await client.coordination.getSwarm({ swarm: path })).swarm;
    if (code !== 0) await client.coordination.stopSwarm({ swarm: path, reason: "its workers are gone", waitMs: 1 });
    // Calls in flight count as done once their holds have lapsed.
    await expect.poll(async () => (await swarm())?.credits?.granted, { timeout: 60_000, interval: 200 }).toBe(0n);
    const books = (await swarm())?.credits;
    if (!books) throw new Error("the swarm has no books");
    const { limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent } = books;
    expect(limit + debt).toBe(available + reserved + unconfirmed + granted + inDoubt + spent);
    const { acknowledged, holds: inFlight } = accountOf(readLog(log));
    const holds = code === 0 ? 0 : inFlight;
    expect(acknowledged).toBeGreaterThan(1_000_000);
    const used = Number(spent + unconfirmed + inDoubt);
    expect(used).toBeGreaterThanOrEqual(acknowledged);
    expect(used).toBeLessThanOrEqual(acknowledged + holds);
    client.connection.close();
  });
});
