/** The parts of a snapshot and where each stands in SnapshotChunk of snapshot.proto; those that are small are written and read here. */
import type {
  ClosedChildrenPart,
  DuePart,
  EffectKeysPart,
  EndedPart,
  FinalAccountPart,
  HistoryPart,
  HoldPart,
  NotePart,
  PartType,
  ReclaimPart,
  RememberedPart,
  SnapshotPart,
  WaiterPart,
} from "#budget";
import { PART_TYPES } from "#budget";
import { callKinds, preemptionModes } from "../enum-names.ts";
import { readWish } from "./read-wish.ts";
import {
  exhaustedOf,
  forOthersOf,
  graceOf,
  readAccess,
  readAmount,
  readAmounts,
  readGivers,
  readName,
  readParts,
  writeAccess,
  writeAmounts,
  writeGivers,
  writeName,
  writeParts,
} from "./record-parts.ts";
import { readAllocationPart, writeAllocationPart } from "./snapshot-allocation.ts";
import { readEffectPart, writeEffectPart } from "./snapshot-effect.ts";
import { dueNames, holdStates } from "./snapshot-enums.ts";
import { readReservation, writeReservation } from "./snapshot-reservation.ts";
import type { MessageReader, WireReader } from "./wire-reader.ts";
import type { WireWriter } from "./wire-writer.ts";
import { writeWish } from "./write-event.ts";

type PartOf<T extends PartType> = Extract<SnapshotPart, { readonly type: T }>;

interface PartCodec<Part> extends MessageReader<Part> {
  write(to: WireWriter, part: Part): void;
}

const CODECS: { readonly [T in PartType]: PartCodec<PartOf<T>> } = {
  header: {
    name: "Header",
    fields: 5,
    write: (to, part) => {
      to.int(1, part.engineTimeMs);
      to.int(2, part.waiterSequence);
      to.int(3, part.lives);
      to.int(4, part.uncorrected);
      to.optionalText(5, part.bootId);
    },
    read: (from) => ({
      type: "header",
      engineTimeMs: from.int(1),
      waiterSequence: from.int(2),
      lives: from.int(3),
      uncorrected: from.int(4),
      bootId: from.optionalText(5),
    }),
  },
  allocation: { name: "Allocation", fields: 30, write: writeAllocationPart, read: readAllocationPart },
  names: {
    name: "Names",
    fields: 2,
    write: (to, part) => {
      to.int(1, part.allocation);
      writeAccess(to, 2, part.access);
    },
    read: (from) => ({ type: "names", allocation: from.int(1), access: readAccess(from, 2) }),
  },
  hold: { name: "Hold", fields: 12, write: writeHold, read: readHold },
  tranches: {
    name: "CarvedCredits",
    fields: 4,
    write: (to, part) => {
      to.int(1, part.allocation);
      writeParts(to, 2, part.carve);
      writeParts(to, 3, part.left);
      to.optionalInt(4, part.finalStep);
    },
    read: (from) => ({
      type: "tranches",
      allocation: from.int(1),
      carve: readParts(from, 2),
      left: readParts(from, 3),
      finalStep: from.optionalInt(4),
    }),
  },
  make_up: {
    name: "MakeUp",
    fields: 4,
    write: (to, { allocation, of, drawn }) => {
      to.int(1, allocation);
      if ("child" in of) to.optionalInt(2, of.child);
      else to.optionalInt(3, of.hold);
      writeParts(to, 4, drawn);
    },
    read: (from) => ({
      type: "make_up",
      allocation: from.int(1),
      of: from.onlyOf(2, 3) === 2 ? { child: from.int(2) } : { hold: from.int(3) },
      drawn: readParts(from, 4),
    }),
  },
  waiter: { name: "Waiter", fields: 9, write: writeWaiter, read: readWaiter },
  claim: {
    name: "Claim",
    fields: 4,
    write: (to, part) => {
      to.int(1, part.waiter);
      to.int(2, part.round);
      writeGivers(to, 3, part.givers);
      to.int(4, part.lookAtMs);
    },
    read: (from) => ({
      type: "claim",
      waiter: from.int(1),
      round: from.int(2),
      givers: readGivers(from, 3),
      lookAtMs: from.int(4),
    }),
  },
  reservation: { name: "Reservation", fields: 14, write: writeReservation, read: readReservation },
  earmark: {
    name: "Earmark",
    fields: 3,
    write: (to, part) => {
      to.int(1, part.allocation);
      to.text(2, part.key);
      writeAmounts(to, 3, part.amounts);
    },
    read: (from) => ({
      type: "earmark",
      allocation: from.int(1),
      key: from.text(2),
      amounts: readAmounts(from, 3),
    }),
  },
  history: { name: "History", fields: 3, write: writeHistory, read: readHistory },
  ended: { name: "Ended", fields: 5, write: writeEnded, read: readEnded },
  effect_keys: { name: "EffectKeys", fields: 3, write: writeEffectKeys, read: readEffectKeys },
  closed_children: {
    name: "ClosedChildren",
    fields: 2,
    write: (to, part) => {
      to.int(1, part.allocation);
      to.ints(2, part.children);
    },
    read: (from): ClosedChildrenPart => ({
      type: "closed_children",
      allocation: from.int(1),
      children: from.ints(2),
    }),
  },
  reclaim: { name: "Reclaim", fields: 10, write: writeReclaim, read: readReclaim },
  note: {
    name: "Note",
    fields: 3,
    write: (to, part) => {
      to.int(1, part.allocation);
      to.text(2, part.key);
      to.text(3, part.value);
    },
    read: (from): NotePart => ({ type: "note", allocation: from.int(1), key: from.text(2), value: from.text(3) }),
  },
  final_account: {
    name: "FinalAccounts",
    fields: 2,
    write: (to, part) => {
      to.flag(1, part.acknowledged);
      to.ints(2, part.allocations);
    },
    read: (from): FinalAccountPart => ({
      type: "final_account",
      acknowledged: from.flag(1),
      allocations: from.ints(2),
    }),
  },
  effect: { name: "Effect", fields: 14, write: writeEffectPart, read: readEffectPart },
  remembered: {
    name: "Remembered",
    fields: 1,
    write: (to, part) => to.bytes(1, part.bytes),
    read: (from): RememberedPart => ({ type: "remembered", bytes: from.bytes(1) }),
  },
  due: {
    name: "Due",
    fields: 2,
    write: (to, part) => {
      writeName(to, 1, dueNames, part.index);
      to.ints(2, part.items);
    },
    read: (from): DuePart => ({ type: "due", index: readName(from, 1, dueNames), items: from.ints(2) }),
  },
  end: {
    name: "End",
    fields: 1,
    write: (to, part) => to.int(1, part.parts),
    read: (from) => ({ type: "end", parts: from.int(1) }),
  },
};

