/**
 * Commands: what may be asked of the engine. Each carries its time (`nowMs`, engine time) and every new id it may need, so that the
 * engine stays deterministic. `caller` names who asks, for "one effect per (caller, request_id)".
 */
import type { Access } from "./access.ts";
import { type Amount, ZERO } from "./amount.ts";
import type { AllocationKind, InheritedPolicy, Policy, PreemptionMode, Priority, StrategyName } from "./policy.ts";
import type { Amounts, Consumable, Limits } from "./resource.ts";

/** A wish for budget at a parent of this daemon: a new allocation, or more for an open one. */
export interface OpenWish {
  readonly type: "open";
  readonly caller: string;
  readonly requestId: string;
  /** Minted by the caller for the new allocation. */
  readonly allocationId: string;
  readonly token: string | undefined;
  readonly parentId: string;
  readonly name: string;
  readonly kind: AllocationKind;
  readonly limits: Limits;
  /** The least that is of use; consumables only. Equal to the limits when all or nothing is wanted. */
  readonly min: Amounts;
  readonly priority: Priority;
  /** Share under PROPORTIONAL_SHARING; 1 is the usual weight. */
  readonly weight: number;
  readonly policy: Policy;
  /** Consumables that it keeps none of: drawn from the parent as they are needed, handed back as they come free. */
  readonly pooled: readonly Consumable[];
  /** Asked by a holder for itself: it must hold an open allocation under the same parent. */
  readonly byHolder: boolean;
  /** The instance that will hold it; absent for allocations of this daemon. */
  readonly holder: string | undefined;
  readonly leaseTtlMs: number;
  /** How long the wish may wait in a queue; 0 means answer now. */
  readonly waitMs: number;
  readonly strategy: StrategyName | undefined;
  /** Engine time of its first arrival, when that was earlier: it was preempted and waits again. No client may say so. */
  readonly arrivedAtMs?: number;
  /** The allocation whose work was preempted and is tried again: it has its turn as that one had, and is left alone for the cool-down. */
  readonly attemptOf?: string;
  /** The reservation of its parent that it is met out of: what that does not have is taken of what is free. */
  readonly reservationId?: string;
  /** It is the final step of its parent, which alone may draw the parent's wrap-up reserve; one at a time. It does not wait. */
  readonly wrapUp?: true;
  /** Names of tools and resources that it is to hold while it is open; absent: none. */
  readonly access?: readonly Access[];
}

export interface RaiseWish {
  readonly type: "raise";
  readonly caller: string;
  readonly requestId: string;
  readonly allocationId: string;
  readonly epoch: number | undefined;
  readonly by: Amounts;
  readonly min: Amounts;
  readonly waitMs: number;
  readonly strategy: StrategyName | undefined;
  /** As that of an open wish. */
  readonly arrivedAtMs?: number;
  /** The pause that ends when it is granted: the allocation gets back what it gave for it. Asked by the engine alone (goes-on.ts). */
  readonly resumes?: string;
  /** As that of an open wish. */
  readonly reservationId?: string;
}

export type GrantWish = OpenWish | RaiseWish;

/** The child's side of a grant: a root whose parent is in another journal. */
export interface ReceiveGrant {
  readonly type: "receive_grant";
  readonly nowMs: number;
  readonly allocationId: string;
  readonly path: string;
  readonly depth: number;
  readonly name: string;
  readonly kind: AllocationKind;
  readonly limits: Limits;
  readonly pooled: readonly Consumable[];
  readonly priority: Priority;
  readonly weight: number;
  readonly policy: Policy;
  readonly peer: string;
  readonly token: string | undefined;
  readonly epoch: number;
  readonly leaseTtlMs: number;
  readonly leaseEndsAtMs: number;
  readonly deadlineLeftMs: number | undefined;
  readonly notes: readonly (readonly [string, string])[];
  /** Names that it holds, and those that allocations above it hold; absent: none. */
  readonly access?: readonly Access[];
}

