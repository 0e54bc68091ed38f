/** The parts of a snapshot and where each stands in SnapshotChunk of snapshot.proto; those that are small are written and read here. */
import type {
  ClosedChildrenPart,
  DuePart,
  EffectKeysPart,
  EndedPart,
  FinalAccountPart,
  HoldPart,
  NotePart,
  PartType,
  ReclaimPart,
  SnapshotPart,
  WaiterPart,
} from "#budget";
import { PART_TYPES } from "#budget";
import { callKinds, preemptionModes } from "../enum-names.ts";
import { readWish } from "./read-event.ts";
import { readAmount, readAmounts, readName, writeAmounts, writeName } from "./record-parts.ts";
import { readAllocationPart, writeAllocationPart } from "./snapshot-allocation.ts";
import { readEffectPart, writeEffectPart } from "./snapshot-effect.ts";
import { dueNames, holdStates } from "./snapshot-enums.ts";
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
    fields: 4,
    write: (to, part) => {
      to.int(1, part.engineTimeMs);
      to.int(2, part.waiterSequence);
      to.int(3, part.lives);
      to.int(4, part.uncorrected);
    },
    read: (from) => ({
      type: "header",
      engineTimeMs: from.int(1),
      waiterSequence: from.int(2),
      lives: from.int(3),
      uncorrected: from.int(4),
    }),
  },
  allocation: { name: "Allocation", fields: 29, write: writeAllocationPart, read: readAllocationPart },
  hold: { name: "Hold", fields: 12, write: writeHold, read: readHold },
  waiter: { name: "Waiter", fields: 7, write: writeWaiter, read: readWaiter },
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
  reclaim: { name: "Reclaim", fields: 7, write: writeReclaim, read: readReclaim },
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
  effect: { name: "Effect", fields: 12, write: writeEffectPart, read: readEffectPart },
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

/** In the order of their fields. */
export const PART_KINDS: readonly MessageReader<SnapshotPart>[] = PART_TYPES.map((type) => CODECS[type]);

const POSITION = Object.fromEntries(PART_TYPES.map((type, at) => [type, at])) as Readonly<Record<PartType, number>>;

/** Writes `part` as the field of its kind, the first of which is `firstField`. */
export function writePart(to: WireWriter, firstField: number, part: SnapshotPart): void {
  const start = to.open(firstField + POSITION[part.type]);
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
  };
}
