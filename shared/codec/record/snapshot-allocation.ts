/** An allocation of a snapshot: SnapshotChunk.Allocation of snapshot.proto. */
import { type AllocationPart, type Book, type HeldBook, NO_WRITE_OFF, type WriteOff } from "#budget";
import { allocationKinds, allocationStates, priorities } from "../enum-names.ts";
import { sides } from "./record-enums.ts";
import {
  readAmount,
  readAmounts,
  readName,
  readPolicy,
  readPooled,
  readShareWish,
  writeAmounts,
  writeName,
  writePolicy,
  writePooled,
  writeShareWish,
} from "./record-parts.ts";
import { writeOffStandings } from "./snapshot-enums.ts";
import type { WireReader } from "./wire-reader.ts";
import type { WireWriter } from "./wire-writer.ts";

const NO_LIST: readonly never[] = Object.freeze([]);

export function writeAllocationPart(to: WireWriter, part: AllocationPart): void {
  to.text(1, part.id);
  to.optionalInt(2, part.parent);
  to.text(3, part.name);
  to.optionalText(4, part.path);
  to.int(5, part.depth);
  writeName(to, 6, allocationKinds, part.kind);
  writeName(to, 7, sides, part.side);
  writeName(to, 8, priorities, part.priority);
  to.int(9, part.weight);
  to.int(10, part.openedAtMs);
  to.optionalInt(11, part.deadlineAtMs);
  to.optionalText(12, part.peer);
  to.optionalText(13, part.token);
  writePooled(to, 14, part.pooled);
  to.int(16, part.priorityBonus);
  to.int(17, part.emergencyReserve);
  writePolicy(to, 18, part.policy);
  writeName(to, 19, allocationStates, part.state);
  to.optionalText(20, part.closingReason);
  to.optionalInt(21, part.closedAtMs);
  writeLease(to, 22, part);
  writeAmounts(to, 23, part.grantedTotal);
  writeAmounts(to, 24, part.returnedTotal);
  writeUsage(to, 25, part);
  writeBooks(to, 26, part);
  writeCounts(to, 27, part.holders);
  to.texts(28, part.effectKeys);
  to.flag(29, part.forgotten);
  writeShareWish(to, 30, part.wish);
}

/** No spreads: they are several times as slow as fields, and there are as many of these as allocations. */
export function readAllocationPart(from: WireReader): AllocationPart {
  const { epoch, leaseTtlMs, leaseEndsAtMs, doubtful } = readLease(from, 22);
  const { usageSequence, corrections, uncorrected, writtenOff, tally, callsPerTool } = readUsage(from, 25);
  const { books, held } = readBooks(from, 26);
  const part: AllocationPart = {
    type: "allocation",
    id: from.text(1),
    parent: from.optionalInt(2),
    name: from.text(3),
    path: from.optionalText(4),
    depth: from.int(5),
    kind: readName(from, 6, allocationKinds),
    side: readName(from, 7, sides),
    priority: readName(from, 8, priorities),
    weight: from.int(9),
    openedAtMs: from.int(10),
    deadlineAtMs: from.optionalInt(11),
    peer: from.optionalText(12),
    token: from.optionalText(13),
    pooled: readPooled(from, 14),
    priorityBonus: readAmount(from, 16),
    emergencyReserve: readAmount(from, 17),
    policy: readPolicy(from, 18),
    state: readName(from, 19, allocationStates),
    closingReason: from.optionalText(20),
    closedAtMs: from.optionalInt(21),
    epoch,
    leaseTtlMs,
    leaseEndsAtMs,
    doubtful,
    grantedTotal: readAmounts(from, 23),
    returnedTotal: readAmounts(from, 24),
    usageSequence,
    corrections,
    writtenOff,
    uncorrected,
    books,
    held,
    tally,
    callsPerTool,
    holders: readCounts(from, 27),
    effectKeys: from.texts(28),
    forgotten: from.flag(29),
  };
  return from.has(30) ? { ...part, ...readShareWish(from, 30) } : part;
}

type Lease = Pick<AllocationPart, "epoch" | "leaseTtlMs" | "leaseEndsAtMs" | "doubtful">;

function writeLease(to: WireWriter, field: number, lease: Lease): void {
  const start = to.open(field);
  to.int(1, lease.epoch);
  to.int(2, lease.leaseTtlMs);
  to.optionalInt(3, lease.leaseEndsAtMs);
  to.flag(4, lease.doubtful);
  to.close(start);
}

function readLease(part: WireReader, field: number): Lease {
  const from = part.message(field, "Lease", 4);
  return {
    epoch: from.int(1),
    leaseTtlMs: from.int(2),
    leaseEndsAtMs: from.optionalInt(3),
    doubtful: from.flag(4),
  };
}

