// What the tasks of the research swarm share: the files of this run's work folder, by which steps hand results to each other.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// The execution daemon makes one folder per run and names it here; without it a task runs by hand in the folder it is started in.
const folder = process.env.BURSAR_WORK_DIR ?? ".";

/** Writes a result. The file appears whole or not at all, even if the step is stopped in the middle. */
export function writeResult(name, result) {
  const file = join(folder, name);
  writeFileSync(`${file}.part`, `${JSON.stringify(result, null, 2)}\n`);
  renameSync(`${file}.part`, file);
}

/** Reads the result of an earlier step; undefined when there is none. */
export function readResult(name) {
  try {
    return JSON.parse(readFileSync(join(folder, name), "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The result of a step without which this one has nothing to do. */
export function requireResult(name) {
  const result = readResult(name);
  if (result !== undefined) return result;
  process.stderr.write(`${join(folder, name)} is missing: run the step that writes it first\n`);
  process.exit(1);
}
