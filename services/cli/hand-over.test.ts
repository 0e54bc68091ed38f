import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const HAND_OVER = pathToFileURL(join(import.meta.dirname, "hand-over.js")).href;

/** Tells which signals come in, and when none came for longer than one press lasts. */
const LISTENER = `
  let count = 0;
  const alive = setInterval(() => {}, 1_000);
  process.on("SIGINT", () => {
    count += 1;
    console.log("SIGINT " + count);
    setTimeout(() => console.log("quiet after " + count), 400);
  });
  process.on("SIGHUP", () => process.exit(42));
  process.on("SIGTERM", () => { console.log("SIGTERM"); process.exit(43); });
  console.log("ready");
`;

/** Does nothing about signals, nor does the program it starts. */
const WITH_CHILD = `
  const { spawn } = require("node:child_process");
  process.on("SIGTERM", () => {});
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log('ready')"], { stdio: "inherit" });
  child.on("exit", (code, signal) => { console.log("child ended by " + signal); process.exit(44); });
`;

let folder: string;
const started: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-hand-over-"));
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

/** A launcher that runs `call`, with its output as it comes and a promise of its exit code. */
function launch(call: string) {
  const file = join(folder, "launcher.mjs");
  writeFileSync(file, `import * as to from ${JSON.stringify(HAND_OVER)};\nprocess.exitCode = await ${call};\n`);
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  let output = "";
  const waiting = new Set<() => void>();
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
    for (const look of waiting) look();
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  return {
    child,
    ended: new Promise<number | null>((resolve) => child.once("close", resolve)),
    output: () => output,
    says: (text: string) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (output.includes(text)) resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}

const program = (text: string, name = "program.cjs"): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return JSON.stringify(file);
};

test("one press that arrives twice reaches the child once, a later one again; the exit code is the child's", async () => {
  const { child, ended, output, says } = launch(`to.handOver(process.execPath, [${program(LISTENER)}])`);
  await says("ready");
  child.kill("SIGINT");
  await says("SIGINT 1");
  child.kill("SIGINT");
  await says("quiet after 1");
  child.kill("SIGINT");
  await says("quiet after 2");
  child.kill("SIGHUP");
  expect(await ended).toBe(42);
  expect(output().match(/SIGINT \d/g)).toEqual(["SIGINT 1", "SIGINT 2"]);
});

test("a child ended by a signal gives 128 and the signal's number", async () => {
  const { ended } = launch(`to.handOver(process.execPath, ["-e", "process.kill(process.pid, 'SIGKILL')"])`);
  expect(await ended).toBe(128 + 9);
});

test("a program that does not exist gives 127 and its name", async () => {
  const { ended, output } = launch(`to.handOver("no-such-program", [])`);
  expect(await ended).toBe(127);
  expect(output()).toContain("cannot run no-such-program");
});

test("with wholeGroup a signal also reaches what the child has started", async () => {
  const { child, ended, output, says } = launch(
    `to.handOver(process.execPath, [${program(WITH_CHILD)}], { wholeGroup: true })`,
  );
  await says("ready");
  child.kill("SIGTERM");
  expect(await ended).toBe(44);
  expect(output()).toContain("child ended by SIGTERM");
});

test("when the launcher is killed outright, the program is told to end", async () => {
  const { child, says, ended } = launch(`to.handOverToNode([${program(LISTENER)}])`);
  await says("ready");
  child.kill("SIGKILL");
  await says("SIGTERM");
  await ended;
});

test("programs run with the installed ones first in PATH", async () => {
  const { ended, output } = launch(`to.handOver(process.execPath, ["-p", "process.env.PATH"])`);
  expect(await ended).toBe(0);
  expect(output()).toMatch(/^\S*node_modules\/\.bin:/);
});
