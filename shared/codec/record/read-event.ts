/** Events of the engine from JournalEvent of record.proto; the counterpart of write-event.ts. */
import type { AllocationOpened, BudgetEvent, HoldPlaced, UsageReported, WrittenOff } from "#budget";
import { assert } from "#std";
import { allocationKinds, callKinds, preemptionModes, priorities } from "../enum-names.ts";
import { EVENT_FIELD } from "./event-fields.ts";
import type { EventReader } from "./event-reader.ts";
import { RESERVATION_READERS } from "./read-reservation.ts";
import { readWish } from "./read-wish.ts";
import { dequeueCauses, reclaimEnds, sides } from "./record-enums.ts";
import {
  accessOf,
  exhaustedOf,
  forOthersOf,
  graceOf,
  readAmount,
  readAmounts,
  readEffect,
  readGivers,
  readLimits,
  readName,
  readOptionalEffect,
  readParts,
  readPolicy,
  readPooled,
  readShareWish,
} from "./record-parts.ts";
import type { WireReader } from "./wire-reader.ts";

const USAGE_FIELDS = 14;

const READERS: readonly EventReader[] = [
  { type: "allocation_opened", fields: 29, read: readAllocationOpened },
  {
    type: "limit_raised",
    fields: 4,
    read: (from, atMs) => ({
      type: "limit_raised",
      atMs,
      allocationId: from.text(1),
      by: readAmounts(from, 2),
      effect: readOptionalEffect(from, 3),
      ...readShareWish(from, 4),
    }),
  },
  {
    type: "limit_lowered",
    fields: 3,
    read: (from, atMs) => ({
      type: "limit_lowered",
      atMs,
      allocationId: from.text(1),
      by: readAmounts(from, 2),
      preemptionId: from.optionalText(3),
    }),
  },
  {
    type: "policy_set",
    fields: 2,
    read: (from, atMs) => ({ type: "policy_set", atMs, allocationId: from.text(1), policy: readPolicy(from, 2) }),
  },
  { type: "hold_placed", fields: 8, read: readHoldPlaced },
  {
    type: "hold_extended",
    fields: 2,
    read: (from, atMs) => ({ type: "hold_extended", atMs, holdId: from.text(1), expiresAtMs: from.int(2) }),
  },
  {
    type: "hold_charged",
    fields: 8,
    read: (from, atMs) => ({
      type: "hold_charged",
      atMs,
      holdId: from.text(1),
      credits: readAmount(from, 2),
      toolCalls: readAmount(from, 3),
      final: from.flag(4),
      networkBytes: from.int(5),
      diskBytes: from.int(6),
      gpuMs: from.int(7),
      memoryPeakBytes: from.int(8),
    }),
  },
  { type: "hold_lapsed", fields: 1, read: (from, atMs) => ({ type: "hold_lapsed", atMs, holdId: from.text(1) }) },
  {
    type: "late_settle_recorded",
    fields: 3,
    read: (from, atMs) => ({
      type: "late_settle_recorded",
      atMs,
      holdId: from.text(1),
      credits: readAmount(from, 2),
      toolCalls: readAmount(from, 3),
    }),
  },
  {
    type: "usage_reported",
    fields: USAGE_FIELDS,
    read: (from, atMs) => ({ type: "usage_reported", atMs, ...readUsage(from) }),
  },
  {
    type: "lease_renewed",
    fields: 2,
    read: (from, atMs) => ({ type: "lease_renewed", atMs, allocationId: from.text(1), endsAtMs: from.int(2) }),
  },
  {
    type: "lease_ended",
    fields: 1,
    read: (from, atMs) => ({ type: "lease_ended", atMs, allocationId: from.text(1) }),
  },
  {
    type: "allocation_closing",
    fields: 2,
    read: (from, atMs) => ({ type: "allocation_closing", atMs, allocationId: from.text(1), reason: from.text(2) }),
  },
  {
    type: "allocation_closed",
    fields: 1,
    read: (from, atMs) => ({ type: "allocation_closed", atMs, allocationId: from.text(1) }),
  },
  {
    type: "request_queued",
    fields: 6,
    read: (from, atMs) => ({
      type: "request_queued",
      atMs,
      parentId: from.text(1),
      effectKey: from.text(2),
      fingerprint: from.int(3),
      request: readWish(from),
      untilMs: from.int(4),
    }),
  },
  {
    type: "request_dequeued",
    fields: 2,
    read: (from, atMs) => ({
      type: "request_dequeued",
      atMs,
      effectKey: from.text(1),
      cause: readName(from, 2, dequeueCauses),
    }),
  },
  {
    type: "reclaim_requested",
    fields: 8,
    read: (from, atMs) => ({
      type: "reclaim_requested",
      atMs,
      preemptionId: from.text(1),
      allocationId: from.text(2),
      mode: readName(from, 3, preemptionModes),
      reason: from.text(4),
      wanted: readAmounts(from, 5),
      ...graceOf(from.optionalInt(6)),
      ...forOthersOf(from.flag(7)),
      ...exhaustedOf(from.flag(8)),
    }),
  },
  {
    type: "reclaim_ended",
    fields: 3,
    read: (from, atMs) => ({
      type: "reclaim_ended",
      atMs,
      preemptionId: from.text(1),
      allocationId: from.text(2),
      cause: readName(from, 3, reclaimEnds),
    }),
  },
  {
    type: "claim_planned",
    fields: 5,
    read: (from, atMs) => ({
      type: "claim_planned",
      atMs,
      parentId: from.text(1),
      effectKey: from.text(2),
      round: from.int(3),
      givers: readGivers(from, 4),
      lookAtMs: from.int(5),
    }),
  },
  {
    type: "room_reserved",
    fields: 4,
    read: (from, atMs) => ({
      type: "room_reserved",
      atMs,
      parentId: from.text(1),
      effectKey: from.text(2),
      by: readAmounts(from, 3),
      fromEffectKey: from.optionalText(4),
    }),
  },
  ...RESERVATION_READERS,
  {
    type: "note_attached",
    fields: 3,
    read: (from, atMs) => ({
      type: "note_attached",
      atMs,
      allocationId: from.text(1),
      key: from.text(2),
      value: from.text(3),
    }),
  },
  {
    type: "memory_released",
    fields: 1,
    read: (from, atMs) => ({ type: "memory_released", atMs, upToMs: from.int(1) }),
  },
  {
    type: "daemon_started",
    fields: 1,
    read: (from, atMs) => ({ type: "daemon_started", atMs, ...(from.has(1) && { bootId: from.text(1) }) }),
  },
  { type: "written_off", fields: 6, read: readWrittenOff },
  {
    type: "account_corrected",
    fields: USAGE_FIELDS,
    read: (from, atMs) => ({ type: "account_corrected", atMs, ...readUsage(from) }),
  },
  {
    type: "final_acknowledged",
    fields: 1,
    read: (from, atMs) => ({ type: "final_acknowledged", atMs, allocationId: from.text(1) }),
  },
  {
    type: "limits_updated",
    fields: 4,
    read: (from, atMs) => ({
      type: "limits_updated",
      atMs,
      allocationId: from.text(1),
      before: readLimits(from, 2),
      after: readLimits(from, 3),
      effect: readEffect(from, 4),
    }),
  },
  {
    type: "tranches_set",
    fields: 2,
    read: (from, atMs) => ({ type: "tranches_set", atMs, allocationId: from.text(1), carve: readParts(from, 2) }),
  },
  {
    type: "deadline_moved",
    fields: 2,
    read: (from, atMs) => ({ type: "deadline_moved", atMs, allocationId: from.text(1), deadlineAtMs: from.int(2) }),
  },
];

