/**
 * evolve(state, event): the only code that changes the state. It cannot refuse: what an event says has happened. An event that does
 * not fit the state is a broken invariant and ends the process.
 */
import { assert, InvariantError, unreachable } from "#std";
import { shareChanged, shareOf } from "./book.ts";
import { withEntry } from "./collections.ts";
import { moveDeadline } from "./deadline.ts";
import type { BudgetEvent, DaemonStarted, MemoryReleased, NoteAttached } from "./event.ts";
import { evolveAccountCorrected, evolveUsageReported, evolveWrittenOff } from "./evolve-account.ts";
import {
  evolveAllocationClosed,
  evolveAllocationClosing,
  evolveAllocationOpened,
  evolveLimitLowered,
  evolveLimitRaised,
  evolveLimitsUpdated,
  evolveTranchesSet,
} from "./evolve-allocation.ts";
import {
  evolveHoldCharged,
  evolveHoldExtended,
  evolveHoldLapsed,
  evolveHoldPlaced,
  evolveLateSettleRecorded,
} from "./evolve-call.ts";
import { evolveClaimPlanned, evolveRoomReserved } from "./evolve-claim.ts";
import {
  evolvePolicySet,
  evolveReclaimEnded,
  evolveReclaimRequested,
  evolveRequestDequeued,
  evolveRequestQueued,
} from "./evolve-queue.ts";
import {
  evolveReservationEnded,
  evolveReservationFilled,
  evolveReservationMade,
  evolveReservationUsed,
} from "./evolve-reservation.ts";
import { leaseEnd } from "./lease.ts";
import type { ReservationEvent } from "./reservation-event.ts";
import { CONSUMABLES } from "./resource.ts";
import { evolveFinalAcknowledged, evolveMemoryReleased } from "./retention.ts";
import { followShares } from "./sharing.ts";
import { Allocation, type BudgetState, type Hold } from "./state.ts";

/** Throws InvariantError when engine time would fall. */
export function assertTime({ engineTimeMs }: BudgetState, atMs: number): void {
  // What it says is put together only when it is said: this runs for every command and every event.
  if (!(atMs >= engineTimeMs)) throw new InvariantError(`engine time fell from ${engineTimeMs} to ${atMs}`);
}

/** The allocation an event speaks of, the subject if that is the one; it must exist. */
function allocationOf(state: BudgetState, allocationId: string, subject?: Allocation | Hold): Allocation {
  if (subject instanceof Allocation && subject.id === allocationId) return subject;
  const found = state.allocations.get(allocationId);
  if (!found) throw new InvariantError(`an event names the unknown allocation ${allocationId}`);
  return found;
}

/** `subject`: what the event speaks of, where that has been found already; a replay looks it up. */
export function evolve(state: BudgetState, event: BudgetEvent, subject?: Allocation | Hold): void {
  assertTime(state, event.atMs);
  state.engineTimeMs = event.atMs;
  const closed = event.type === "allocation_closed" ? allocationOf(state, event.allocationId, subject) : undefined;
  change(state, event, subject);
  followShares(state, event, closed ?? subject);
}