type Usage = Pick<
  AllocationPart,
  "usageSequence" | "corrections" | "uncorrected" | "writtenOff" | "tally" | "callsPerTool"
>;

function writeUsage(to: WireWriter, field: number, usage: Usage): void {
  const { tally } = usage;
  const start = to.open(field);
  to.int(1, usage.usageSequence);
  to.int(2, usage.corrections);
  to.int(3, usage.uncorrected);
  writeWriteOff(to, 4, usage.writtenOff);
  to.int(5, tally.networkBytes);
  to.int(6, tally.diskBytes);
  to.int(7, tally.gpuMs);
  to.int(8, tally.memoryPeakBytes);
  writeCounts(to, 9, usage.callsPerTool);
  to.close(start);
}

function readUsage(part: WireReader, field: number): Usage {
  const from = part.message(field, "Usage", 9);
  const tally = {
    networkBytes: from.int(5),
    diskBytes: from.int(6),
    gpuMs: from.int(7),
    memoryPeakBytes: from.int(8),
  };
  return {
    usageSequence: from.int(1),
    corrections: from.int(2),
    uncorrected: from.int(3),
    writtenOff: readWriteOff(from, 4),
    tally,
    callsPerTool: readCounts(from, 9),
  };
}

function writeWriteOff(to: WireWriter, field: number, { credits, toolCalls, standing }: WriteOff): void {
  if (standing === "none") return;
  const start = to.open(field);
  to.int(1, credits);
  to.int(2, toolCalls);
  writeName(to, 3, writeOffStandings, standing);
  to.close(start);
}

function readWriteOff(usage: WireReader, field: number): WriteOff {
  const from = usage.optionalMessage(field, "WriteOff", 3);
  if (from === undefined) return NO_WRITE_OFF;
  const standing = readName(from, 3, writeOffStandings);
  return { credits: readAmount(from, 1), toolCalls: readAmount(from, 2), standing };
}

type Books = Pick<AllocationPart, "books" | "held">;

function writeBooks(to: WireWriter, field: number, { books, held }: Books): void {
  const start = to.open(field);
  writeBook(to, 1, books.credits);
  writeBook(to, 2, books.toolCalls);
  writeHeldBook(to, 3, held.branches);
  writeHeldBook(to, 4, held.memoryBytes);
  to.close(start);
}

function readBooks(part: WireReader, field: number): Books {
  const from = part.message(field, "Books", 4);
  return {
    books: { credits: readBook(from, 1), toolCalls: readBook(from, 2) },
    held: { branches: readHeldBook(from, 3), memoryBytes: readHeldBook(from, 4) },
  };
}

function writeBook(to: WireWriter, field: number, book: Book): void {
  const start = to.open(field);
  to.flag(1, book.elastic);
  to.int(2, book.limit);
  to.int(3, book.debt);
  to.int(4, book.available);
  to.int(5, book.reserved);
  to.int(6, book.unconfirmed);
  to.int(7, book.granted);
  to.int(8, book.inDoubt);
  to.int(9, book.spent);
  to.int(10, book.overrun);
  to.int(11, book.usage);
  to.close(start);
}

function readBook(books: WireReader, field: number): Book {
  const from = books.message(field, "Book", 11);
  return {
    elastic: from.flag(1),
    limit: readAmount(from, 2),
    debt: readAmount(from, 3),
    available: readAmount(from, 4),
    reserved: readAmount(from, 5),
    unconfirmed: readAmount(from, 6),
    granted: readAmount(from, 7),
    inDoubt: readAmount(from, 8),
    spent: readAmount(from, 9),
    overrun: readAmount(from, 10),
    usage: readAmount(from, 11),
  };
}

function writeHeldBook(to: WireWriter, field: number, book: HeldBook): void {
  const start = to.open(field);
  to.flag(1, book.elastic);
  to.int(2, book.limit);
  to.int(3, book.inUse);
  to.int(4, book.peak);
  to.close(start);
}

function readHeldBook(books: WireReader, field: number): HeldBook {
  const from = books.message(field, "HeldBook", 4);
  return {
    elastic: from.flag(1),
    limit: readAmount(from, 2),
    inUse: readAmount(from, 3),
    peak: readAmount(from, 4),
  };
}

type Counts = readonly (readonly [string, number])[];

function writeCounts(to: WireWriter, field: number, counts: Counts): void {
  for (const [name, count] of counts) {
    const start = to.open(field);
    to.text(1, name);
    to.int(2, count);
    to.close(start);
  }
}

function readCounts(from: WireReader, field: number): Counts {
  if (!from.has(field)) return NO_LIST;
  const counts: (readonly [string, number])[] = [];
  from.each(field, "Count", 2, (count) => counts.push([count.text(1), count.int(2)]));
  return counts;
}
