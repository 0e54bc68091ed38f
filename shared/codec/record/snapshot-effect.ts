/** A kept answer of a snapshot: SnapshotChunk.Effect of snapshot.proto. */
import type { AnswerEffect, CallEffect, EffectPart, OpeningEffect, RaisingEffect } from "#budget";
import { assert } from "#std";
import { allocationKinds, priorities } from "../enum-names.ts";
import {
  readAmounts,
  readLimits,
  readName,
  readPolicy,
  readPooled,
  writeAmounts,
  writeLimits,
  writeName,
  writePolicy,
  writePooled,
} from "./record-parts.ts";
import type { WireReader } from "./wire-reader.ts";
import type { WireWriter } from "./wire-writer.ts";

/** Fields of Effect. */
const CALL = 5;
const OPENING = 6;
const RAISING = 7;
const WAITING = 8;
const ANSWERS = { opened: 9, raised: 10, held: 11, written_off: 12, updated: 13, reserved_ahead: 14 } as const;

type Answer = AnswerEffect["answer"];
type AnswerOf<T extends Answer["type"]> = Extract<Answer, { readonly type: T }>;

export function writeEffectPart(to: WireWriter, part: EffectPart): void {
  if (part.kind === "waiting") {
    to.optionalInt(WAITING, part.waiter);
    return;
  }
  to.int(1, part.fingerprint);
  if (part.kind === "call") {
    to.optionalInt(4, part.expiresAtMs);
    to.optionalInt(CALL, part.hold);
    return;
  }
  if (typeof part.key === "string") to.optionalText(2, part.key);
  else to.optionalInt(3, part.key);
  if (part.kind === "opening") writeOpening(to, part);
  else if (part.kind === "raising") writeRaising(to, part);
  else writeAnswer(to, part.answer);
}

export function readEffectPart(from: WireReader): EffectPart {
  const kind = from.onlyFieldFrom(CALL);
  switch (kind) {
    case CALL:
      return readCall(from);
    case OPENING:
      return readOpening(from);
    case RAISING:
      return readRaising(from);
    case WAITING:
      return { type: "effect", kind: "waiting", waiter: from.int(WAITING) };
    default: {
      from.onlyOf(2, 2);
      const said = { type: "effect", kind: "answer", key: from.text(2), fingerprint: from.int(1) } as const;
      return { ...said, answer: readAnswer(from, kind) };
    }
  }
}

function readCall(from: WireReader): CallEffect {
  const expiresAtMs = from.optionalInt(4);
  return { type: "effect", kind: "call", fingerprint: from.int(1), hold: from.int(CALL), expiresAtMs };
}

function readKey(from: WireReader): string | number {
  return from.onlyOf(2, 3) === 2 ? from.text(2) : from.int(3);
}

function writeOpening(to: WireWriter, { allocation, answer }: OpeningEffect): void {
  const start = to.open(OPENING);
  to.int(1, allocation);
  writePolicy(to, 2, answer.policy);
  writeLimits(to, 3, answer.limits);
  writeAmounts(to, 4, answer.grantedTotal);
  to.int(5, answer.epoch);
  to.int(6, answer.leaseTtlMs);
  to.flag(7, answer.partial);
  to.close(start);
}

function readOpening(effect: WireReader): OpeningEffect {
  const from = effect.message(OPENING, "Opening", 7);
  return {
    type: "effect",
    kind: "opening",
    key: readKey(effect),
    fingerprint: effect.int(1),
    allocation: from.int(1),
    answer: {
      policy: readPolicy(from, 2),
      limits: readLimits(from, 3),
      grantedTotal: readAmounts(from, 4),
      epoch: from.int(5),
      leaseTtlMs: from.int(6),
      partial: from.flag(7),
    },
  };
}

function writeRaising(to: WireWriter, { allocation, answer }: RaisingEffect): void {
  const start = to.open(RAISING);
  to.int(1, allocation);
  writeRaise(to, answer);
  to.close(start);
}

function readRaising(effect: WireReader): RaisingEffect {
  const from = effect.message(RAISING, "Raising", 5);
  const said = { type: "effect", kind: "raising", key: readKey(effect), fingerprint: effect.int(1) } as const;
  return { ...said, allocation: from.int(1), answer: readRaise(from) };
}

type Raise = RaisingEffect["answer"];

