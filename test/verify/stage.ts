/** One stage of the verification: an installed tool that runs to its end with its output shown, or a check of our own. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Stage {
  readonly name: string;
  /** True when all is well. What is wrong, and what to do about it, has been printed by then. */
  readonly run: () => boolean;
}

/** The repository's top folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a program from node_modules/.bin in the top folder; true when it exits with 0. */
export function runTool(name: string, args: readonly string[]): boolean {
  // Synchronous: a signal goes to the whole process group (bootstrap.mjs), so the tool ends by itself and this process with it.
  const { status, error } = spawnSync(join(root, "node_modules", ".bin", name), args, { cwd: root, stdio: "inherit" });
  if (error !== undefined) console.error(`${name} could not be run: ${error.message}`);
  return status === 0;
}
