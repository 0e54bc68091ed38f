/** Reservations: what is asked for as plain values, and how they stand as messages. */
import {
  type Amounts,
  type BudgetState,
  isNothing,
  missingOf,
  NOTHING,
  type Priority,
  type Reservation,
  type ReservationEnd,
} from "#budget";
import {
  type CancelReservationRequest,
  type CreateReservationRequest,
  type ListReservationsRequest,
  ReservationState,
  type ReservationView,
} from "#gen/bursar/v1/coordination_service_pb.js";
import { LIMITS } from "#std";
import { priorities } from "./enum-names.ts";
import { amountsFromProto, amountsToProto } from "./messages/amounts.ts";
import { FieldCheck } from "./parse/field-check.ts";
import type { Parsed } from "./parse/parsed.ts";

export interface CreateReservationSpec {
  readonly requestId: string;
  /** Id or path of the account or swarm. */
  readonly allocation: string;
  readonly name: string;
  readonly amounts: Amounts;
  readonly startsInMs: number;
  readonly lastsMs: number;
  readonly priority: Priority;
  /** Absent: one is made. */
  readonly reservationId?: string;
  readonly afterId?: string;
}

export function parseCreateReservation(message: CreateReservationRequest): Parsed<CreateReservationSpec> {
  const check = new FieldCheck();
  const { reservationId, afterReservationId } = message;
  const amounts = amountsFromProto(check.inside("amounts"), message.amounts);
  if (isNothing(amounts)) check.refuse("amounts", "must be above 0 of something");
  const spec: CreateReservationSpec = {
    requestId: check.id("request_id", message.requestId),
    allocation: check.idOrPath("allocation", message.allocation),
    name: check.name("name", message.name),
    amounts,
    startsInMs: timeOf(check, "starts_in_ms", { value: message.startsInMs, min: 0, max: LIMITS.reservationAheadMsMax }),
    lastsMs: timeOf(check, "lasts_ms", { value: message.lastsMs, min: 1, max: LIMITS.reservationLastsMsMax }),
    priority: check.choice("priority", message.priority, priorities, "NORMAL"),
    ...(reservationId !== "" && { reservationId: check.id("reservation_id", reservationId) }),
    ...(afterReservationId !== "" && { afterId: check.id("after_reservation_id", afterReservationId) }),
  };
  return check.finish(spec);
}

interface Time {
  readonly value: bigint;
  readonly min: number;
  readonly max: number;
}

function timeOf(check: FieldCheck, field: string, { value, min, max }: Time): number {
  if (value >= BigInt(min) && value <= BigInt(max)) return Number(value);
  check.refuse(field, `must be from ${min} to ${max} ms; got ${value}`);
  return min;
}

export function parseCancelReservation({ reservationId }: CancelReservationRequest): Parsed<{ readonly id: string }> {
  const check = new FieldCheck();
  return check.finish({ id: check.id("reservation_id", reservationId) });
}

/** `allocation`: id or path; empty: all. */
export function parseListReservations({
  allocation,
}: ListReservationsRequest): Parsed<{ readonly allocation: string }> {
  const check = new FieldCheck();
  return check.finish({ allocation: allocation === "" ? "" : check.idOrPath("allocation", allocation) });
}

/** All that are known, those that are over last; each with the node whose budget it is, if that is still known. */
export function reservationViews(state: BudgetState, nowMs: number): ReservationView[] {
  const standing = [...state.reservations.standing()].map((one) => standingView(state, one, nowMs));
  const over = [...state.reservations.over()].map(({ reservation, cause }) => pastView(reservation, cause));
  return [...standing, ...over];
}

/** One of them; undefined: it is not known. */
export function reservationView(state: BudgetState, id: string, nowMs: number): ReservationView | undefined {
  const reservation = state.reservations.get(id);
  if (reservation) return standingView(state, reservation, nowMs);
  const past = state.reservations.past(id);
  return past && pastView(past.reservation, past.cause);
}

function standingView(state: BudgetState, reservation: Reservation, nowMs: number): ReservationView {
  const { begun, startsAtMs, endsAtMs, allocationId } = reservation;
  const node = state.allocations.get(allocationId);
  return {
    ...viewOf(reservation),
    state: begun ? ReservationState.READY : ReservationState.AHEAD,
    missing: amountsToProto(node ? missingOf(reservation, node.waiters.earmarks) : NOTHING),
    startsInMs: BigInt(begun ? 0 : Math.max(0, Math.ceil(startsAtMs - nowMs))),
    endsInMs: BigInt(Math.max(0, Math.ceil(endsAtMs - nowMs))),
  };
}

const STATE_OF: { readonly [E in ReservationEnd]: ReservationState } = {
  used_up: ReservationState.USED_UP,
  lapsed: ReservationState.LAPSED,
  cancelled: ReservationState.CANCELLED,
  closed: ReservationState.CLOSED,
};

function pastView(reservation: Reservation, cause: ReservationEnd): ReservationView {
  return {
    ...viewOf(reservation),
    state: STATE_OF[cause],
    missing: amountsToProto(NOTHING),
    startsInMs: 0n,
    endsInMs: 0n,
  };
}

function viewOf({ id, allocationId, path, name, priority, amounts, left }: Reservation) {
  return {
    $typeName: "bursar.v1.ReservationView",
    reservationId: id,
    allocationId,
    path,
    name,
    priority: priorities.numberOf[priority],
    amounts: amountsToProto(amounts),
    left: amountsToProto(left),
  } as const;
}
