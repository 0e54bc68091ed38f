/** The records on a disk in memory: commits as they are or as bytes with a checksum, so that one that was torn is found. */
import { crc32 } from "node:zlib";
import type { Commit } from "#ports";
import { assert } from "#std";
import type { CommitCodec } from "./commit-codec.ts";
import { JournalError } from "./journal-error.ts";

interface Bytes {
  readonly body: Uint8Array;
  /** Of the body as it was meant to be. */
  readonly checksum: number;
}

export class MemoryRecords {
  readonly #codec: CommitCodec | undefined;
  #records: (Commit | Bytes)[] = [];

  constructor(codec: CommitCodec | undefined) {
    this.#codec = codec;
  }

  /** Puts a commit, or its bytes; of these only the first `keptBytes` (default all) reach the disk. */
  push(commit: Commit | Uint8Array, keptBytes?: number): void {
    if (!(commit instanceof Uint8Array)) this.#records.push(commit);
    else this.#records.push({ body: commit.slice(0, keptBytes), checksum: crc32(commit) });
  }

  /** Forgets the last record when it is torn: it was never acknowledged. */
  dropTorn(): void {
    const last = this.#records.at(-1);
    if (last && "body" in last && crc32(last.body) !== last.checksum) this.#records.pop();
  }

  dropFirst(count: number): void {
    this.#records = this.#records.slice(count);
  }

  /** The commits, oldest first, without a torn last one. Throws JournalError `corrupt` when any other is damaged. */
  read(): Commit[] {
    const commits: Commit[] = [];
    for (const [index, record] of this.#records.entries()) {
      if (!("body" in record)) commits.push(record);
      else if (crc32(record.body) === record.checksum) commits.push(this.#decode(record.body));
      else if (index < this.#records.length - 1) {
        throw new JournalError("corrupt", { path: "(memory)", row: index + 1, what: "it does not fit its checksum" });
      }
    }
    return commits;
  }

  #decode(body: Uint8Array): Commit {
    assert(this.#codec !== undefined, "bytes are only kept when there is a codec");
    return this.#codec.decode(body);
  }
}
