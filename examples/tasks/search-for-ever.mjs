// The runaway. It looks for a pair of files with the same content hash, finds none, is not content with that, and looks again: the way
// an agent does that was never told when to stop. Only its budget ends it. What it has found so far it keeps in search.json.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { requireResult, writeResult } from "./work-folder.mjs";

const { files } = requireResult("sources.json");

for (let round = 1; ; round += 1) {
  const seen = new Map();
  const pairs = [];
  for (const { path } of files) {
    const hash = createHash("sha256").update(`${round}`).update(readFileSync(path)).digest("hex").slice(0, 8);
    if (seen.has(hash)) pairs.push([seen.get(hash), path]);
    seen.set(hash, path);
  }
  writeResult("search.json", { rounds: round, pairs });
  process.stdout.write(`round ${round}: ${pairs.length} pairs, not good enough, once more\n`);
  await pause(100);
}
