/**
 * Events: what the journal stores. Each says what changed in absolute or additive terms, so that replaying them rebuilds the state
 * exactly and no event can be refused. `atMs` is engine time.
 */
import type { Access } from "./access.ts";
import type { Amount } from "./amount.ts";
import type { Giver } from "./claims.ts";
import type { GrantWish } from "./command.ts";
import type { EffectMark } from "./effect-mark.ts";
import type { AllocationKind, Policy, PreemptionMode, Priority, Side } from "./policy.ts";
import type { ReservationEvent } from "./reservation-event.ts";
import type { Amounts, Consumable, Limits } from "./resource.ts";
import type { ShareWish } from "./share-wish.ts";
import type { Parts } from "./tranches.ts";

export type { EffectMark };

export interface AllocationOpened {
  readonly type: "allocation_opened";
  readonly atMs: number;
  readonly allocationId: string;
  /** Absent for accounts at the top and for received grants. */
  readonly parentId: string | undefined;
  readonly name: string;
  readonly path: string;
  readonly depth: number;
  readonly kind: AllocationKind;
  readonly side: Side;
  readonly limits: Limits;
  /** Consumables drawn from the parent as needed; a subset of those whose limit is stated. */
  readonly pooled: readonly Consumable[];
  readonly priority: Priority;
  readonly weight: number;
  readonly policy: Policy;
  readonly deadlineAtMs: number | undefined;
  readonly peer: string | undefined;
  readonly token: string | undefined;
  readonly epoch: number;
  readonly leaseTtlMs: number;
  readonly leaseEndsAtMs: number | undefined;
  readonly effect: EffectMark | undefined;
  /** Where work may be preempted: when its request first arrived, if that was earlier. */
  readonly arrivedAtMs?: number;
  /** When what it is the next attempt of was preempted. */
  readonly preemptedAtMs?: number;
  /** What it wishes of a parent that divides by weight; absent where its parent did not. */
  readonly wish?: ShareWish;
  /** It is its parent's final step, which alone may draw the wrap-up reserve. */
  readonly wrapUp?: true;
  /** The names that it holds while it is open; absent: none. Of a received grant also those held above it. */
  readonly access?: readonly Access[];
}

/** The limit grew: taken from a parent here, or received from one elsewhere. For grants across daemons granted_total grows by it. */
export interface LimitRaised {
  readonly type: "limit_raised";
  readonly atMs: number;
  readonly allocationId: string;
  readonly by: Amounts;
  readonly effect: EffectMark | undefined;
  /** What it wishes from now on of a parent that divides by weight; absent: as before. */
  readonly wish?: ShareWish;
}

/** The limit shrank by budget that was free: it went to the parent. For grants across daemons returned_total grows by it. */
export interface LimitLowered {
  readonly type: "limit_lowered";
  readonly atMs: number;
  readonly allocationId: string;
  readonly by: Amounts;
  /** The preemption that it feeds, if any. */
  readonly preemptionId: string | undefined;
}

/** A person changed limits: what they were and are; the changes themselves stand in the events behind it. */
export interface LimitsUpdated {
  readonly type: "limits_updated";
  readonly atMs: number;
  readonly allocationId: string;
  readonly before: Limits;
  readonly after: Limits;
  readonly effect: EffectMark;
}

/** The tranches carved inside the credits have other sizes. */
export interface TranchesSet {
  readonly type: "tranches_set";
  readonly atMs: number;
  readonly allocationId: string;
  readonly carve: Parts;
}

/** The deadline is another one. Everything below moves with it that had the same deadline or would have a later one. */
export interface DeadlineMoved {
  readonly type: "deadline_moved";
  readonly atMs: number;
  readonly allocationId: string;
  readonly deadlineAtMs: number;
}

export interface PolicySet {
  readonly type: "policy_set";
  readonly atMs: number;
  readonly allocationId: string;
  readonly policy: Policy;
}

