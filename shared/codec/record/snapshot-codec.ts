/**
 * A snapshot as bytes, in chunks: SnapshotChunk of snapshot.proto. Driven by hand for speed, as commits are; snapshot-codec.test.ts holds it
 * to the generated schema byte for byte. Whatever cannot be read in full is refused with CommitFormatError.
 */
import type { SnapshotPart } from "#budget";
import { assert, LIMITS } from "#std";
import { CommitFormatError } from "./commit-format-error.ts";
import { FIRST_PART_FIELD, PART_KINDS, writePart } from "./snapshot-parts.ts";
import { WireReader } from "./wire-reader.ts";
import { WireWriter } from "./wire-writer.ts";

/** The version that is written, and the latest that can be read; all before it can be read, too. From 2 on what has ended is `remembered`. */
export const SNAPSHOT_FORMAT_VERSION = 2;

/** How many fields a chunk has. */
const CHUNK_FIELDS = FIRST_PART_FIELD + PART_KINDS.length - 1;

/**
 * The bytes of a snapshot in chunks of about LIMITS.snapshotChunkBytes, each at most LIMITS.snapshotChunkBytesMax. Text that is not
 * well-formed has its broken characters replaced.
 */
export function* encodeSnapshot(parts: Iterable<SnapshotPart>): Generator<Uint8Array, void> {
  // Its own: between two chunks others may be written.
  const writer = new WireWriter();
  let number = 1;
  let begun = false;
  for (const part of parts) {
    if (!begun) beginChunk(writer, number);
    begun = true;
    writePart(writer, part);
    if (writer.length < LIMITS.snapshotChunkBytes) continue;
    yield endChunk(writer);
    number += 1;
    begun = false;
  }
  if (begun) yield endChunk(writer);
}

function beginChunk(writer: WireWriter, number: number): void {
  writer.reset();
  writer.int(1, SNAPSHOT_FORMAT_VERSION);
  writer.int(2, number);
}

function endChunk(writer: WireWriter): Uint8Array {
  assert(writer.length <= LIMITS.snapshotChunkBytesMax, "no part of a snapshot is larger than a chunk may be");
  return writer.finish();
}

/**
 * The parts in these chunks, which must be all chunks in their order. Throws CommitFormatError, which names what is not known or where the
 * damage is. Whether the parts fit together is for restoreState.
 */
export function* decodeSnapshot(chunks: Iterable<Uint8Array>): Generator<SnapshotPart, void> {
  let number = 0;
  let ended = false;
  for (const chunk of chunks) {
    number += 1;
    if (ended) throw malformed(number, "it comes after the end of the snapshot");
    for (const part of openChunk(chunk, number).eachFrom(FIRST_PART_FIELD, PART_KINDS)) {
      if (ended) throw malformed(number, "something comes after the end of the snapshot in it");
      ended = part.type === "end";
      yield part;
    }
  }
  if (!ended) throw new CommitFormatError("malformed", `the snapshot ends after chunk ${number}, before its end`);
}

function malformed(number: number, what: string): CommitFormatError {
  return new CommitFormatError("malformed", `chunk ${number} of the snapshot is damaged: ${what}`);
}

/** A chunk of which everything but its parts is proven. */
function openChunk(bytes: Uint8Array, number: number): WireReader {
  const chunk = WireReader.of(bytes).whole("SnapshotChunk", CHUNK_FIELDS);
  const version = chunk.int(1);
  if (version > SNAPSHOT_FORMAT_VERSION) {
    const message = `a snapshot in format ${version}; this release reads formats up to ${SNAPSHOT_FORMAT_VERSION}`;
    throw new CommitFormatError("newer-format", message);
  }
  if (version === 0) throw malformed(number, "it does not say its format: it is no part of a snapshot");
  chunk.refuseUnknown();
  if (chunk.int(2) !== number) throw malformed(number, `it says that it is number ${chunk.int(2)}`);
  return chunk;
}
