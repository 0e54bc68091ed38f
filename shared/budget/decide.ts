/**
 * decide(state, command): the engine. Deterministic: the same state and command give the same outcome, events and messages. A refusal
 * changes nothing. The events it answers have been evolved; the caller makes them durable before anything leaves the process.
 */
import { unreachable } from "#std";
import { serveTurned } from "./await-names.ts";
import { balanceShares } from "./balance-shares.ts";
import { NO_LIST } from "./collections.ts";
import type { Command } from "./command.ts";
import { decideAttachNote, decideOpenRoot, decideSetLimits } from "./decide-account.ts";
import { decideExtend, decideRelease, decideReserve, decideSettle } from "./decide-call.ts";
import { decideClose } from "./decide-close.ts";
import { decideCancelRequest, decideGrant } from "./decide-grant.ts";
import {
  decideAcknowledgeFinal,
  decideReceiveGrant,
  decideReceiveLimit,
  decideReceiveReturn,
  decideRenewLease,
  decideReturnSurplus,
  decideStart,
} from "./decide-holder.ts";
import { decideCancelReclaim, decideReclaim } from "./decide-reclaim.ts";
import { decideReportUsage } from "./decide-report.ts";
import { decideCancelReservation, decideReserveAhead } from "./decide-reservation.ts";
import { decideResume } from "./decide-resume.ts";
import { decideTick } from "./decide-time.ts";
import { decideUpdateLimits } from "./decide-update-limits.ts";
import { decideWriteOff } from "./decide-write-off.ts";
import { type Draft, UNCHANGED } from "./draft.ts";
import { assertTime } from "./evolve.ts";
import type { Decision, Outcome } from "./outcome.ts";
import { pursueClaims } from "./pursue-claims.ts";
import type { BudgetState } from "./state.ts";

/** Takes one command. `command.nowMs` must not be before the state's engine time. */
export function decide(state: BudgetState, command: Command): Decision {
  assertTime(state, command.nowMs);
  const draft: Draft = { state, nowMs: command.nowMs, events: NO_LIST, messages: NO_LIST };
  const { turned } = state.names;
  // A replay serves nobody: the events say who was.
  if (turned.size > 0) turned.clear();
  const outcome = dispatch(draft, command);
  if (draft.moved) pursueClaims(draft);
  if (draft.toShare) balanceShares(draft);
  if (draft.moved) pursueClaims(draft);
  if (turned.size > 0) endWithNames(draft);
  return { outcome, events: draft.events, messages: draft.messages };
}

/** Who is served because names came free may move others, and give up its turn for other names. */
function endWithNames(draft: Draft): void {
  while (draft.state.names.turned.size > 0) {
    serveTurned(draft);
    if (draft.moved) pursueClaims(draft);
    if (draft.toShare) balanceShares(draft);
    if (draft.moved) pursueClaims(draft);
  }
}

function dispatch(draft: Draft, command: Command): Outcome {
  switch (command.type) {
    case "start":
      return decideStart(draft, command);
    case "open_root":
      return decideOpenRoot(draft, command);
    case "grant":
      return decideGrant(draft, command.wish);
    case "receive_grant":
      return decideReceiveGrant(draft, command);
    case "receive_limit":
      return decideReceiveLimit(draft, command);
    case "return_surplus":
      return decideReturnSurplus(draft, command);
    case "receive_return":
      return decideReceiveReturn(draft, command);
    case "set_limits":
      return decideSetLimits(draft, command);
    case "update_limits":
      return decideUpdateLimits(draft, command);
    case "reserve":
      return decideReserve(draft, command);
    case "extend":
      return decideExtend(draft, command);
    case "settle":
      return decideSettle(draft, command);
    case "release":
      return decideRelease(draft, command);
    case "report_usage":
      return decideReportUsage(draft, command);
    case "renew_lease":
      return decideRenewLease(draft, command);
    case "acknowledge_final":
      return decideAcknowledgeFinal(draft, command);
    case "write_off":
      return decideWriteOff(draft, command);
    case "close":
      return decideClose(draft, command.allocationId, command.reason);
    case "reserve_ahead":
      return decideReserveAhead(draft, command);
    case "cancel_reservation":
      return decideCancelReservation(draft, command.reservationId);
    case "cancel_request":
      return decideCancelRequest(draft, command.caller, command.requestId);
    case "reclaim":
      return decideReclaim(draft, command);
    case "cancel_reclaim":
      return decideCancelReclaim(draft, command.preemptionId, command.allocationId);
    case "resume":
      return decideResume(draft, command);
    case "attach_note":
      return decideAttachNote(draft, command);
    case "tick":
      decideTick(draft);
      return UNCHANGED;
    default:
      return unreachable(command);
  }
}