/** Where each kind stands in SnapshotChunk: a kind that was added later has a later field, wherever its parts come. */
export const PART_FIELDS: { readonly [T in PartType]: number } = {
  header: 3,
  allocation: 4,
  hold: 5,
  waiter: 6,
  ended: 7,
  effect_keys: 8,
  closed_children: 9,
  reclaim: 10,
  note: 11,
  final_account: 12,
  effect: 13,
  due: 14,
  end: 15,
  remembered: 16,
  claim: 17,
  earmark: 18,
  history: 19,
  reservation: 20,
  names: 21,
  tranches: 22,
  make_up: 23,
};

/** The first of these fields, and what reads each of them from it on. */
export const FIRST_PART_FIELD = PART_FIELDS.header;
export const PART_KINDS: readonly MessageReader<SnapshotPart>[] = PART_TYPES.toSorted(
  (a, b) => PART_FIELDS[a] - PART_FIELDS[b],
).map((type) => CODECS[type]);

/** Writes `part` as the field of its kind. */
export function writePart(to: WireWriter, part: SnapshotPart): void {
  const start = to.open(PART_FIELDS[part.type]);
  // The table has a codec for each type; that it fits this part's type is more than the checker can follow.
  (CODECS[part.type] as PartCodec<SnapshotPart>).write(to, part);
  to.close(start);
}

function writeHold(to: WireWriter, part: HoldPart): void {
  to.text(1, part.id);
  to.int(2, part.allocation);
  writeName(to, 3, callKinds, part.what);
  to.text(4, part.name);
  writeAmounts(to, 5, part.amounts);
  to.flag(6, part.clamped);
  writeName(to, 7, holdStates, part.state);
  to.int(8, part.expiresAtMs);
  to.optionalText(9, part.requestId);
  to.optionalText(10, part.effectKey);
  to.int(11, part.charged.credits);
  to.int(12, part.charged.toolCalls);
}

