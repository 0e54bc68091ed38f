/** Reads the repository's own files, committed or not, as the rules want them. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { SourceFile } from "./source.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Not ours, not written by hand, or made at run time. */
const SKIPPED = new Set(["node_modules", ".git", ".bursar", "shared/gen"]);

/** Code, contracts, words and settings. */
const READ =
  /\.(?:[cm]?[jt]s|json|proto|md|ya?ml|toml|sh|html|css|py|go|rs|java)$|(?:^|\/)(?:Dockerfile|run|\.[\w-]+)$/;

function pathsBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .map((entry) => ({
      entry,
      path: relative(root, join(root, folder, entry.name))
        .split(sep)
        .join("/"),
    }))
    .filter(({ entry, path }) => !SKIPPED.has(entry.name) && !SKIPPED.has(path))
    .flatMap(({ entry, path }) =>
      entry.isDirectory() ? pathsBelow(path) : entry.isFile() && READ.test(path) ? [path] : [],
    )
    .sort();
}

export function repositoryFiles(): SourceFile[] {
  return pathsBelow("").map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}