function writeRaise(to: WireWriter, { epoch, by, grantedTotal, partial }: Raise): void {
  to.int(2, epoch);
  writeAmounts(to, 3, by);
  writeAmounts(to, 4, grantedTotal);
  to.flag(5, partial);
}

function readRaise(from: WireReader): Raise {
  return { epoch: from.int(2), by: readAmounts(from, 3), grantedTotal: readAmounts(from, 4), partial: from.flag(5) };
}

function writeAnswer(to: WireWriter, answer: Answer): void {
  const start = to.open(ANSWERS[answer.type]);
  switch (answer.type) {
    case "opened":
      writeOpened(to, answer);
      break;
    case "raised":
      to.text(1, answer.allocationId);
      writeRaise(to, answer);
      break;
    case "held":
      to.text(1, answer.holdId);
      writeAmounts(to, 2, answer.granted);
      to.flag(3, answer.clamped);
      to.int(4, answer.expiresAtMs);
      break;
    case "written_off":
      to.text(1, answer.allocationId);
      writeAmounts(to, 2, answer.amounts);
      break;
    case "updated":
      to.text(1, answer.allocationId);
      writeLimits(to, 2, answer.before);
      writeLimits(to, 3, answer.after);
      break;
    case "reserved_ahead":
      to.text(1, answer.reservationId);
      to.text(2, answer.allocationId);
      writeAmounts(to, 3, answer.amounts);
      to.int(4, answer.startsAtMs);
      to.int(5, answer.endsAtMs);
  }
  to.close(start);
}

function readAnswer(effect: WireReader, field: number): Answer {
  if (field === ANSWERS.opened) return readOpened(effect.message(field, "Opened", 17));
  if (field === ANSWERS.raised) {
    const from = effect.message(field, "Raised", 5);
    return { type: "raised", allocationId: from.text(1), ...readRaise(from) };
  }
  if (field === ANSWERS.held) {
    const from = effect.message(field, "Held", 4);
    const told = { type: "held", holdId: from.text(1), clamped: from.flag(3), expiresAtMs: from.int(4) } as const;
    return { ...told, granted: readAmounts(from, 2) };
  }
  if (field === ANSWERS.updated) {
    const from = effect.message(field, "Updated", 3);
    return { type: "updated", allocationId: from.text(1), before: readLimits(from, 2), after: readLimits(from, 3) };
  }
  if (field === ANSWERS.reserved_ahead) return readReservedAhead(effect.message(field, "ReservedAhead", 5));
  assert(field === ANSWERS.written_off, `no reader for field ${field} of Effect`);
  const from = effect.message(field, "WrittenOff", 2);
  return { type: "written_off", allocationId: from.text(1), amounts: readAmounts(from, 2) };
}

function readReservedAhead(from: WireReader): AnswerOf<"reserved_ahead"> {
  return {
    type: "reserved_ahead",
    reservationId: from.text(1),
    allocationId: from.text(2),
    amounts: readAmounts(from, 3),
    startsAtMs: from.int(4),
    endsAtMs: from.int(5),
  };
}

function writeOpened(to: WireWriter, answer: AnswerOf<"opened">): void {
  to.text(1, answer.allocationId);
  to.text(2, answer.path);
  to.int(3, answer.depth);
  to.text(4, answer.name);
  writeName(to, 5, allocationKinds, answer.kind);
  writeName(to, 6, priorities, answer.priority);
  to.int(7, answer.weight);
  writePolicy(to, 8, answer.policy);
  writeLimits(to, 9, answer.limits);
  writePooled(to, 10, answer.pooled);
  writeAmounts(to, 12, answer.grantedTotal);
  to.int(13, answer.epoch);
  to.int(14, answer.leaseTtlMs);
  to.optionalText(15, answer.token);
  to.optionalInt(16, answer.deadlineAtMs);
  to.flag(17, answer.partial);
}

function readOpened(from: WireReader): AnswerOf<"opened"> {
  return {
    type: "opened",
    allocationId: from.text(1),
    path: from.text(2),
    depth: from.int(3),
    name: from.text(4),
    kind: readName(from, 5, allocationKinds),
    priority: readName(from, 6, priorities),
    weight: from.int(7),
    policy: readPolicy(from, 8),
    limits: readLimits(from, 9),
    pooled: readPooled(from, 10),
    grantedTotal: readAmounts(from, 12),
    epoch: from.int(13),
    leaseTtlMs: from.int(14),
    token: from.optionalText(15),
    deadlineAtMs: from.optionalInt(16),
    partial: from.flag(17),
  };
}
