/** Each event of the engine as an embedded JournalEvent; field numbers are those of record.proto, in rising order. */
import type {
  AccountCorrected,
  AllocationOpened,
  BudgetEvent,
  GrantWish,
  HoldCharged,
  HoldPlaced,
  OpenWish,
  RaiseWish,
  RequestQueued,
  ReservationMade,
  UsageReported,
  WrittenOff,
} from "#budget";
import { allocationKinds, callKinds, preemptionModes, priorities, strategies } from "../enum-names.ts";
import { EVENT_FIELD, type EventType } from "./event-fields.ts";
import { dequeueCauses, reclaimEnds, reservationEnds, sides } from "./record-enums.ts";
import {
  writeAccess,
  writeAmounts,
  writeEffect,
  writeGivers,
  writeLimits,
  writeName,
  writeOptionalName,
  writeParts,
  writePolicy,
  writePooled,
  writeShareWish,
} from "./record-parts.ts";
import type { WireWriter } from "./wire-writer.ts";

/** Writes `event` as field `field`. */
export function writeEvent(to: WireWriter, field: number, event: BudgetEvent): void {
  const start = to.open(field);
  to.int(1, event.atMs);
  const inner = to.open(EVENT_FIELD[event.type]);
  // The table has a writer for each type; that it fits this event's type is more than the checker can follow.
  (WRITERS[event.type] as (to: WireWriter, event: BudgetEvent) => void)(to, event);
  to.close(inner);
  to.close(start);
}

type EventOf<T extends EventType> = Extract<BudgetEvent, { readonly type: T }>;

const WRITERS: { readonly [T in EventType]: (to: WireWriter, event: EventOf<T>) => void } = {
  allocation_opened: writeAllocationOpened,
  limit_raised: (to, event) => {
    to.text(1, event.allocationId);
    writeAmounts(to, 2, event.by);
    writeEffect(to, 3, event.effect);
    writeShareWish(to, 4, event.wish);
  },
  limit_lowered: (to, event) => {
    to.text(1, event.allocationId);
    writeAmounts(to, 2, event.by);
    to.optionalText(3, event.preemptionId);
  },
  policy_set: (to, event) => {
    to.text(1, event.allocationId);
    writePolicy(to, 2, event.policy);
  },
  hold_placed: writeHoldPlaced,
  hold_extended: (to, event) => {
    to.text(1, event.holdId);
    to.int(2, event.expiresAtMs);
  },
  hold_charged: writeHoldCharged,
  hold_lapsed: (to, event) => to.text(1, event.holdId),
  late_settle_recorded: (to, event) => {
    to.text(1, event.holdId);
    to.int(2, event.credits);
    to.int(3, event.toolCalls);
  },
  usage_reported: writeUsageReported,
  lease_renewed: (to, event) => {
    to.text(1, event.allocationId);
    to.int(2, event.endsAtMs);
  },
  lease_ended: (to, event) => to.text(1, event.allocationId),
  allocation_closing: (to, event) => {
    to.text(1, event.allocationId);
    to.text(2, event.reason);
  },
  allocation_closed: (to, event) => to.text(1, event.allocationId),
  request_queued: writeRequestQueued,
  request_dequeued: (to, event) => {
    to.text(1, event.effectKey);
    writeName(to, 2, dequeueCauses, event.cause);
  },
  reclaim_requested: (to, event) => {
    to.text(1, event.preemptionId);
    to.text(2, event.allocationId);
    writeName(to, 3, preemptionModes, event.mode);
    to.text(4, event.reason);
    writeAmounts(to, 5, event.wanted);
    to.optionalInt(6, event.graceMs);
    to.flag(7, event.forOthers === true);
    to.flag(8, event.exhausted === true);
  },
  reclaim_ended: (to, event) => {
    to.text(1, event.preemptionId);
    to.text(2, event.allocationId);
    writeName(to, 3, reclaimEnds, event.cause);
  },
  claim_planned: (to, event) => {
    to.text(1, event.parentId);
    to.text(2, event.effectKey);
    to.int(3, event.round);
    writeGivers(to, 4, event.givers);
    to.int(5, event.lookAtMs);
  },
  room_reserved: (to, event) => {
    to.text(1, event.parentId);
    to.text(2, event.effectKey);
    writeAmounts(to, 3, event.by);
    to.optionalText(4, event.fromEffectKey);
  },
  reservation_made: writeReservationMade,
  reservation_filled: (to, event) => {
    to.text(1, event.reservationId);
    writeAmounts(to, 2, event.by);
    to.flag(3, event.begins);
  },
  reservation_used: (to, event) => {
    to.text(1, event.reservationId);
    writeAmounts(to, 2, event.by);
  },
  reservation_ended: (to, event) => {
    to.text(1, event.reservationId);
    writeName(to, 2, reservationEnds, event.cause);
  },
  note_attached: (to, event) => {
    to.text(1, event.allocationId);
    to.text(2, event.key);
    to.text(3, event.value);
  },
  memory_released: (to, event) => to.int(1, event.upToMs),
  daemon_started: (to, event) => to.optionalText(1, event.bootId),
  written_off: writeWrittenOff,
  account_corrected: writeUsageReported,
  final_acknowledged: (to, event) => to.text(1, event.allocationId),
  limits_updated: (to, event) => {
    to.text(1, event.allocationId);
    writeLimits(to, 2, event.before);
    writeLimits(to, 3, event.after);
    writeEffect(to, 4, event.effect);
  },
  tranches_set: (to, event) => {
    to.text(1, event.allocationId);
    writeParts(to, 2, event.carve);
  },
  deadline_moved: (to, event) => {
    to.text(1, event.allocationId);
    to.int(2, event.deadlineAtMs);
  },
};