export type Command =
  | {
      /** This daemon has started: the first command of every life. */
      readonly type: "start";
      readonly nowMs: number;
      /** Names the time since the machine was started. Where it is said, holds are answered ahead of their sync (allowance.ts). */
      readonly bootId?: string;
    }
  | {
      /** An account at the top of the tree. The same account again changes nothing. */
      readonly type: "open_root";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly name: string;
      readonly limits: Limits;
      readonly policy: Policy;
    }
  | { readonly type: "grant"; readonly nowMs: number; readonly wish: GrantWish }
  | ReceiveGrant
  | {
      /** Child side: the parent's counter as it now stands. */
      readonly type: "receive_limit";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly epoch: number;
      readonly grantedTotal: Amounts;
      /** Time until the deadline as the parent has it now; absent: not said. */
      readonly deadlineLeftMs?: number | undefined;
      /** Pauses of it that are over. */
      readonly pausesOver?: readonly string[] | undefined;
      /** What it inherits from policies above it by now; absent: not said. */
      readonly inherited?: InheritedPolicy | undefined;
    }
  | {
      /** Child side: give back what is free, except `keep`. */
      readonly type: "return_surplus";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly keep: Amounts;
    }
  | {
      /** Parent side: the child's counter as it now stands. */
      readonly type: "receive_return";
      readonly nowMs: number;
      readonly caller: string;
      readonly allocationId: string;
      readonly epoch: number;
      readonly returnedTotal: Amounts;
      /** Name of a SHRINK to which the child has nothing more to give that is free now. */
      readonly exhausted?: string;
    }
  | {
      /** A person's change of an account: the limits to have from now on. */
      readonly type: "set_limits";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly limits: Limits;
      readonly policy: Policy;
      /** Kept with the account when the change is made, and only then. */
      readonly note?: Note;
    }
  | {
      /** A person's change of single limits of any allocation that is given its budget here; what is absent stays as it is. */
      readonly type: "update_limits";
      readonly nowMs: number;
      readonly caller: string;
      readonly requestId: string;
      readonly allocationId: string;
      /** The values to have from now on; the duration counts from the opening. */
      readonly limits: Limits;
      /** How what is below it competes from now on; INHERITED: as the nodes above it say. Absent: as it is. */
      readonly strategy?: StrategyName | "INHERITED";
    }
  | {
      readonly type: "reserve";
      readonly nowMs: number;
      readonly requestId: string;
      readonly allocationId: string;
      readonly holdId: string;
      readonly what: "model" | "tool" | "code";
      readonly name: string;
      readonly wanted: Amounts;
      readonly min: Amounts;
      readonly ttlMs: number;
    }
  | {
      readonly type: "extend";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly holdId: string;
      readonly ttlMs: number;
    }
  | {
      readonly type: "settle";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly holdId: string;
      /** Cumulative cost so far. */
      readonly credits: Amount;
      readonly toolCalls: Amount;
      readonly final: boolean;
      readonly networkBytes: number;
      readonly diskBytes: number;
      readonly gpuMs: number;
      readonly memoryPeakBytes: number;
    }
  | {
      /** Ends a call at the cost charged so far. */
      readonly type: "release";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly holdId: string;
    }
  | {
      readonly type: "report_usage";
      readonly nowMs: number;
      readonly caller: string;
      readonly allocationId: string;
      readonly epoch: number;
      readonly sequence: number;
      readonly usage: ReportedUsage;
      /** Nothing can be spent any more: this is the whole truth. */
      readonly final: boolean;
    }
  | {
      /** Child side: the parent renewed; counted from when the renewal was asked for. */
      readonly type: "renew_lease";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly epoch: number;
      readonly endsAtMs: number;
    }
  | {
      /** Child side: the parent has taken the final account with this sequence, or wants none; its record may be given up. */
      readonly type: "acknowledge_final";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly sequence: number;
    }
  | {
      /** A person gives a silent holder up: what is in doubt counts as spent, until a true account comes. */
      readonly type: "write_off";
      readonly nowMs: number;
      readonly caller: string;
      readonly requestId: string;
      readonly allocationId: string;
      readonly reason: string;
    }
  | {
      /** Budget of a node is reserved for later. The same request again answers the same. */
      readonly type: "reserve_ahead";
      readonly nowMs: number;
      readonly caller: string;
      readonly requestId: string;
      /** Minted for it. */
      readonly reservationId: string;
      readonly allocationId: string;
      readonly name: string;
      readonly amounts: Amounts;
      /** Time until it begins, in milliseconds. */
      readonly startsInMs: number;
      /** How long it is kept from then on for somebody to use it, in milliseconds. */
      readonly lastsMs: number;
      readonly priority: Priority;
      /** It begins when this one of the same node ends, if that is later. */
      readonly afterId?: string;
    }
  | { readonly type: "cancel_reservation"; readonly nowMs: number; readonly reservationId: string }
  | { readonly type: "close"; readonly nowMs: number; readonly allocationId: string; readonly reason: string }
  | { readonly type: "cancel_request"; readonly nowMs: number; readonly caller: string; readonly requestId: string }
  | {
      readonly type: "reclaim";
      readonly nowMs: number;
      readonly preemptionId: string;
      readonly allocationId: string;
      readonly epoch: number | undefined;
      /** For SHRINK; absent, and for PAUSE and STOP: all that can be had. A person who names some for these is refused (codec). */
      readonly amounts: Amounts | undefined;
      readonly mode: PreemptionMode;
      readonly reason: string;
      /** For STOP: time to end in peace before force; absent: none. */
      readonly graceMs?: number;
      /** Of whoever needs the budget: above that of the allocation. Absent: a person does, or it is not known. */
      readonly claimantPriority?: Priority;
    }
  | {
      /** A person lets a paused allocation go on, with all that its pause took. */
      readonly type: "resume";
      readonly nowMs: number;
      readonly caller: string;
      readonly requestId: string;
      readonly allocationId: string;
    }
  | {
      readonly type: "cancel_reclaim";
      readonly nowMs: number;
      readonly preemptionId: string;
      readonly allocationId: string;
    }
  | {
      readonly type: "attach_note";
      readonly nowMs: number;
      readonly allocationId: string;
      readonly key: string;
      readonly value: string;
    }
  | { readonly type: "tick"; readonly nowMs: number };

/** What a service keeps with an allocation. */
interface Note {
  readonly key: string;
  readonly value: string;
}

export type CommandOf<T extends Command["type"]> = Extract<Command, { readonly type: T }>;

/**
 * Cumulative usage of a whole subtree, as it travels up. It never falls but with a correction: of two usages of one allocation that with
 * more corrections is the later one, and of two with as many the larger one.
 */
export interface ReportedUsage {
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
  /** How often a true account has corrected what was written off in the subtree. */
  readonly corrections: number;
  /** Something in the subtree is written off and not corrected yet: the usage may still change after the final account. */
  readonly provisional: boolean;
}

/** The usage of what was never used. */
export const NO_USAGE: ReportedUsage = Object.freeze({
  credits: ZERO,
  toolCalls: ZERO,
  overrunCredits: ZERO,
  overrunToolCalls: ZERO,
  branchesPeak: ZERO,
  memoryPeakBytes: ZERO,
  networkBytes: 0,
  diskBytes: 0,
  gpuMs: 0,
  callsPerTool: Object.freeze([]),
  corrections: 0,
  provisional: false,
});
