#!/usr/bin/env node
/**
 * The way in: `node bootstrap.mjs TASK [arguments]`, which is what every npm script runs. It installs what the lock file names when
 * that is not what is installed, then hands over to the task under the right Node.
 * Plain JavaScript without dependencies: it runs on a fresh clone, with nothing installed, on Node 18 and newer.
 */
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { handOver, handOverToNode, localBin, nodeMajorMin, root } from "./services/cli/hand-over.js";

const tool = (name, ...args) => ({ args: [join(localBin, name), ...args], wholeGroup: true });
const own = (...args) => ({ args });
const verify = (...args) => ({ args: ["test/verify/main.ts", ...args], wholeGroup: true });

/** What may follow the task's name on the command line goes to the program behind it. */
const tasks = {
  start: { ...own("services/cli/main.ts", "start"), withoutDevelopment: true },
  bursar: { ...own("services/cli/main.ts"), withoutDevelopment: true },
  test: tool("vitest", "run"),
  verify: verify(),
  bench: own("test/bench/main.ts"),
  simulate: own("test/simulation/main.ts"),
  "simulate:soak": own("test/simulation/soak.ts"),
  "simulate:mutants": { ...own("test/simulation/mutants/main.ts"), wholeGroup: true },
  crash: own("test/e2e/crash/main.ts"),
  compare: own("test/comparisons/main.ts"),
  scenarios: own("test/scenarios/main.ts"),
  generate: tool("buf", "generate"),
  types: tool("tsc", "-p", "."),
  lint: tool("biome", "ci", "."),
  format: tool("biome", "check", "--write", "."),
  tidy: tool("vitest", "run", "test/tidy"),
  breaking: { args: ["test/verify/breaking.ts"], wholeGroup: true },
};

const say = (line) => process.stderr.write(`${line}\n`);

function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw new Error(`${file} cannot be read: ${error.message}`);
  }
}

/**
 * Why the installed packages are not those of the lock file, or undefined when they are. npm writes node_modules/.package-lock.json as
 * the last act of an installation, so one that was cut off counts as none. Packages for other platforms may be absent.
 */
function whyInstall({ withoutDevelopment }) {
  const wanted = packagesIn("package-lock.json");
  if (wanted === undefined) throw new Error("package-lock.json is missing: restore it from version control");
  const installed = packagesIn(join("node_modules", ".package-lock.json"));
  if (installed === undefined) return "nothing is installed yet";
  for (const [path, { version, integrity, optional, dev, devOptional }] of Object.entries(wanted)) {
    const there = installed[path];
    const mayBeAbsent = path === "" || optional || (withoutDevelopment && (dev || devOptional));
    if (there === undefined ? !mayBeAbsent : there.version !== version || there.integrity !== integrity) {
      return `${path} is not the one in package-lock.json`;
    }
  }
  return Object.keys(installed).some((path) => wanted[path] === undefined)
    ? "the lock file names fewer packages"
    : undefined;
}

/** Runs `npm ci`; its output goes to stderr, because stdout belongs to the task. Resolves to the exit code. */
async function install() {
  // Not with a Node or npm from the folder that is about to be replaced.
  const folders = (process.env.PATH ?? "").split(delimiter);
  const outside = folders.filter((folder) => !folder.endsWith(join("node_modules", ".bin")));
  const env = { ...process.env, PATH: outside.join(delimiter) };
  const args = ["ci", "--include=dev", "--include=optional", "--no-audit", "--no-fund", "--loglevel=error"];
  const code = await handOver("npm", args, { cwd: root, env, stdout: 2, wholeGroup: true });
  if (code === 0 || code > 128) return code;
  say(`bursar: "npm ci" failed with exit code ${code}. What to do:`);
  say(`- a network error above: check the connection and "npm config get registry", then run the same command again;`);
  say(`- "Missing: … from lock file": the lock file and package.json disagree; restore both from version control;`);
  say(`- "cannot run npm" above: install npm (it comes with Node) and put it into PATH.`);
  return code;
}

async function main([name, ...rest]) {
  const task = Object.hasOwn(tasks, name ?? "") ? tasks[name] : undefined;
  if (task === undefined) {
    say(`usage: node bootstrap.mjs TASK [arguments]\ntasks: ${Object.keys(tasks).join(", ")}`);
    return 2;
  }
  const why = whyInstall(task);
  if (why !== undefined) {
    say(`bursar: ${why}; running "npm ci" …`);
    const code = await install();
    if (code !== 0) return code;
    const still = whyInstall(task);
    if (still !== undefined) {
      say(`bursar: "npm ci" ended well, and yet: ${still}. Remove node_modules and run this again.`);
      return 1;
    }
  }
  return handOverToNode([...task.args, ...rest], { cwd: root, wholeGroup: task.wholeGroup === true });
}

if (Number.parseInt(process.versions.node, 10) < 18) {
  say(
    `bursar: this is Node ${process.versions.node}; Node 18 is the oldest that can fetch Node ${nodeMajorMin}. Install a newer one.`,
  );
  process.exitCode = 1;
} else {
  try {
    // npm that is killed outright takes nothing with it: then this ends in good order, and its child with it. (The scripts say `exec`,
    // because a shell between npm and this would keep npm's signals to itself.)
    if (process.env.npm_lifecycle_event !== undefined) await import("./services/cli/leash.js");
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    say(`bursar: ${error.message}`);
    process.exitCode = 1;
  }
}