export interface HoldPlaced {
  readonly type: "hold_placed";
  readonly atMs: number;
  readonly holdId: string;
  readonly allocationId: string;
  readonly what: "model" | "tool" | "code";
  readonly name: string;
  readonly amounts: Amounts;
  readonly clamped: boolean;
  readonly expiresAtMs: number;
  readonly effect: EffectMark;
}

export interface HoldExtended {
  readonly type: "hold_extended";
  readonly atMs: number;
  readonly holdId: string;
  readonly expiresAtMs: number;
}

/** The cost of a call so far, cumulative. Final ends the hold and frees the rest. */
export interface HoldCharged {
  readonly type: "hold_charged";
  readonly atMs: number;
  readonly holdId: string;
  readonly credits: Amount;
  readonly toolCalls: Amount;
  readonly final: boolean;
  /** Measured facts of the call; counted once, at the final settle. */
  readonly networkBytes: number;
  readonly diskBytes: number;
  readonly gpuMs: number;
  readonly memoryPeakBytes: number;
}

/** The hold's time to live passed unsettled: the call may have happened. */
export interface HoldLapsed {
  readonly type: "hold_lapsed";
  readonly atMs: number;
  readonly holdId: string;
}

/** A settle that came after its allocation was closed: kept for audit, moves nothing. */
export interface LateSettleRecorded {
  readonly type: "late_settle_recorded";
  readonly atMs: number;
  readonly holdId: string;
  readonly credits: Amount;
  readonly toolCalls: Amount;
}

/** Cumulative usage of a delegated allocation as its holder reported it. */
export interface UsageReported {
  readonly type: "usage_reported";
  readonly atMs: number;
  readonly allocationId: string;
  readonly sequence: number;
  readonly credits: Amount;
  readonly toolCalls: Amount;
  readonly overrunCredits: Amount;
  readonly overrunToolCalls: Amount;
  readonly branchesPeak: Amount;
  readonly memoryPeakBytes: Amount;
  readonly networkBytes: number;
  readonly diskBytes: number;
  readonly gpuMs: number;
  readonly callsPerTool: readonly (readonly [string, number])[];
  /** With more than before, credits and tool calls take the place of what was known, also downwards; see ReportedUsage. */
  readonly corrections: number;
  readonly provisional: boolean;
}

/** The true account of a delegated allocation that closed on another one. Credits and tool calls are what it has used, whatever stood there. */
export interface AccountCorrected extends Omit<UsageReported, "type"> {
  readonly type: "account_corrected";
}

/** A person gave up the holder of a delegated allocation that was in doubt. */
export interface WrittenOff {
  readonly type: "written_off";
  readonly atMs: number;
  readonly allocationId: string;
  /** From now on; the one before is fenced. */
  readonly epoch: number;
  /** What was in doubt and counts as spent now. */
  readonly credits: Amount;
  readonly toolCalls: Amount;
  readonly reason: string;
  readonly effect: EffectMark;
}

/** The tier above has the final account of a received grant: its record may be given up. */
export interface FinalAcknowledged {
  readonly type: "final_acknowledged";
  readonly atMs: number;
  readonly allocationId: string;
}

/**
 * The daemon started on this journal again. What it holds it may spend only after a renewal; what it has granted is held for a full lease
 * from now, for nobody knows when the last renewal left the earlier life.
 */
export interface DaemonStarted {
  readonly type: "daemon_started";
  readonly atMs: number;
  /** Names the time since the machine was started, where holds are answered ahead of their sync; absent: none are. */
  readonly bootId?: string;
}

/** The lease now ends later. Ends a doubt. */
export interface LeaseRenewed {
  readonly type: "lease_renewed";
  readonly atMs: number;
  readonly allocationId: string;
  readonly endsAtMs: number;
}

/** A delegated allocation's lease ended unrenewed. */
export interface LeaseEnded {
  readonly type: "lease_ended";
  readonly atMs: number;
  readonly allocationId: string;
}