function change(state: BudgetState, event: BudgetEvent, subject?: Allocation | Hold): void {
  switch (event.type) {
    case "allocation_opened":
      evolveAllocationOpened(state, event, subject);
      break;
    case "limit_raised":
      evolveLimitRaised(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "limit_lowered":
      evolveLimitLowered(event, allocationOf(state, event.allocationId, subject));
      break;
    case "limits_updated":
      evolveLimitsUpdated(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "tranches_set":
      evolveTranchesSet(event, allocationOf(state, event.allocationId, subject));
      break;
    case "deadline_moved":
      moveDeadline(state, allocationOf(state, event.allocationId, subject), event.deadlineAtMs);
      break;
    case "policy_set":
      evolvePolicySet(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "hold_placed":
      evolveHoldPlaced(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "hold_extended":
      evolveHoldExtended(state, event, subject);
      break;
    case "hold_charged":
      evolveHoldCharged(state, event, subject);
      break;
    case "hold_lapsed":
      evolveHoldLapsed(state, event, subject);
      break;
    case "late_settle_recorded":
      evolveLateSettleRecorded(state, event);
      break;
    case "allocation_closing":
      evolveAllocationClosing(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "allocation_closed":
      evolveAllocationClosed(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "request_queued":
      evolveRequestQueued(state, event, allocationOf(state, event.parentId, subject));
      break;
    case "request_dequeued":
      evolveRequestDequeued(state, event);
      break;
    case "reclaim_requested":
      evolveReclaimRequested(event, allocationOf(state, event.allocationId, subject));
      break;
    case "reclaim_ended":
      evolveReclaimEnded(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "claim_planned":
      evolveClaimPlanned(state, event, allocationOf(state, event.parentId, subject));
      break;
    case "room_reserved":
      evolveRoomReserved(event, allocationOf(state, event.parentId, subject));
      break;
    default:
      changeFurther(state, event, subject);
  }
}

type FurtherEvent = ReservationEvent | NoteAttached | MemoryReleased | EventAcross;

function changeFurther(state: BudgetState, event: FurtherEvent, subject?: Allocation | Hold): void {
  switch (event.type) {
    case "reservation_made":
      evolveReservationMade(state, event, allocationOf(state, event.allocationId, subject));
      break;
    case "reservation_filled":
      evolveReservationFilled(state, event);
      break;
    case "reservation_used":
      evolveReservationUsed(state, event);
      break;
    case "reservation_ended":
      evolveReservationEnded(state, event);
      break;
    case "note_attached":
      attachNote(allocationOf(state, event.allocationId, subject), event);
      break;
    case "memory_released":
      evolveMemoryReleased(state, event);
      break;
    default:
      evolveAcross(state, event);
  }
}

type EventAcross = Extract<
  BudgetEvent,
  {
    readonly type:
      | "usage_reported"
      | "lease_renewed"
      | "lease_ended"
      | "daemon_started"
      | "written_off"
      | "account_corrected"
      | "final_acknowledged";
  }
>;

/** What concerns grants between daemons. */
function evolveAcross(state: BudgetState, event: EventAcross): void {
  switch (event.type) {
    case "usage_reported":
      evolveUsageReported(state, event, allocationOf(state, event.allocationId));
      break;
    case "lease_renewed":
      setLease(state, allocationOf(state, event.allocationId), event.endsAtMs);
      break;
    case "lease_ended":
      setDoubtful(state, allocationOf(state, event.allocationId), true);
      break;
    case "daemon_started":
      startAgain(state, event);
      break;
    case "written_off":
      evolveWrittenOff(state, event, allocationOf(state, event.allocationId));
      break;
    case "account_corrected":
      evolveAccountCorrected(state, event, allocationOf(state, event.allocationId));
      break;
    case "final_acknowledged":
      evolveFinalAcknowledged(state, event, allocationOf(state, event.allocationId));
      break;
    default:
      unreachable(event);
  }
}

function attachNote(node: Allocation, { key, value }: NoteAttached): void {
  node.notes = withEntry(node.notes, key, value);
}

/** What this daemon holds it may spend only once renewed; what it has granted runs for a whole lease, as if renewed a moment ago. */
function startAgain(state: BudgetState, { atMs, bootId }: DaemonStarted): void {
  state.lives += 1;
  state.bootId = bootId;
  for (const node of state.allocations.values()) {
    if (node.state === "closed" || node.leaseEndsAtMs === undefined) continue;
    if (node.side === "received") setLease(state, node, atMs);
    else if (node.side === "delegated" && !node.doubtful) setLease(state, node, leaseEnd(atMs, node.leaseTtlMs));
  }
}

function setLease(state: BudgetState, node: Allocation, endsAtMs: number): void {
  if (node.leaseEndsAtMs !== undefined) state.due.leases.remove(node, node.leaseEndsAtMs);
  node.leaseEndsAtMs = endsAtMs;
  state.due.leases.add(node, endsAtMs);
  if (node.doubtful) setDoubtful(state, node, false);
}

/** Both consumables of a lease fall into doubt together, and come out of it together. */
function setDoubtful(state: BudgetState, node: Allocation, doubtful: boolean): void {
  assert(node.side === "delegated", `only a grant to another daemon can be in doubt, not ${node.path}`);
  const shares = CONSUMABLES.map((resource) => [resource, shareOf(node, resource)] as const);
  node.doubtful = doubtful;
  for (const [resource, share] of shares) shareChanged(node, resource, share);
  if (doubtful && node.leaseEndsAtMs !== undefined) state.due.leases.remove(node, node.leaseEndsAtMs);
}
