/**
 * For tests: a process of its own on a journal. `node journal-process.fixture.ts MODE PATH [LAST]`
 * - `append`: opens, says `read N`, then appends numbered commits, saying each number once it is durable. After number
 *   LAST (default: never) it waits to be killed; at a failure it says `failed REASON` and ends.
 * - `hold`: opens, says `open`, and keeps the journal until it is killed.
 * - `open-as-stranger`: gives up root, opens, says `open` or `refused REASON`.
 */
import { writeSync } from "node:fs";
import { JournalError } from "./journal-error.ts";
import { jsonCodec, numberedCommit } from "./json-codec.fixture.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";

const [mode, path, last] = process.argv.slice(2);
if (!path) throw new Error("usage: MODE PATH [LAST]");
const say = (line: string) => writeSync(1, `${line}\n`); // at once, so that a kill leaves exactly what was said
const open = () =>
  openSqliteJournal({ path, codec: jsonCodec, tier: "coordination", journalId: "journal-of-a-process" });

if (mode === "append") {
  const { journal, commits } = open();
  let n = 0;
  for (const _ of commits) n++;
  say(`read ${n}`);
  let failure: Error | undefined;
  while (!failure && n !== Number(last)) {
    n++;
    journal.append(numberedCommit(n), (error) => {
      failure = error;
    });
    if (!failure) say(String(n));
  }
  if (failure) say(`failed ${failure instanceof JournalError ? failure.reason : failure.message}`);
  else setInterval(() => journal, 1_000_000);
} else if (mode === "hold") {
  const held = open();
  say("open");
  setInterval(() => held.journal, 1_000_000);
} else {
  if (process.getuid?.() === 0) process.setuid?.(65_534);
  try {
    open().journal.close();
    say("open");
  } catch (error) {
    say(`refused ${error instanceof JournalError ? error.reason : String(error)}`);
  }
}
