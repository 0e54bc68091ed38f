/**
 * Finds damage in SQLite's write-ahead log that SQLite itself would take for the torn end of the last write.
 *
 * After a crash the newest commits live in the -wal file only. SQLite reads it up to the first frame whose checksum
 * does not fit and forgets the rest: right for a write that a power cut tore, silent loss when a bit flipped in the
 * middle. The two can be told apart, because a transaction starts only after the one before is synced: a
 * torn write is always the last one. So when frames of a *later* transaction follow the broken one, it had been
 * synced (and acknowledged), and the file is damaged.
 *
 * What this cannot tell from a torn write: damage in the last transaction, and in the last frame of the one before it.
 * The format is fixed and published (sqlite.org/fileformat2.html, "The Write-Ahead Log"). `openSqliteJournal` empties the
 * log before the first append, so that it never holds leftovers of an earlier crash.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The log's first word; its lowest bit says in which byte order the checksums were computed. */
const MAGIC = 0x377f0682;

/** The two running sums of SQLite's log checksum. */
interface Sums {
  readonly a: number;
  readonly b: number;
}

/** What the frames have in common, from the log's header. */
interface LogShape {
  readonly littleEndian: boolean;
  readonly pageBytes: number;
  readonly saltA: number;
  readonly saltB: number;
  readonly sums: Sums;
}

export interface WalFindings {
  /** What is damaged; undefined when the log is absent, whole, or torn only at its end. */
  readonly damage: string | undefined;
  /** Whether SQLite would find at least one whole transaction in it. */
  readonly hasCommits: boolean;
}

/**
 * Looks through the log at `walPath`, which may be absent.
 * Reads the file without locking it: an answer counts only while no other process has the database open.
 */
export function inspectWal(walPath: string): WalFindings {
  let file: number;
  try {
    file = openSync(walPath, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return NOTHING_FOUND;
    throw error;
  }
  try {
    return findingsOf(file);
  } finally {
    closeSync(file);
  }
}

const NOTHING_FOUND: WalFindings = Object.freeze({ damage: undefined, hasCommits: false });

function findingsOf(file: number): WalFindings {
  const sizeBytes = fstatSync(file).size;
  if (sizeBytes <= LOG_HEADER_BYTES) return NOTHING_FOUND; // the header is synced before the first frame is written
  const header = Buffer.alloc(LOG_HEADER_BYTES);
  readSync(file, header, 0, LOG_HEADER_BYTES, 0);
  const shape = shapeOf(header);
  if (!shape) {
    const damage = `the header of the -wal file does not fit its checksum, but ${sizeBytes} bytes follow`;
    return { damage, hasCommits: false };
  }
  const frameBytes = FRAME_HEADER_BYTES + shape.pageBytes;
  const frames = Math.floor((sizeBytes - LOG_HEADER_BYTES) / frameBytes);
  const frame = Buffer.alloc(frameBytes);
  let sums = shape.sums;
  let brokenAt: number | undefined;
  let commitSeenAt: number | undefined;
  let hasCommits = false;
  for (let index = 0; index < frames; index++) {
    readSync(file, frame, 0, frameBytes, LOG_HEADER_BYTES + index * frameBytes);
    const ofThisLog = frame.readUInt32BE(8) === shape.saltA && frame.readUInt32BE(12) === shape.saltB;
    const computed = frameSums(frame, shape, sums);
    const fits = ofThisLog && computed.a === frame.readUInt32BE(16) && computed.b === frame.readUInt32BE(20);
    if (brokenAt === undefined && !fits) brokenAt = index;
    else if (brokenAt === undefined) hasCommits ||= frame.readUInt32BE(4) !== 0;
    else if (ofThisLog) {
      if (commitSeenAt !== undefined) {
        const damage = `frame ${brokenAt + 1} of the -wal file does not fit its checksum, but later commits follow it`;
        return { damage, hasCommits };
      }
      if (fits && frame.readUInt32BE(4) !== 0) commitSeenAt = index;
    }
    // After a break the chain goes on from what the frame says of itself; it was right when only its page is damaged.
    sums = fits ? computed : { a: frame.readUInt32BE(16), b: frame.readUInt32BE(20) };
  }
  return { damage: undefined, hasCommits };
}

/** The log's shape, or undefined when the header is not one. */
function shapeOf(header: Buffer): LogShape | undefined {
  const magic = header.readUInt32BE(0);
  if (magic !== MAGIC && magic !== MAGIC + 1) return undefined;
  const littleEndian = magic === MAGIC;
  const sums = addSums({ a: 0, b: 0 }, header, { from: 0, to: 24, littleEndian });
  if (sums.a !== header.readUInt32BE(24) || sums.b !== header.readUInt32BE(28)) return undefined;
  const pageBytes = header.readUInt32BE(8);
  return { littleEndian, pageBytes, saltA: header.readUInt32BE(16), saltB: header.readUInt32BE(20), sums };
}

/** The sums of a frame: its header's first two words and its page, on top of the frame before. */
function frameSums(frame: Buffer, shape: LogShape, before: Sums): Sums {
  const { littleEndian } = shape;
  const ofHeader = addSums(before, frame, { from: 0, to: 8, littleEndian });
  return addSums(ofHeader, frame, { from: FRAME_HEADER_BYTES, to: frame.length, littleEndian });
}

function addSums(sums: Sums, bytes: Buffer, part: { from: number; to: number; littleEndian: boolean }): Sums {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let { a, b } = sums;
  for (let at = part.from; at < part.to; at += 8) {
    a = (a + words.getUint32(at, part.littleEndian) + b) >>> 0;
    b = (b + words.getUint32(at + 4, part.littleEndian) + a) >>> 0;
  }
  return { a, b };
}
