/**
 * For tests: a process of its own on a journal. `node journal-process.fixture.ts MODE PATH [LAST]`
 * - `append`: opens, says `read N`, then appends numbered commits, saying each number once it is durable. After number
 *   LAST (default: never) it waits to be killed; at a failure it says `failed REASON` and ends.
 * - `compact`: opens, says `read N`, then appends the commits of a ledger, saying each number once it is durable, and compacts all the time,
 *   saying `slice` before each slice of it and `compacted` when one is done.
 * - `hold`: opens, says `open`, and keeps the journal until it is killed.
 * - `read-as-stranger`: gives up root, reads offline, says `read N`.
 * - `open-as-stranger`: gives up root, opens, says `open` or `refused REASON`.
 */
import { writeSync } from "node:fs";
import type { Clock } from "#ports";
import { JournalError } from "./journal-error.ts";
import { jsonCodec, numberedCommit } from "./json-codec.fixture.ts";
import { Ledger, realCodec, stateOf } from "./ledger.fixture.ts";
import { openSqliteJournal } from "./sqlite-journal.ts";
import { readSqliteJournal } from "./sqlite-reader.ts";

const [mode, path, last] = process.argv.slice(2);
if (!path) throw new Error("usage: MODE PATH [LAST]");
/** At once, so that a kill leaves exactly what was said; a pipe that is full is waited for. */
function say(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
    }
  }
}
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
} else if (mode === "compact") {
  const clock: Pick<Clock, "after"> = {
    after: (delayMs, action) => {
      const slice = setTimeout(() => {
        say("slice");
        action();
      }, delayMs);
      return () => clearTimeout(slice);
    },
  };
  const whose = { path, tier: "coordination", journalId: "journal-of-a-process" };
  const opened = openSqliteJournal({ ...whose, codec: realCodec, clock });
  const ledger = Ledger.after(stateOf(opened));
  say(`read ${ledger.count}`);
  const append = () => {
    opened.journal.append(ledger.next(), (error) => {
      if (error) throw error;
      say(String(ledger.count));
    });
  };
  const compact = () => {
    for (let n = 0; n < 300; n++) append();
    opened.journal.compact((error) => {
      if (error) throw error;
      say("compacted");
      compact();
    });
  };
  compact();
  setInterval(append, 1);
} else if (mode === "hold") {
  const held = open();
  say("open");
  setInterval(() => held.journal, 1_000_000);
} else if (mode === "read-as-stranger") {
  if (process.getuid?.() === 0) process.setuid?.(65_534);
  const { commits, close } = readSqliteJournal({ path, codec: jsonCodec });
  say(`read ${[...commits].length}`);
  close();
} else {
  if (process.getuid?.() === 0) process.setuid?.(65_534);
  try {
    open().journal.close();
    say("open");
  } catch (error) {
    say(`refused ${error instanceof JournalError ? error.reason : String(error)}`);
  }
}