function readHold(from: WireReader): HoldPart {
  from.onlyOf(9, 10);
  return {
    type: "hold",
    id: from.text(1),
    allocation: from.int(2),
    what: readName(from, 3, callKinds),
    name: from.text(4),
    clamped: from.flag(6),
    state: readName(from, 7, holdStates),
    expiresAtMs: from.int(8),
    requestId: from.optionalText(9),
    effectKey: from.optionalText(10),
    charged: { credits: readAmount(from, 11), toolCalls: readAmount(from, 12) },
    amounts: readAmounts(from, 5),
  };
}

function writeWaiter(to: WireWriter, part: WaiterPart): void {
  to.int(1, part.parent);
  to.text(2, part.effectKey);
  to.int(3, part.fingerprint);
  to.int(4, part.untilMs);
  writeWish(to, part.request);
  to.int(7, part.sequence);
  to.int(8, part.arrivedAtMs);
  to.optionalInt(9, part.deadlineAtMs);
}

function readWaiter(from: WireReader): WaiterPart {
  from.onlyOf(5, 6);
  return {
    type: "waiter",
    parent: from.int(1),
    effectKey: from.text(2),
    fingerprint: from.int(3),
    untilMs: from.int(4),
    request: readWish(from),
    sequence: from.int(7),
    arrivedAtMs: from.int(8),
    deadlineAtMs: from.optionalInt(9),
  };
}

function writeHistory(to: WireWriter, part: HistoryPart): void {
  to.text(1, part.allocationId);
  to.optionalInt(2, part.arrivedAtMs);
  to.optionalInt(3, part.preemptedAtMs);
}

function readHistory(from: WireReader): HistoryPart {
  return {
    type: "history",
    allocationId: from.text(1),
    ...(from.has(2) && { arrivedAtMs: from.int(2) }),
    ...(from.has(3) && { preemptedAtMs: from.int(3) }),
  };
}

function writeEnded(to: WireWriter, part: EndedPart): void {
  to.int(1, part.forgetAtMs);
  to.optionalInt(2, part.hold);
  to.optionalInt(3, part.allocation);
  to.optionalText(4, part.id);
  to.texts(5, part.effectKeys);
}

function readEnded(from: WireReader): EndedPart {
  from.onlyOf(2, 4);
  return {
    type: "ended",
    forgetAtMs: from.int(1),
    hold: from.optionalInt(2),
    allocation: from.optionalInt(3),
    id: from.optionalText(4),
    effectKeys: from.texts(5),
  };
}

function writeEffectKeys(to: WireWriter, { of, keys }: EffectKeysPart): void {
  if ("allocation" in of) to.optionalInt(1, of.allocation);
  else to.optionalInt(2, of.ended);
  to.texts(3, keys);
}

function readEffectKeys(from: WireReader): EffectKeysPart {
  const of = from.onlyOf(1, 2) === 1 ? { allocation: from.int(1) } : { ended: from.int(2) };
  return { type: "effect_keys", of, keys: from.texts(3) };
}

function writeReclaim(to: WireWriter, part: ReclaimPart): void {
  to.int(1, part.allocation);
  to.flag(2, part.ended);
  to.text(3, part.preemptionId);
  writeName(to, 4, preemptionModes, part.mode);
  to.text(5, part.reason);
  writeAmounts(to, 6, part.wanted);
  writeAmounts(to, 7, part.reclaimed);
  to.optionalInt(8, part.graceMs);
  to.flag(9, part.forOthers === true);
  to.flag(10, part.exhausted === true);
}

function readReclaim(from: WireReader): ReclaimPart {
  return {
    type: "reclaim",
    allocation: from.int(1),
    ended: from.flag(2),
    preemptionId: from.text(3),
    mode: readName(from, 4, preemptionModes),
    reason: from.text(5),
    wanted: readAmounts(from, 6),
    reclaimed: readAmounts(from, 7),
    ...graceOf(from.optionalInt(8)),
    ...forOthersOf(from.flag(9)),
    ...exhaustedOf(from.flag(10)),
  };
}
