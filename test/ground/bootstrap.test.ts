/** The way in, on a small copy of the repository with a stand-in for npm: what gets installed when, and what runs after. */
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-bootstrap-"));
  for (const path of ["bootstrap.mjs", "services/cli/hand-over.js", "services/cli/leash.js"]) {
    cpSync(join(ROOT, path), join(folder, path), { recursive: true });
  }
  const program = (name: string): string =>
    `console.log(JSON.stringify({ program: "${name}", args: process.argv.slice(2) }));\nprocess.exitCode = 7;\n`;
  write("package.json", `{ "type": "module" }`);
  write("services/cli/main.ts", program("cli"));
  write("test/bench/main.ts", program("bench"));
  write("package-lock.json", lock({ "node_modules/a": { version: "1.0.0", integrity: "x" } }));
  npmThat("mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), text);
}

const lock = (packages: Record<string, object>): string => JSON.stringify({ lockfileVersion: 3, packages });

/** Puts an npm first in PATH that notes its arguments and then does `work`. */
function npmThat(work: string): void {
  write("bin/npm", `#!/bin/sh\necho "$@" >> npm.log\necho "npm at work"\n${work}\n`);
  chmodSync(join(folder, "bin", "npm"), 0o755);
}

function bootstrap(...args: string[]) {
  const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
  return spawnSync(process.execPath, ["bootstrap.mjs", ...args], { cwd: folder, encoding: "utf8", env });
}

function installations(): string[] {
  const log = join(folder, "npm.log");
  return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n") : [];
}

test("on a fresh clone it installs, then hands over with all arguments and the exit code", () => {
  const { status, stdout, stderr } = bootstrap("start", "--report", "file.json");
  expect(JSON.parse(stdout)).toEqual({ program: "cli", args: ["start", "--report", "file.json"] });
  expect(status).toBe(7);
  expect(stderr).toContain("npm at work");
  expect(installations()).toEqual([expect.stringMatching(/^ci .*--include=dev --include=optional/)]);
});

test("when what is installed is what the lock file names, npm is left alone", () => {
  bootstrap("start");
  const { stderr, status } = bootstrap("bench");
  expect([stderr, status]).toEqual(["", 7]);
  expect(installations()).toHaveLength(1);
});

test.each([
  ["another version", { "node_modules/a": { version: "1.0.1", integrity: "x" } }],
  ["other content", { "node_modules/a": { version: "1.0.0", integrity: "y" } }],
  [
    "one package more",
    { "node_modules/a": { version: "1.0.0", integrity: "x" }, "node_modules/b": { version: "1.0.0" } },
  ],
  ["one package fewer", {}],
])("a lock file with %s installs again", (_, packages) => {
  bootstrap("start");
  write("package-lock.json", lock(packages));
  expect(bootstrap("start").status).toBe(7);
  expect(installations()).toHaveLength(2);
});

test("an installation that was cut off is done again", () => {
  write("node_modules/a/package.json", "{}");
  bootstrap("start");
  expect(installations()).toHaveLength(1);
});

test("packages for other platforms may be absent, and those for development when the mesh only runs", () => {
  const packages = {
    "node_modules/other": { version: "1.0.0", optional: true },
    "node_modules/tool": { version: "1.0.0", dev: true },
  };
  write("package-lock.json", lock(packages));
  write("node_modules/.package-lock.json", lock({}));
  expect(bootstrap("start").status).toBe(7);
  expect(installations()).toEqual([]);
  bootstrap("bench");
  expect(installations()).toHaveLength(1);
});

test("a failed installation ends it, with what to do", () => {
  npmThat("exit 3");
  const { status, stdout, stderr } = bootstrap("start");
  expect([status, stdout]).toEqual([3, ""]);
  expect(stderr).toMatch(/"npm ci" failed with exit code 3\. What to do:/);
});

test("an installation that changes nothing is said so, not repeated for ever", () => {
  npmThat("true");
  const { status, stderr } = bootstrap("start");
  expect(status).toBe(1);
  expect(stderr).toContain("Remove node_modules");
  expect(installations()).toHaveLength(1);
});

test("a lock file that cannot be read is named", () => {
  write("package-lock.json", "{");
  const { status, stderr } = bootstrap("start");
  expect(status).toBe(1);
  expect(stderr).toContain("package-lock.json cannot be read");
});

test("an unknown task lists the tasks, which are the npm scripts", () => {
  const { status, stderr } = bootstrap("constructor");
  expect(status).toBe(2);
  const scripts: Record<string, string> = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")).scripts;
  expect(/tasks: (.*)/.exec(stderr)?.[1]?.split(", ")).toEqual(Object.keys(scripts));
  // `exec`: a shell between npm and the bootstrap keeps signals to itself.
  for (const [name, script] of Object.entries(scripts)) expect(script).toBe(`exec node bootstrap.mjs ${name}`);
});
