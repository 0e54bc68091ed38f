/** Generates the stubs into a temporary folder and compares them with shared/gen: what is committed is what `proto/` says. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { root, runTool } from "./stage.ts";

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

/** Names of files that differ between two folders, or are in one of them only; sorted. */
export function differences(left: string, right: string): string[] {
  const names = new Set([...filesBelow(left), ...filesBelow(right)]);
  const same = (name: string): boolean => {
    const [a, b] = [join(left, name), join(right, name)];
    return existsSync(a) && existsSync(b) && readFileSync(a).equals(readFileSync(b));
  };
  return [...names].filter((name) => !same(name)).sort();
}

export function generatedIsCurrent(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "bursar-generated-"));
  try {
    if (!runTool("buf", ["generate", "--output", folder])) return false;
    const differing = differences(join(root, "shared", "gen"), join(folder, "shared", "gen"));
    if (differing.length === 0) return true;
    console.error(`shared/gen is not what proto/ generates: run "npm run generate" and commit the result.`);
    for (const name of differing) console.error(`  shared/gen/${name}`);
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
