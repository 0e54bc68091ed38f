/**
 * The process of the commit baseline: commits one small row after the other for as long as it is asked to, and nothing else. Argument: the
 * folder in which it makes a temporary one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { serveParent } from "./forked.ts";
import { Samples, timesAnswer } from "./samples.ts";

const ROW_BYTES = 100;

const folder = mkdtempSync(join(process.argv[2] ?? "", "bare-commit-"));
const database = new DatabaseSync(join(folder, "bare.db"));
database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
database.exec("CREATE TABLE rows (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)");
const insert = database.prepare("INSERT INTO rows (body) VALUES (?)");
const body = new Uint8Array(ROW_BYTES).fill(7);
const samples = new Samples();

async function commitFor(durationMs: number): Promise<void> {
  const endsAtMs = performance.now() + durationMs;
  for (let nowMs = performance.now(); nowMs < endsAtMs; ) {
    insert.run(body);
    const afterMs = performance.now();
    samples.add(afterMs - nowMs);
    nowMs = afterMs;
  }
}

serveParent({}, timesAnswer(samples, commitFor), () => {
  database.close();
  // The bench has removed the folder around it when it was broken off.
  rmSync(folder, { recursive: true, force: true });
});
