/**
 * Budget of a node is reserved for later, or a reservation is taken back.
 *
 * Credits and tool calls must be free now, branches and memory for all of its time by what is known now; in both cases beside what those need
 * who wait and have their turn before it, all or nothing. Nothing is taken of others for it. Checks in this order: the same request before,
 * the node, the right to ask, the fields, the bounds, and last whether it fits.
 */
import { fingerprint, LIMITS } from "#std";
import { addCapped, ZERO } from "./amount.ts";
import type { CommandOf } from "./command.ts";
import { conflictAt, notTakingWork } from "./conflict.ts";
import { DONE, type Draft, effectKey, emit, refuse, UNCHANGED } from "./draft.ts";
import { answerOf } from "./effect.ts";
import { begin } from "./fill-reservations.ts";
import { isLimited, shortOf } from "./free.ts";
import { endReservation } from "./keep-reservations.ts";
import type { Conflict, Outcome, OutcomeOf, Refusal, Violation } from "./outcome.ts";
import { resourceName } from "./refusal-words.ts";
import { roomFromMs, shortBetween } from "./reservation-calendar.ts";
import { type Amounts, type HeldResource, isNothing, NOTHING, RESOURCES, type Resource } from "./resource.ts";
import type { Allocation } from "./state.ts";
import { GENERAL } from "./tranches.ts";
import { rankOfPriority } from "./waiter.ts";

type ReserveAhead = CommandOf<"reserve_ahead">;

/** The same request again answers what was reserved then. */
export function decideReserveAhead(draft: Draft, command: ReserveAhead): Outcome {
  const { state, nowMs } = draft;
  const { caller, requestId, reservationId, allocationId, name, amounts, priority } = command;
  const key = effectKey(caller, requestId);
  const print = printOf(command);
  const known = state.effects.get(key);
  if (known) {
    const answer = known.fingerprint === print ? answerOf(known) : undefined;
    return answer?.type === "reserved_ahead"
      ? { ...answer, repeated: true }
      : refuse({ code: "request_reused", requestId });
  }
  const node = state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  const planned = { node, command, ...timesOf(draft, command) };
  const refusal = mayReserve(draft, node) ?? checkFields(draft, planned) ?? checkBounds(draft, node);
  if (refusal) return refuse(refusal);
  const conflict = conflictOf(draft, planned);
  if (conflict) return refuse({ code: "conflict", conflict });
  const { startsAtMs, endsAtMs } = planned;
  const effect = { key, fingerprint: print, partial: false };
  const made = { reservationId, allocationId, name, caller, priority, amounts, startsAtMs, endsAtMs, effect };
  emit(draft, { type: "reservation_made", atMs: nowMs, ...made }, node);
  const reservation = state.reservations.get(reservationId);
  if (reservation && startsAtMs <= nowMs) begin(draft, reservation);
  const answer: OutcomeOf<"reserved_ahead"> = {
    type: "reserved_ahead",
    reservationId,
    allocationId,
    amounts,
    startsAtMs,
    endsAtMs,
    repeated: false,
  };
  return answer;
}

/** Its own id is another one each time it is asked. */
function printOf({ allocationId, name, amounts, startsInMs, lastsMs, priority, afterId = "" }: ReserveAhead): number {
  const much = RESOURCES.map((resource) => amounts[resource]).join(",");
  return fingerprint(`reserve_ahead|${allocationId}|${name}|${much}|${startsInMs},${lastsMs},${priority}|${afterId}`);
}

interface Planned {
  readonly node: Allocation;
  readonly command: ReserveAhead;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
}

function timesOf({ state, nowMs }: Draft, { startsInMs, lastsMs, afterId }: ReserveAhead) {
  const after = afterId === undefined ? undefined : state.reservations.get(afterId);
  const startsAtMs = Math.max(nowMs + startsInMs, after?.endsAtMs ?? 0);
  return { startsAtMs, endsAtMs: startsAtMs + lastsMs };
}

function mayReserve({ nowMs }: Draft, node: Allocation): Refusal | undefined {
  if (node.side === "delegated") {
    return { code: "not_permitted", message: `${node.path} is held by ${node.peer}; ask that daemon` };
  }
  if (node.pooled.length > 0) {
    const message = `${node.path} keeps nothing of its own: it draws on ${node.parent?.path}; reserve there`;
    return { code: "not_permitted", message };
  }
  return notTakingWork(node, nowMs);
}

function checkFields(draft: Draft, planned: Planned): Refusal | undefined {
  const { startsInMs, lastsMs, amounts } = planned.command;
  const violations: Violation[] = [];
  if (isNothing(amounts)) violations.push({ field: "amounts", message: "must be above 0 of something" });
  for (const resource of RESOURCES) {
    if (amounts[resource] === 0 || isLimited(planned.node, resource)) continue;
    const message = `${planned.node.path} is not limited in it: there is nothing to reserve`;
    violations.push({ field: `amounts.${resourceName(resource)}`, message });
  }
  if (!isTime(startsInMs, 0, LIMITS.reservationAheadMsMax)) {
    violations.push({ field: "starts_in_ms", message: `must be 0 to ${LIMITS.reservationAheadMsMax}` });
  }
  if (!isTime(lastsMs, 1, LIMITS.reservationLastsMsMax)) {
    violations.push({ field: "lasts_ms", message: `must be 1 to ${LIMITS.reservationLastsMsMax}` });
  }
  // Of an order in itself wrong nothing more is said.
  if (violations.length === 0) violations.push(...idViolations(draft, planned), ...timeViolations(draft, planned));
  return violations.length > 0 ? { code: "invalid", violations } : undefined;
}

