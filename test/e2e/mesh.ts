/** Real daemons for tests: three processes on free ports of 127.0.0.1, their journals in a folder of their own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

export const ROOT = resolve(import.meta.dirname, "../..");

export type TierName = "coordination" | "process" | "execution";

export interface DaemonOptions {
  readonly tier: TierName;
  readonly folder: string;
  /** host:port; default a free port. */
  readonly listen?: string;
  readonly parent?: string | undefined;
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Told the process id at once, while the daemon is still starting. */
  readonly onSpawned?: (pid: number) => void;
}

export interface Daemon {
  readonly tier: TierName;
  readonly address: string;
  readonly instance: string;
  readonly pid: number;
  /** Everything it wrote to stderr so far. */
  readonly log: () => string;
  /** Sends the signal and waits for the end; answers the exit code, null when a signal ended it. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  readonly exited: Promise<number | null>;
}

/** Started processes that still run; ended after each test file whatever happens. */
const running = new Set<ChildProcess>();

/** Kills what a test left running. */
export function killAll(): void {
  for (const child of running) child.kill("SIGKILL");
}

/** Starts one daemon and waits until it serves. Rejects with its log when it ends before. */
export function startDaemon(options: DaemonOptions): Promise<Daemon> {
  const { tier, folder, listen = "127.0.0.1:0", parent, environment = {} } = options;
  const journal = join(folder, `${tier}.db`);
  const parentArguments = parent === undefined ? [] : ["--parent", parent];
  const args = [
    `services/${tier}/main.ts`,
    "--listen",
    listen,
    "--journal",
    journal,
    ...parentArguments,
    ...(options.arguments ?? []),
  ];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  if (child.pid !== undefined) options.onSpawned?.(child.pid);
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  const exited = new Promise<number | null>((done) => {
    child.once("close", (code) => {
      running.delete(child);
      done(code);
    });
  });
  return new Promise((done, fail) => {
    void exited.then((code) => fail(new Error(`${tier} ended with ${code} before it served:\n${log}`)));
    createInterface({ input: child.stdout }).once("line", (line) => {
      const { address, instance, pid } = JSON.parse(line) as { address: string; instance: string; pid: number };
      const end = (signal: NodeJS.Signals = "SIGTERM") => {
        child.kill(signal);
        return exited;
      };
      done({ tier, address, instance, pid, log: () => log, end, exited });
    });
  });
}

export interface Mesh {
  readonly folder: string;
  readonly coordination: Daemon;
  readonly process: Daemon;
  readonly execution: Daemon;
  /** Ends all three with SIGTERM; answers their exit codes. */
  end(): Promise<readonly (number | null)[]>;
}

export interface MeshOptions {
  readonly folder: string;
  readonly accounts?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Addresses of an earlier mesh in the same folder, to be served again. */
  readonly again?: Pick<Mesh, "coordination" | "process" | "execution">;
}

/** A folder for one test's journals, removed by the returned function. */
export function temporaryFolder(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "bursar-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The files that a daemon of this tier works with. */
export function argumentsOf(tier: TierName, accounts: string): readonly string[] {
  if (tier === "coordination") return ["--accounts", accounts];
  return tier === "execution" ? ["--prices", "examples/prices.yaml"] : [];
}

/** Starts the three daemons, each dialling the one above. */
export async function startMesh(options: MeshOptions): Promise<Mesh> {
  const { folder, accounts = "examples/accounts.yaml", environment = {}, again } = options;
  const start = (tier: TierName, parent?: Daemon) =>
    startDaemon({
      ...{ tier, folder, environment, parent: parent?.address, arguments: argumentsOf(tier, accounts) },
      ...(again && { listen: again[tier].address }),
    });
  const coordination = await start("coordination");
  const process = await start("process", coordination);
  const execution = await start("execution", process);
  const end = () => Promise.all([execution.end(), process.end(), coordination.end()]);
  return { folder, coordination, process, execution, end };
}
