// Lists the files worth studying: code and words, without what is installed or generated. Writes sources.json.
import { readdirSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { writeResult } from "./work-folder.mjs";

const KINDS = { ".ts": "code", ".mjs": "code", ".js": "code", ".proto": "code", ".md": "words", ".yaml": "settings" };
const PASSED_OVER = new Set(["node_modules", "gen", "coverage", "dist"]);

const files = [];
const folders = ["."];
for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.startsWith(".") || PASSED_OVER.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) folders.push(path);
    const kind = KINDS[extname(entry.name)];
    if (entry.isFile() && kind !== undefined) files.push({ path, kind, bytes: statSync(path).size });
  }
}
files.sort((left, right) => (left.path < right.path ? -1 : 1));

writeResult("sources.json", { files });
process.stdout.write(`${files.length} files\n`);
