import { describe, expect, test } from "vitest";
import { describeState } from "#budget";
import type { Commit, Journal } from "#ports";
import { jsonCodec, numberedCommit, numberedCommits } from "./json-codec.fixture.ts";
import { Ledger, ledgerCommits, realCodec, stateOf } from "./ledger.fixture.ts";
import { MemoryDisk } from "./memory-journal.ts";

/** Appends commits `from … to` and notes each answer by number: "durable" or the reason. */
function appendNumbered(journal: Journal, from: number, to: number, answers: string[] = []): string[] {
  for (let n = from; n <= to; n++) {
    journal.append(numberedCommit(n), (error) =>
      answers.push(`${n} ${error ? Reflect.get(error, "reason") : "durable"}`),
    );
  }
  return answers;
}

describe("MemoryDisk", () => {
  test("by default a commit is durable before append returns, and comes back at the next opening", () => {
    const disk = new MemoryDisk({ journalId: "journal-1" });
    const { journal, commits } = disk.open();
    expect([...commits]).toEqual([]);
    expect(journal.journalId).toBe("journal-1");
    expect(appendNumbered(journal, 1, 2)).toEqual(["1 durable", "2 durable"]);
    journal.close();
    expect([...disk.open().commits]).toEqual(numberedCommits(2));
  });

  test("told to wait, it answers in order when it is told to sync", () => {
    const disk = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
    const { journal } = disk.open();
    const answers = appendNumbered(journal, 1, 3);
    expect(answers).toEqual([]);
    expect(disk.waiting).toBe(3);
    disk.sync(2);
    expect(answers).toEqual(["1 durable", "2 durable"]);
    expect(disk.durable()).toEqual(numberedCommits(2));
    disk.sync();
    expect(answers).toEqual(["1 durable", "2 durable", "3 durable"]);
    expect(disk.waiting).toBe(0);
  });

  test("a commit appended by a `done` waits for the next sync", () => {
    const disk = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
    const { journal } = disk.open();
    const answers: string[] = [];
    journal.append(numberedCommit(1), () => appendNumbered(journal, 2, 2, answers));
    disk.sync();
    expect(disk.waiting).toBe(1);
    expect(answers).toEqual([]);
  });

  test("a crash loses what was not synced, and its `done` is never called", () => {
    const disk = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
    const { journal } = disk.open();
    const answers = appendNumbered(journal, 1, 4);
    disk.sync(1);
    disk.crash();
    const reopened = disk.open();
    expect([...reopened.commits]).toEqual(numberedCommits(1));
    disk.sync();
    expect(answers).toEqual(["1 durable"]);
    expect(() => appendNumbered(journal, 5, 5)).toThrow("died in a crash");
  });

  test("a crash may keep some of what was never acknowledged, always a prefix", () => {
    const disk = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
    const answers = appendNumbered(disk.open().journal, 1, 4);
    disk.crash(3);
    expect([...disk.open().commits]).toEqual(numberedCommits(3));
    expect(answers).toEqual([]);
  });

  test("a failing disk answers all that waits and all that comes, until it is opened again", () => {
    const disk = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
    const { journal } = disk.open();
    const answers = appendNumbered(journal, 1, 3);
    disk.sync(1);
    disk.fail("disk-full", 1);
    appendNumbered(journal, 4, 4, answers);
    expect(answers).toEqual(["1 durable", "2 disk-full", "3 disk-full", "4 stopped"]);
    journal.close();
    expect([...disk.open().commits]).toEqual(numberedCommits(2));
  });

  test("with nothing waiting, the next append fails with the reason and later ones are refused", () => {
    const disk = new MemoryDisk({ journalId: "journal-1" });
    const { journal } = disk.open();
    disk.fail();
    expect(appendNumbered(journal, 1, 2)).toEqual(["1 io-error", "2 stopped"]);
    expect(disk.durable()).toEqual([]);
  });

  test("it has one journal at a time; closing twice is harmless, appending afterwards a fault", () => {
    const disk = new MemoryDisk({ journalId: "journal-1" });
    const first = disk.open().journal;
    expect(() => disk.open()).toThrow(expect.objectContaining({ reason: "in-use" }));
    first.close();
    const second = disk.open().journal;
    first.close();
    expect(() => appendNumbered(first, 1, 1)).toThrow("append to a journal that is closed");
    expect(appendNumbered(second, 1, 1)).toEqual(["1 durable"]);
  });

  test("engine time may not fall", () => {
    const { journal } = new MemoryDisk({ journalId: "journal-1" }).open();
    appendNumbered(journal, 2, 2);
    expect(() => appendNumbered(journal, 1, 1)).toThrow("engine time fell from 20 to 10");
  });

  test("closing syncs what waits", () => {
    const disk = new MemoryDisk({ journalId: "journal-1", syncs: "when-told" });
    const { journal } = disk.open();
    const answers = appendNumbered(journal, 1, 1);
    journal.close();
    expect(answers).toEqual(["1 durable"]);
    expect(disk.durable()).toEqual(numberedCommits(1));
  });

  test("with a codec it keeps bytes, so that a commit changed after its append stays as it was", () => {
    const disk = new MemoryDisk({ journalId: "journal-1", codec: jsonCodec });
    const { journal } = disk.open();
    const commit: { engineTimeMs: number; events: Commit["events"] } = { ...numberedCommit(1) };
    journal.append(commit, () => {});
    commit.engineTimeMs = 77;
    expect(disk.durable()).toEqual(numberedCommits(1));
  });
});

