/**
 * Reads the snapshot of a journal back, part by part, and proves each before it is handed out: that it is there, and that its checksum
 * fits into the chain that begins with the journal's id, the generation and the base.
 */
import type { DatabaseSync } from "node:sqlite";
import type { SnapshotPart } from "#budget";
import { decodeSnapshot } from "#codec";
import { LIMITS } from "#std";
import { JournalError } from "./journal-error.ts";
import { partChecksum, snapshotChainStart } from "./row-chain.ts";
import { faultOf, messageOf, type StoredRow } from "./sqlite-recovery.ts";
import type { Marks, SnapshotMark } from "./sqlite-tables.ts";

export interface SnapshotPlace {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly journalId: string;
  readonly base: Marks["base"];
  readonly snapshot: SnapshotMark;
}

const PART = "SELECT checksum, body FROM snapshot_parts WHERE generation = ? AND part = ?";
const PARTS_AFTER = "SELECT count(*) AS more FROM snapshot_parts WHERE generation = ? AND part > ?";

/** Yields the bytes of each part, in order. No statement is open between two of them. Throws JournalError with the part at fault. */
export function* readSnapshotChunks(place: SnapshotPlace): Generator<Uint8Array, void> {
  const { path, database, snapshot } = place;
  const { generation, parts } = snapshot;
  const corrupt = (part: number, what: string, cause?: unknown) =>
    new JournalError("corrupt", { path, part, what: `${what} (generation ${generation})`, cause });
  const select = database.prepare(PART);
  let checksum = snapshotChainStart({ ...place, generation });
  for (let part = 1; part <= parts; part++) {
    let stored: StoredRow | undefined;
    try {
      stored = select.get(generation, part);
    } catch (error) {
      throw corrupt(part, `it cannot be read: ${messageOf(error)}`, error);
    }
    if (stored === undefined) throw corrupt(part, `it is missing; the snapshot has ${parts} parts`);
    const { body } = stored;
    if (!(body instanceof Uint8Array)) throw corrupt(part, `its body is ${typeof body}, not bytes`);
    if (body.byteLength > LIMITS.snapshotChunkBytesMax) {
      throw corrupt(part, `its body has ${body.byteLength} bytes, more than ${LIMITS.snapshotChunkBytesMax}`);
    }
    checksum = partChecksum(checksum, part, body);
    if (stored.checksum !== checksum) {
      const what = `its checksum is ${String(stored.checksum)}, its content and what comes before give ${checksum}`;
      throw corrupt(part, what);
    }
    yield body;
  }
  if (checksum !== snapshot.checksum) {
    throw corrupt(parts, `checksum ${checksum} differs from that of the snapshot as a whole, ${snapshot.checksum}`);
  }
  const more = database.prepare(PARTS_AFTER).get(generation, parts)?.more;
  if (more !== 0) throw corrupt(parts + 1, `it stands after the last part, of which there are ${parts}`);
}

/** Yields what the parts say. Throws JournalError with the part at fault. */
export function* readSnapshot(place: SnapshotPlace): Generator<SnapshotPart, void> {
  const { path } = place;
  let part = 0;
  const counted = function* (): Generator<Uint8Array, void> {
    for (const chunk of readSnapshotChunks(place)) {
      part += 1;
      yield chunk;
    }
  };
  try {
    yield* decodeSnapshot(counted());
  } catch (cause) {
    if (cause instanceof JournalError) throw cause;
    throw new JournalError(faultOf(cause), { path, part, what: `it cannot be decoded: ${messageOf(cause)}`, cause });
  }
}
