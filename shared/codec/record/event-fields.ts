/** Where each event stands in JournalEvent of record.proto. */
import type { BudgetEvent } from "#budget";

export type EventType = BudgetEvent["type"];

export const EVENT_FIELD: Readonly<Record<EventType, number>> = Object.freeze({
  allocation_opened: 2,
  limit_raised: 3,
  limit_lowered: 4,
  policy_set: 5,
  hold_placed: 6,
  hold_extended: 7,
  hold_charged: 8,
  hold_lapsed: 9,
  late_settle_recorded: 10,
  usage_reported: 11,
  lease_renewed: 12,
  lease_ended: 13,
  allocation_closing: 14,
  allocation_closed: 15,
  request_queued: 16,
  request_dequeued: 17,
  reclaim_requested: 18,
  reclaim_ended: 19,
  note_attached: 20,
  memory_released: 21,
  daemon_started: 22,
  written_off: 23,
  account_corrected: 24,
  final_acknowledged: 25,
  limits_updated: 26,
  deadline_moved: 27,
  claim_planned: 28,
  room_reserved: 29,
  reservation_made: 30,
  reservation_filled: 31,
  reservation_used: 32,
  reservation_ended: 33,
  tranches_set: 34,
});

export const EVENT_FIELDS = 34;
