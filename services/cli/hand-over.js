/**
 * Hands this process's work over to another program: its streams, its signals, its exit code.
 * Plain JavaScript, because it runs on whatever Node is there before the right one is.
 *
 * The child gets a session of its own, so signals reach it through here alone. Without that one Ctrl-C arrives up to three
 * times: from the terminal, from npm, which passes on what it gets, and from here; and many programs take a second one for
 * "at once, never mind the state".
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's top folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Programs that `npm ci` installed. */
export const localBin = join(root, "node_modules", ".bin");

/** The first Node release line that runs this repository's TypeScript and has its storage built in. */
export const nodeMajorMin = 26;

const passedOn = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** One press reaches this process from the terminal and from npm within this time; a person's second press comes later. */
const samePressMs = 250;

/** Major version of a Node binary, or 0 when it does not run here (another C library, another processor). */
function majorOf(node) {
  const answer = spawnSync(node, ["--version"], { encoding: "utf8" });
  return answer.status === 0 ? Number.parseInt(answer.stdout.slice(1), 10) : 0;
}

/**
 * The Node to run TypeScript with: the one the lock file pins, else this process's own if it is new enough.
 * Undefined when there is neither; `noNodeMessage` says what to do then.
 */
export function rightNode() {
  const pinned = join(localBin, "node");
  if (existsSync(pinned) && majorOf(pinned) >= nodeMajorMin) return pinned;
  return Number.parseInt(process.versions.node, 10) >= nodeMajorMin ? process.execPath : undefined;
}

export function noNodeMessage() {
  return [
    `bursar needs Node ${nodeMajorMin} or newer; this is Node ${process.versions.node} on ${process.platform}-${process.arch}.`,
    `On Linux with glibc (x64, arm64) "npm ci" brings the right Node along; elsewhere, or if optional packages were left out,`,
    `install Node ${nodeMajorMin}, put it first in PATH and run this again.`,
  ].join("\n");
}

/** The environment for everything run from here: programs and the Node that `npm ci` installed come first. */
export function environment() {
  return { ...process.env, PATH: [localBin, process.env.PATH ?? ""].join(delimiter) };
}

/** Passes signals on to `child`, each press once; returns what ends that. */
function passSignals(child, wholeGroup) {
  const send = (signal, target) => {
    try {
      process.kill(target, signal);
    } catch (error) {
      if (error.code !== "ESRCH") throw error; // it has just ended by itself: nothing left to tell
    }
  };
  const lastAt = new Map();
  const handlers = new Map();
  for (const signal of passedOn) {
    handlers.set(signal, () => {
      const now = performance.now();
      if (now - (lastAt.get(signal) ?? Number.NEGATIVE_INFINITY) < samePressMs) return;
      lastAt.set(signal, now);
      send(signal, wholeGroup ? -child.pid : child.pid);
    });
  }
  // What a terminal sends to its own session only: the child would never learn of a resize or of Ctrl-Z.
  handlers.set("SIGWINCH", () => send("SIGWINCH", child.pid));
  handlers.set("SIGTSTP", () => {
    send("SIGSTOP", -child.pid);
    send("SIGSTOP", process.pid);
  });
  handlers.set("SIGCONT", () => send("SIGCONT", -child.pid));
  for (const [signal, handler] of handlers) process.on(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

/**
 * Runs `command` in this process's place and resolves to its exit code, 128 + n when signal n ended it, 127 when it could not start.
 * Options: `cwd`; `env`; `stdout` ("inherit", or a file descriptor); `wholeGroup`: signals go to all it started (for tools that
 * do not look after their own children), not to it alone.
 */
export function handOver(command, args, options = {}) {
  const { cwd = process.cwd(), env = environment(), stdout = "inherit", wholeGroup = false } = options;
  return new Promise((resolve) => {
    const stdio = ["inherit", stdout, "inherit"];
    const child = spawn(command, args, { cwd, stdio, detached: true, env });
    if (child.pid === undefined) {
      child.once("error", (error) => {
        process.stderr.write(`bursar: cannot run ${command}: ${error.message}\n`);
        resolve(127);
      });
      return;
    }
    const stopPassing = passSignals(child, wholeGroup);
    child.once("exit", (code, signal) => {
      stopPassing();
      resolve(signal === null ? code : 128 + constants.signals[signal]);
    });
  });
}

/** Runs a TypeScript program of this repository under the right Node; resolves to its exit code as `handOver` does. */
export async function handOverToNode(args, options) {
  const node = rightNode();
  if (node === undefined) {
    process.stderr.write(`${noNodeMessage()}\n`);
    return 1;
  }
  // The child has its own session, so nothing else tells it when this process is killed outright: the leash does.
  const leash = new URL("leash.js", import.meta.url).href;
  return handOver(node, ["--import", leash, ...args], options);
}
