// Counts the lines of each folder at the top of the tree. Reads sources.json, writes lines.json.
import { readFileSync } from "node:fs";
import { requireResult, writeResult } from "./work-folder.mjs";

const folders = new Map();
for (const { path } of requireResult("sources.json").files) {
  const folder = path.includes("/") ? path.slice(0, path.indexOf("/")) : ".";
  const count = folders.get(folder) ?? { folder, files: 0, lines: 0, blank: 0 };
  const lines = readFileSync(path, "utf8").split("\n");
  count.files += 1;
  count.lines += lines.length;
  count.blank += lines.filter((line) => line.trim() === "").length;
  folders.set(folder, count);
}
const counts = [...folders.values()].sort((left, right) => right.lines - left.lines);

writeResult("lines.json", { folders: counts });
for (const { folder, files, lines } of counts) process.stdout.write(`${folder}: ${lines} lines in ${files} files\n`);