export interface AllocationClosing {
  readonly type: "allocation_closing";
  readonly atMs: number;
  readonly allocationId: string;
  readonly reason: string;
}

/** Empty: what was unconfirmed is now spent, the rest is back with the parent. */
export interface AllocationClosed {
  readonly type: "allocation_closed";
  readonly atMs: number;
  readonly allocationId: string;
}

export interface RequestQueued {
  readonly type: "request_queued";
  readonly atMs: number;
  readonly parentId: string;
  readonly effectKey: string;
  readonly fingerprint: number;
  readonly request: GrantWish;
  readonly untilMs: number;
}

export interface RequestDequeued {
  readonly type: "request_dequeued";
  readonly atMs: number;
  readonly effectKey: string;
  readonly cause: "granted" | "timed_out" | "cancelled" | "refused";
}

export interface ReclaimRequested {
  readonly type: "reclaim_requested";
  readonly atMs: number;
  readonly preemptionId: string;
  readonly allocationId: string;
  readonly mode: PreemptionMode;
  readonly reason: string;
  /** Of a PAUSE that is told again, or with `exhausted`, in all: what it has given stays counted. */
  readonly wanted: Amounts;
  /** For STOP: time to end in peace before force. */
  readonly graceMs?: number;
  /** Of a PAUSE or STOP for the sake of others: the work goes on, or is tried again, by itself when there is room. */
  readonly forOthers?: true;
  /** Of a SHRINK that is told again: the holder has nothing more that is free. */
  readonly exhausted?: true;
}

export interface ReclaimEnded {
  readonly type: "reclaim_ended";
  readonly atMs: number;
  readonly preemptionId: string;
  readonly allocationId: string;
  readonly cause: "met" | "cancelled" | "closed" | "resumed";
}

/**
 * Others give way to a request that waits: who does, since the latest plan; or, when no new plan was made and nobody owes it anything any
 * more, nobody can: then what was set aside for it is free again. Told again at `lookAtMs`, when it still waits by then.
 */
export interface ClaimPlanned {
  readonly type: "claim_planned";
  readonly atMs: number;
  /** The node at which it waits. */
  readonly parentId: string;
  readonly effectKey: string;
  /** Plans carried out for it so far. */
  readonly round: number;
  readonly givers: readonly Giver[];
  readonly lookAtMs: number;
}

/** Room that is free at a node is set aside for a claim. */
export interface RoomReserved {
  readonly type: "room_reserved";
  readonly atMs: number;
  readonly parentId: string;
  readonly effectKey: string;
  readonly by: Amounts;
  /** The claim of lower priority that had it; absent: it had come free. */
  readonly fromEffectKey: string | undefined;
}

/** A service's own record about an allocation (a routine, a report), kept as long as the allocation is remembered. */
export interface NoteAttached {
  readonly type: "note_attached";
  readonly atMs: number;
  readonly allocationId: string;
  readonly key: string;
  readonly value: string;
}

/** Memory of what ended long enough ago is given up: everything due up to this time. */
export interface MemoryReleased {
  readonly type: "memory_released";
  readonly atMs: number;
  readonly upToMs: number;
}

export type BudgetEvent =
  | AllocationOpened
  | LimitRaised
  | LimitLowered
  | LimitsUpdated
  | TranchesSet
  | DeadlineMoved
  | PolicySet
  | HoldPlaced
  | HoldExtended
  | HoldCharged
  | HoldLapsed
  | LateSettleRecorded
  | UsageReported
  | LeaseRenewed
  | LeaseEnded
  | AllocationClosing
  | AllocationClosed
  | RequestQueued
  | RequestDequeued
  | ReclaimRequested
  | ReclaimEnded
  | ClaimPlanned
  | RoomReserved
  | ReservationEvent
  | NoteAttached
  | MemoryReleased
  | DaemonStarted
  | WrittenOff
  | AccountCorrected
  | FinalAcknowledged;