function isTime(ms: number, min: number, max: number): boolean {
  return Number.isInteger(ms) && ms >= min && ms <= max;
}

/** The other one must be there already, so that it cannot come after this one: no longer ring than one of itself can be asked for. */
function idViolations({ state }: Draft, { node, command }: Planned): Violation[] {
  const { reservationId: id, afterId } = command;
  const found: Violation[] = [];
  if (state.reservations.has(id)) {
    found.push({ field: "reservation_id", message: `${id} is another reservation; choose another id, or none` });
  }
  if (afterId === undefined) return found;
  const field = "after_reservation_id";
  if (afterId === id) {
    found.push({ field, message: `reservation ${id} would begin after itself: a cycle, in which it never begins` });
    return found;
  }
  const other = state.reservations.get(afterId);
  if (other && other.allocationId !== node.id) {
    found.push({ field, message: `reservation ${afterId} is one of ${other.path}, not of ${node.path}` });
  } else if (!other && !state.reservations.past(afterId)) {
    found.push({ field, message: `no reservation ${afterId} is known` });
  }
  return found;
}

function timeViolations({ nowMs }: Draft, { node, startsAtMs, command: { afterId } }: Planned): Violation[] {
  const found: Violation[] = [];
  const [field, what] = afterId === undefined ? ["starts_in_ms", "it"] : ["after_reservation_id", "after that one it"];
  if (node.deadlineAtMs !== undefined && startsAtMs >= node.deadlineAtMs) {
    const left = node.deadlineAtMs - nowMs;
    found.push({ field, message: `${what} would begin when ${node.path} has ended: that has ${left} ms left` });
  }
  if (afterId !== undefined && startsAtMs - nowMs > LIMITS.reservationAheadMsMax) {
    found.push({ field, message: `${what} would begin in more than ${LIMITS.reservationAheadMsMax} ms` });
  }
  return found;
}

function checkBounds({ state }: Draft, node: Allocation): Refusal | undefined {
  const { retryAfterMs, reservationsMax, reservationsPerNodeMax } = LIMITS;
  if (state.effects.size >= LIMITS.effectsMax) {
    const message = `${LIMITS.effectsMax} answers are being kept; wait until older requests have ended`;
    return { code: "too_many", message, retryAfterMs };
  }
  if (state.reservations.size >= reservationsMax) {
    return { code: "too_many", message: `${reservationsMax} reservations stand at this daemon`, retryAfterMs };
  }
  if (node.waiters.reservations.size < reservationsPerNodeMax) return undefined;
  return { code: "too_many", message: `${reservationsPerNodeMax} reservations stand at ${node.path}`, retryAfterMs };
}

/** Why there is no room for it; undefined: there is. */
function conflictOf({ state, nowMs }: Draft, { node, command, startsAtMs, endsAtMs }: Planned): Conflict | undefined {
  const { amounts, priority } = command;
  const sequence = state.waiterSequence + 1;
  const turn = { base: rankOfPriority(priority), arrivedAtMs: nowMs, deadlineAtMs: undefined, sequence };
  const claimed = node.waiters.size === 0 ? NOTHING : node.waiters.before(turn).claimed;
  const spent = shortOf(node, consumablesOf(amounts, claimed), GENERAL);
  if (spent) return conflictAt({ node, resource: spent, wanted: amounts[spent], nowMs });
  const interval = { amounts, startsAtMs, endsAtMs };
  const held = shortBetween(node, interval, { nowMs, claimed });
  if (!held) return undefined;
  const fromMs = roomFromMs(node, interval, { nowMs, claimed });
  return heldConflict({ node, resource: held, wanted: amounts[held], nowMs }, fromMs);
}

/** Of the credits and tool calls that are asked for, with what others need of them first. */
function consumablesOf(asked: Amounts, claimed: Amounts): Amounts {
  const of = (resource: Resource) => (asked[resource] > 0 ? addCapped(asked[resource], claimed[resource]) : ZERO);
  return { ...NOTHING, credits: of("credits"), toolCalls: of("toolCalls") };
}

interface Lacking {
  readonly node: Allocation;
  readonly resource: HeldResource;
  readonly wanted: number;
  readonly nowMs: number;
}

/** When it is tried again, it may begin at once as well: the time from which on it would fit is the time to wait. */
function heldConflict(lacking: Lacking, fromMs: number | undefined): Conflict {
  const conflict = conflictAt(lacking);
  if (fromMs === undefined || conflict.never) return conflict;
  const inMs = fromMs - lacking.nowMs;
  return { ...conflict, retryAfterMs: inMs, expectedWaitMs: inMs, fitsInMs: inMs };
}

/** One that is over stays so. */
export function decideCancelReservation(draft: Draft, reservationId: string): Outcome {
  const { reservations } = draft.state;
  const reservation = reservations.get(reservationId);
  if (reservation) {
    endReservation(draft, reservation, "cancelled");
    return DONE;
  }
  if (reservations.past(reservationId)) return UNCHANGED;
  return refuse({ code: "not_found", subject: "reservation", id: reservationId });
}
