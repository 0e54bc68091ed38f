import { describe, expect, test } from "vitest";
import type { Commit, Journal } from "#ports";
import { jsonCodec, numberedCommit, numberedCommits } from "./json-codec.fixture.ts";
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