/** The readers in the order in which an event's content is looked for, with their fields. */
const BY_FIELD: readonly (EventReader | undefined)[] = READERS.reduce<(EventReader | undefined)[]>(
  (byField, reader) => {
    byField[EVENT_FIELD[reader.type]] = reader;
    return byField;
  },
  [],
);

/** The event in a JournalEvent. Throws CommitFormatError. */
export function readEvent(from: WireReader): BudgetEvent {
  const atMs = from.int(1);
  const field = from.onlyFieldFrom(2);
  const reader = BY_FIELD[field];
  assert(reader !== undefined, `no reader for field ${field} of JournalEvent`);
  return reader.read(from.message(field, reader.type, reader.fields), atMs);
}

function readAllocationOpened(from: WireReader, atMs: number): AllocationOpened {
  return {
    type: "allocation_opened",
    atMs,
    allocationId: from.text(1),
    parentId: from.optionalText(2),
    name: from.text(3),
    path: from.text(4),
    depth: from.int(5),
    kind: readName(from, 6, allocationKinds),
    side: readName(from, 7, sides),
    limits: readLimits(from, 8),
    priority: readName(from, 9, priorities),
    weight: from.int(10),
    policy: readPolicy(from, 11),
    deadlineAtMs: from.optionalInt(12),
    peer: from.optionalText(13),
    token: from.optionalText(14),
    epoch: from.int(15),
    leaseTtlMs: from.int(16),
    leaseEndsAtMs: from.optionalInt(17),
    effect: readOptionalEffect(from, 18),
    pooled: readPooled(from, 19),
    ...readShareWish(from, 23),
    ...(from.has(24) && { arrivedAtMs: from.int(24) }),
    ...(from.has(25) && { preemptedAtMs: from.int(25) }),
    ...accessOf(from, 28),
    ...(from.flag(29) && { wrapUp: true as const }),
  };
}

function readHoldPlaced(from: WireReader, atMs: number): HoldPlaced {
  return {
    type: "hold_placed",
    atMs,
    holdId: from.text(1),
    allocationId: from.text(2),
    what: readName(from, 3, callKinds),
    name: from.text(4),
    amounts: readAmounts(from, 5),
    clamped: from.flag(6),
    expiresAtMs: from.int(7),
    effect: readEffect(from, 8),
  };
}

function readWrittenOff(from: WireReader, atMs: number): WrittenOff {
  return {
    type: "written_off",
    atMs,
    allocationId: from.text(1),
    epoch: from.int(2),
    credits: readAmount(from, 3),
    toolCalls: readAmount(from, 4),
    reason: from.text(5),
    effect: readEffect(from, 6),
  };
}

function readUsage(from: WireReader): Omit<UsageReported, "type" | "atMs"> {
  const callsPerTool: (readonly [string, number])[] = [];
  from.each(12, "ToolCalls", 2, (calls) => callsPerTool.push([calls.text(1), calls.int(2)]));
  return {
    allocationId: from.text(1),
    sequence: from.int(2),
    credits: readAmount(from, 3),
    toolCalls: readAmount(from, 4),
    overrunCredits: readAmount(from, 5),
    overrunToolCalls: readAmount(from, 6),
    branchesPeak: readAmount(from, 7),
    memoryPeakBytes: readAmount(from, 8),
    networkBytes: from.int(9),
    diskBytes: from.int(10),
    gpuMs: from.int(11),
    callsPerTool,
    corrections: from.int(13),
    provisional: from.flag(14),
  };
}
