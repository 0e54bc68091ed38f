import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isRunning, openRollCall, type RollCall } from "./fixtures/roll-call.ts";
import { processTreeWarnings } from "./guard.ts";

const DAEMON = fileURLToPath(new URL("fixtures/doomed-daemon.ts", import.meta.url));

let roll: RollCall;
let daemon: ChildProcessWithoutNullStreams;

/** A tree whose members have, each in another way, left what they could be found by. */
const stubborn = { ignoresSigterm: true };
const TREE = {
  role: "root",
  ...stubborn,
  children: [
    { role: "child", ...stubborn },
    { role: "strayed", ...stubborn, leavesSession: true },
    { role: "unmarked", ...stubborn, leavesSession: true, clearsEnvironment: true },
    { role: "passing", exitsAtOnce: 0, children: [{ role: "orphan", ...stubborn, leavesSession: true }] },
  ],
};
const ROLES = ["root", "child", "strayed", "unmarked", "orphan", "other root"];

beforeEach(async () => {
  roll = await openRollCall();
  // The second command clears its environment at once: nothing but what the guard was told leads to it.
  const commands = [roll.command(TREE), ["env", "-i", ...roll.command({ role: "other root", ...stubborn })]];
  daemon = spawn(process.execPath, [DAEMON, JSON.stringify(commands)]);
  daemon.stderr.pipe(process.stderr);
  await once(daemon.stdout, "data");
});
afterEach(async () => {
  daemon.kill("SIGKILL");
  await roll.close();
});

function guardsOf(pid: number | undefined): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((each) => Number.isInteger(each) && isGuardOf(each, pid));
}

function isGuardOf(pid: number, parentPid: number | undefined): boolean {
  try {
    const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    return Number(parent) === parentPid && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("guard.sh");
  } catch {
    return false;
  }
}

describe.runIf(process.platform === "linux")("when the daemon dies, its commands die with it", () => {
  it.each<[string, () => void]>([
    ["by kill -9", () => daemon.kill("SIGKILL")],
    ["by exiting with commands still running", () => daemon.stdin.write("\n")],
  ])("%s", async (_how, die) => {
    const members = await Promise.all(ROLES.map((role) => roll.arrived(role)));
    const guards = guardsOf(daemon.pid);
    expect(members.map(({ pid }) => isRunning(pid))).toEqual(ROLES.map(() => true));
    expect(guards).toHaveLength(1);
    const gone = once(daemon, "exit");
    die();
    await gone;
    await Promise.all(members.map(({ left }) => left));
    // Their connections close a moment before they are gone, and the guard has none.
    const pids = [...guards, ...members.map(({ pid }) => pid)];
    while (pids.some(isRunning)) await nextTurn();
  });
});

describe("processTreeWarnings", () => {
  it("has nothing to say on a complete Linux", () => {
    if (process.platform === "linux") expect(processTreeWarnings()).toEqual([]);
    else expect(processTreeWarnings().join()).toMatch(/neither measured nor limited/);
  });
});
