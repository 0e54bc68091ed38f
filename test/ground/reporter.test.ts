/** The last line of a test run, from runs of small test files of its own. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

function lastLineOf(text: string): { readonly last: string | undefined; readonly status: number | null } {
  const folder = mkdtempSync(join(tmpdir(), "bursar-reporter-"));
  try {
    writeFileSync(join(folder, "x.test.js"), text);
    const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
    const reporters = ["--reporter=default", `--reporter=${join(ROOT, "test", "reporter.ts")}`];
    const args = [vitest, "run", "--globals", "--root", folder, ...reporters];
    const { stdout, status } = spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    return { last: stdout.trimEnd().split("\n").at(-1), status };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test.each([
  ["all well", `test("a", () => {}); test("b", () => {});`, "2 passed, 0 failed", 0],
  ["a failure", `test("a", () => {}); test("b", () => { throw new Error("no"); });`, "1 passed, 1 failed", 1],
  ["a test skipped for a reason", `test("a", () => {}); test.skipIf(true)("b", () => {});`, "1 passed, 0 failed", 0],
  ["a file that cannot be loaded", `throw new Error("no");`, "0 passed, 1 failed", 1],
  [
    "an error outside of any test",
    `test("a", () => { setImmediate(() => { throw new Error("no"); }); return new Promise((go) => setImmediate(go)); });`,
    "1 passed, 1 failed",
    1,
  ],
  ["no test at all", "", "0 passed, 1 failed", 1],
])("%s", (_, text, last, status) => {
  expect(lastLineOf(text)).toEqual({ last, status });
});