function writeAllocationOpened(to: WireWriter, event: AllocationOpened): void {
  to.text(1, event.allocationId);
  to.optionalText(2, event.parentId);
  to.text(3, event.name);
  to.text(4, event.path);
  to.int(5, event.depth);
  writeName(to, 6, allocationKinds, event.kind);
  writeName(to, 7, sides, event.side);
  writeLimits(to, 8, event.limits);
  writeName(to, 9, priorities, event.priority);
  to.int(10, event.weight);
  writePolicy(to, 11, event.policy);
  to.optionalInt(12, event.deadlineAtMs);
  to.optionalText(13, event.peer);
  to.optionalText(14, event.token);
  to.int(15, event.epoch);
  to.int(16, event.leaseTtlMs);
  to.optionalInt(17, event.leaseEndsAtMs);
  writeEffect(to, 18, event.effect);
  writePooled(to, 19, event.pooled);
  writeShareWish(to, 23, event.wish);
  to.optionalInt(24, event.arrivedAtMs);
  to.optionalInt(25, event.preemptedAtMs);
  writeAccess(to, 28, event.access);
  to.flag(29, event.wrapUp === true);
}

function writeReservationMade(to: WireWriter, event: ReservationMade): void {
  to.text(1, event.reservationId);
  to.text(2, event.allocationId);
  to.text(3, event.name);
  to.text(4, event.caller);
  writeName(to, 5, priorities, event.priority);
  writeAmounts(to, 6, event.amounts);
  to.int(7, event.startsAtMs);
  to.int(8, event.endsAtMs);
  writeEffect(to, 9, event.effect);
}

function writeHoldPlaced(to: WireWriter, event: HoldPlaced): void {
  to.text(1, event.holdId);
  to.text(2, event.allocationId);
  writeName(to, 3, callKinds, event.what);
  to.text(4, event.name);
  writeAmounts(to, 5, event.amounts);
  to.flag(6, event.clamped);
  to.int(7, event.expiresAtMs);
  writeEffect(to, 8, event.effect);
}

function writeHoldCharged(to: WireWriter, event: HoldCharged): void {
  to.text(1, event.holdId);
  to.int(2, event.credits);
  to.int(3, event.toolCalls);
  to.flag(4, event.final);
  to.int(5, event.networkBytes);
  to.int(6, event.diskBytes);
  to.int(7, event.gpuMs);
  to.int(8, event.memoryPeakBytes);
}

function writeWrittenOff(to: WireWriter, event: WrittenOff): void {
  to.text(1, event.allocationId);
  to.int(2, event.epoch);
  to.int(3, event.credits);
  to.int(4, event.toolCalls);
  to.text(5, event.reason);
  writeEffect(to, 6, event.effect);
}

function writeUsageReported(to: WireWriter, event: UsageReported | AccountCorrected): void {
  to.text(1, event.allocationId);
  to.int(2, event.sequence);
  to.int(3, event.credits);
  to.int(4, event.toolCalls);
  to.int(5, event.overrunCredits);
  to.int(6, event.overrunToolCalls);
  to.int(7, event.branchesPeak);
  to.int(8, event.memoryPeakBytes);
  to.int(9, event.networkBytes);
  to.int(10, event.diskBytes);
  to.int(11, event.gpuMs);
  for (const [name, calls] of event.callsPerTool) {
    const start = to.open(12);
    to.text(1, name);
    to.int(2, calls);
    to.close(start);
  }
  to.int(13, event.corrections);
  to.flag(14, event.provisional);
}

function writeRequestQueued(to: WireWriter, event: RequestQueued): void {
  to.text(1, event.parentId);
  to.text(2, event.effectKey);
  to.int(3, event.fingerprint);
  to.int(4, event.untilMs);
  writeWish(to, event.request);
}

/** Writes a wish as field 5 (open) or 6 (raise). */
export function writeWish(to: WireWriter, wish: GrantWish): void {
  const start = to.open(wish.type === "open" ? 5 : 6);
  if (wish.type === "open") writeOpenWish(to, wish);
  else writeRaiseWish(to, wish);
  to.close(start);
}

function writeOpenWish(to: WireWriter, wish: OpenWish): void {
  to.text(1, wish.caller);
  to.text(2, wish.requestId);
  to.text(3, wish.allocationId);
  to.optionalText(4, wish.token);
  to.text(5, wish.parentId);
  to.text(6, wish.name);
  writeName(to, 7, allocationKinds, wish.kind);
  writeLimits(to, 8, wish.limits);
  writeAmounts(to, 9, wish.min);
  writeName(to, 10, priorities, wish.priority);
  to.int(11, wish.weight);
  writePolicy(to, 12, wish.policy);
  to.flag(13, wish.byHolder);
  to.optionalText(14, wish.holder);
  to.int(15, wish.leaseTtlMs);
  to.int(16, wish.waitMs);
  writeOptionalName(to, 17, strategies, wish.strategy);
  writePooled(to, 18, wish.pooled);
  to.optionalInt(20, wish.arrivedAtMs);
  to.optionalText(21, wish.attemptOf);
  to.optionalText(22, wish.reservationId);
  writeAccess(to, 25, wish.access);
}

function writeRaiseWish(to: WireWriter, wish: RaiseWish): void {
  to.text(1, wish.caller);
  to.text(2, wish.requestId);
  to.text(3, wish.allocationId);
  to.optionalInt(4, wish.epoch);
  writeAmounts(to, 5, wish.by);
  writeAmounts(to, 6, wish.min);
  to.int(7, wish.waitMs);
  writeOptionalName(to, 8, strategies, wish.strategy);
  to.optionalInt(9, wish.arrivedAtMs);
  to.optionalText(10, wish.reservationId);
  to.optionalText(11, wish.resumes);
}