describe("MemoryDisk with true events", () => {
  const COMMITS = 40;

  function disk(syncs: "at-once" | "when-told" = "at-once") {
    return new MemoryDisk({ journalId: "journal-1", codec: realCodec, syncs });
  }

  /** Appends the next commits of the ledger, whatever comes of them. */
  function appendNext(journal: Journal, ledger: Ledger, count: number): void {
    for (let n = 0; n < count; n++) journal.append(ledger.next(), () => {});
  }

  test("a compaction leaves the same state in a snapshot, and commits after it", () => {
    const ledger = new Ledger();
    const memory = disk();
    const { journal } = memory.open();
    appendNext(journal, ledger, COMMITS);
    memory.compact();
    expect(memory.durable()).toEqual([]);
    appendNext(journal, ledger, 3);
    memory.compact();
    appendNext(journal, ledger, 2);
    journal.close();
    const reopened = memory.open();
    expect([...reopened.commits]).toHaveLength(2);
    expect(describeState(stateOf(reopened))).toEqual(describeState(ledger.state));
    expect([...(memory.durableSnapshot() ?? [])].at(-1)).toMatchObject({ type: "end" });
  });

  test("one that was begun leaves the commits that came meanwhile, and waits for nothing that is not synced", () => {
    const ledger = new Ledger();
    const memory = disk("when-told");
    const { journal } = memory.open();
    appendNext(journal, ledger, COMMITS);
    memory.sync(COMMITS - 2);
    const finish = memory.startCompaction();
    memory.sync(1);
    expect(finish()).toBe(true);
    expect(memory.durable()).toHaveLength(1);
    memory.sync();
    memory.crash();
    expect(describeState(stateOf(memory.open()))).toEqual(describeState(ledger.state));
  });

  test("one that a crash overtook, or another, did not happen", () => {
    const ledger = new Ledger();
    const memory = disk();
    appendNext(memory.open().journal, ledger, COMMITS);
    const finish = memory.startCompaction();
    memory.crash();
    expect(finish()).toBe(false);
    const { journal, snapshot, commits } = memory.open();
    expect(snapshot).toBeUndefined();
    expect([...commits]).toHaveLength(COMMITS);
    const [first, second] = [memory.startCompaction(), memory.startCompaction()];
    appendNext(journal, ledger, 1);
    expect([first(), second()]).toEqual([true, false]);
    journal.close();
    expect(describeState(stateOf(memory.open()))).toEqual(describeState(ledger.state));
  });

  test("engine time may not fall below that of the snapshot", () => {
    const memory = disk();
    const { journal } = memory.open();
    appendNext(journal, new Ledger(), COMMITS);
    memory.compact();
    journal.close();
    const reopened = memory.open().journal;
    expect(() => appendNext(reopened, new Ledger(), 1)).toThrow("engine time fell");
  });

  test("a torn commit is not there, those before it are; a whole one is", () => {
    for (const bytes of [0, 1, 20, 1_000_000]) {
      const ledger = new Ledger();
      const memory = disk("when-told");
      appendNext(memory.open().journal, ledger, COMMITS);
      memory.sync(COMMITS - 5);
      memory.tear(bytes);
      const whole = COMMITS - (bytes === 1_000_000 ? 0 : 1);
      expect(memory.durable(), `${bytes} bytes`).toHaveLength(whole);
      const { journal, commits } = memory.open();
      expect([...commits]).toEqual(ledgerCommits(whole));
      const goesOn = new Ledger();
      while (goesOn.count < whole) goesOn.next();
      appendNext(journal, goesOn, 1);
      memory.sync();
      expect(memory.durable()).toEqual(ledgerCommits(whole + 1));
    }
  });

  test("a tear with nothing waiting is a crash", () => {
    const memory = disk("when-told");
    appendNext(memory.open().journal, new Ledger(), 2);
    memory.sync();
    memory.tear(3);
    expect([...memory.open().commits]).toEqual(ledgerCommits(2));
  });

  test("told to fail to be read, it fails so often, and keeps what is on it", () => {
    const memory = disk();
    const { journal } = memory.open();
    appendNext(journal, new Ledger(), 2);
    journal.close();
    memory.readFails(2);
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(() => memory.open()).toThrow(expect.objectContaining({ reason: "io-error" }));
    }
    expect([...memory.open().commits]).toEqual(ledgerCommits(2));
  });
});
