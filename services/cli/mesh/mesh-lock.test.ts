import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../testing/test-session.ts";
import { lockState } from "./mesh-lock.ts";

test("a state folder is locked once, and free again after", () => {
  const state = temporaryFolder();
  const lock = lockState(state);
  expect(lock).toBeDefined();
  expect(lockState(state)).toBeUndefined();
  lock?.release();
  const again = lockState(state);
  expect(again).toBeDefined();
  again?.release();
});

test("a process that is killed leaves no lock behind", async () => {
  const state = temporaryFolder();
  const lockFile = join(import.meta.dirname, "mesh-lock.ts");
  const program = `
    const { lockState } = await import(${JSON.stringify(lockFile)});
    globalThis.lock = lockState(${JSON.stringify(state)});
    process.stdout.write("locked");
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  expect(lockState(state)).toBeUndefined();
  child.kill("SIGKILL");
  await once(child, "exit");
  const lock = lockState(state);
  expect(lock).toBeDefined();
  lock?.release();
});

test("a folder that takes no lock is a clear failure", () => {
  expect(() => lockState(join(temporaryFolder(), "gone"))).toThrow(/cannot lock .*mesh\.lock/);
});
