/**
 * What the engine answers: an outcome for the caller and messages for others. A refusal is a value; it changes nothing and is not
 * remembered. Both are plain copies: they stay true while the state moves on.
 */

import type { Amount } from "./amount.ts";
import type { ReportedUsage } from "./command.ts";
import type { BudgetEvent } from "./event.ts";
import type {
  AllocationKind,
  AllocationState,
  ConflictType,
  Policy,
  PreemptionMode,
  Priority,
  Side,
} from "./policy.ts";
import type { Amounts, Consumable, Limits, Resource } from "./resource.ts";

/** One field of a request that is wrong, by its wire name, with what to do. */
export interface Violation {
  readonly field: string;
  readonly message: string;
}

/** A request that cannot be met as asked: what refused, who holds it, when to try again. */
export interface Conflict {
  readonly conflict: ConflictType;
  readonly resource: Resource | "duration";
  /** The node that had not enough. */
  readonly ancestorId: string;
  readonly ancestorPath: string;
  readonly wanted: number;
  readonly available: number;
  readonly debt: number;
  /** Open children and holds with the largest share of it, at most LIMITS.conflictHoldersMax. */
  readonly holders: readonly { readonly id: string; readonly path: string; readonly amount: number }[];
  /** It can never fit: more than the node's whole limit. */
  readonly never: boolean;
  readonly retryAfterMs: number;
  /** Place in the queue, 1 is next; 0 when not queued. */
  readonly position: number;
  /** Milliseconds until the next known change at the node; an estimate. */
  readonly expectedWaitMs: number;
}

export type Refusal =
  | { readonly code: "invalid"; readonly violations: readonly Violation[] }
  | { readonly code: "not_found"; readonly subject: string; readonly id: string }
  | { readonly code: "stale_epoch"; readonly allocationId: string; readonly currentEpoch: number }
  | { readonly code: "not_permitted"; readonly message: string }
  | { readonly code: "request_reused"; readonly requestId: string }
  | { readonly code: "closing"; readonly allocationId: string; readonly path: string; readonly reason: string }
  | { readonly code: "lease_ended"; readonly allocationId: string; readonly path: string }
  /** Only what is in doubt can be written off. */
  | { readonly code: "not_in_doubt"; readonly allocationId: string; readonly message: string }
  | { readonly code: "unsupported"; readonly message: string }
  | { readonly code: "too_many"; readonly message: string; readonly retryAfterMs: number }
  | { readonly code: "conflict"; readonly conflict: Conflict };

export type Outcome =
  | {
      readonly type: "opened";
      readonly allocationId: string;
      readonly path: string;
      readonly depth: number;
      readonly name: string;
      readonly kind: AllocationKind;
      readonly priority: Priority;
      readonly weight: number;
      readonly policy: Policy;
      /** As granted; an absent resource is not limited. */
      readonly limits: Limits;
      /** Consumables that it draws from its parent as they are needed. */
      readonly pooled: readonly Consumable[];
      readonly grantedTotal: Amounts;
      readonly epoch: number;
      readonly leaseTtlMs: number;
      readonly token: string | undefined;
      readonly deadlineAtMs: number | undefined;
      /** Engine time from which `leaseTtlMs` counts here. */
      readonly decidedAtMs: number;
      readonly partial: boolean;
      /** The answer of an earlier, equal request. */
      readonly repeated: boolean;
    }
  | {
      readonly type: "raised";
      readonly allocationId: string;
      readonly epoch: number;
      readonly by: Amounts;
      readonly grantedTotal: Amounts;
      readonly partial: boolean;
      readonly repeated: boolean;
    }
  | { readonly type: "queued"; readonly conflict: Conflict }
  | {
      readonly type: "held";
      readonly holdId: string;
      readonly granted: Amounts;
      readonly clamped: boolean;
      readonly expiresAtMs: number;
      readonly repeated: boolean;
    }
  | {
      readonly type: "settled";
      readonly holdId: string;
      readonly credits: Amount;
      readonly toolCalls: Amount;
      /** Cost of this call beyond its hold, in credits. */
      readonly overrun: Amount;
      /** The hold had lapsed, or its allocation was closed already. */
      readonly late: boolean;
      readonly ended: boolean;
    }
  | {
      readonly type: "reported";
      readonly allocationId: string;
      readonly epoch: number;
      readonly sequence: number;
      readonly leaseTtlMs: number;
      readonly state: AllocationState;
      readonly closingReason: string | undefined;
    }
  | {
      readonly type: "reclaimed";
      readonly preemptionId: string;
      readonly reclaimed: Amounts;
      readonly pending: Amounts;
      readonly met: boolean;
      readonly returnedTotal: Amounts;
      /** Delegated allocations that were asked and have not given everything yet. */
      readonly waitingOn: readonly string[];
    }
  | {
      readonly type: "written_off";
      readonly allocationId: string;
      /** What was in doubt and now counts as spent. */
      readonly amounts: Amounts;
      readonly repeated: boolean;
    }
  | { readonly type: "done"; readonly changed: boolean }
  | { readonly type: "refused"; readonly refusal: Refusal };

/** An opening as it is kept for an equal request, which counts the lease anew. */
export type OpenedAnswer = Omit<OutcomeOf<"opened">, "decidedAtMs">;

export type OutcomeOf<T extends Outcome["type"]> = Extract<Outcome, { readonly type: T }>;

/** What others must be told once the events are durable. */
export type Message =
  /** A request that waited has its answer. */
  | { readonly type: "decided"; readonly caller: string; readonly requestId: string; readonly outcome: Outcome }
  /** A received grant gave budget back: tell the parent the counter. */
  | {
      readonly type: "returned";
      readonly allocationId: string;
      readonly epoch: number;
      readonly returnedTotal: Amounts;
    }
  /** A delegated grant grew: tell its holder the counter. */
  | {
      readonly type: "granted";
      readonly holder: string;
      readonly allocationId: string;
      readonly epoch: number;
      readonly grantedTotal: Amounts;
    }
  /** A delegated child is asked to give budget back. */
  | {
      readonly type: "reclaim_child";
      readonly holder: string;
      readonly allocationId: string;
      readonly epoch: number;
      readonly preemptionId: string;
      readonly amounts: Amounts;
      readonly mode: PreemptionMode;
      readonly reason: string;
    }
  | {
      readonly type: "reclaim_progress";
      readonly preemptionId: string;
      readonly allocationId: string;
      readonly reclaimed: Amounts;
      readonly pending: Amounts;
      readonly returnedTotal: Amounts;
      readonly ended: boolean;
    }
  | {
      readonly type: "closing";
      readonly allocationId: string;
      readonly side: Side;
      readonly holder: string | undefined;
      readonly reason: string;
    }
  /** It has its final books. Comes again, with a higher sequence, for a received grant whose books were corrected after that. */
  | {
      readonly type: "closed";
      readonly allocationId: string;
      readonly side: Side;
      readonly epoch: number;
      readonly sequence: number;
      readonly usage: ReportedUsage;
    }
  | { readonly type: "lease_ended"; readonly allocationId: string; readonly holder: string | undefined };

export interface Decision {
  readonly outcome: Outcome;
  readonly events: readonly BudgetEvent[];
  readonly messages: readonly Message[];
}
