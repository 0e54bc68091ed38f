/**
 * What the engine answers: an outcome for the caller and messages for others. A refusal is a value; it changes nothing and is not
 * remembered. Both are plain copies: they stay true while the state moves on.
 */

import type { Access, AccessMode } from "./access.ts";
import type { Amount } from "./amount.ts";
import type { ReportedUsage } from "./command.ts";
import type { BudgetEvent } from "./event.ts";
import type {
  AllocationKind,
  AllocationState,
  ConflictType,
  InheritedPolicy,
  Policy,
  PreemptionMode,
  Priority,
  Side,
} from "./policy.ts";
import type { ReservationEnd } from "./reservation.ts";
import type { Amounts, Consumable, Limits, Resource } from "./resource.ts";
import type { StrategyInForce } from "./strategy-in-force.ts";
import type { Parts } from "./tranches.ts";

/** One field of a request that is wrong, by its wire name, with what to do. */
export interface Violation {
  readonly field: string;
  readonly message: string;
}

/** A share of one resource among all that are there: the whole numbers around it. */
export interface ShareStanding {
  readonly least: number;
  readonly most: number;
  readonly weight: number;
}

/** A reservation that is in the way, or that the request would use and that has not begun. */
export interface ReservedStanding {
  readonly id: string;
  readonly name: string;
  /** Of the scarce resource: what nobody has used of it. */
  readonly amount: number;
  /** Milliseconds; 0: it has begun. */
  readonly startsInMs: number;
  readonly endsInMs: number;
  /** It is the one that the request would use. */
  readonly own: boolean;
}

/** A request that cannot be met as asked: what refused, who holds it, when to try again. */
export interface Conflict {
  readonly conflict: ConflictType;
  /** "access": a name, which `access` tells. */
  readonly resource: Resource | "duration" | "access";
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
  /**
   * An estimate. Of one who waits: until there is room for it and for those before it, if what runs ends at its deadline and spends nothing
   * more. Where that is not known, and of one who does not wait: until the next known change at the node. 0: nobody knows when something
   * changes, or it can never fit.
   */
  readonly expectedWaitMs: number;
  /** Of one who waits: how often one was served there of late; then expectedWaitMs is made of it. Never from the engine, which does not count it. */
  readonly servedEveryMs?: number;
  /** The strategy that decided about a wish; absent for a call, which no strategy decides about. */
  readonly strategy?: StrategyInForce;
  /** Where others may have to give way: who does, or why nobody. */
  readonly preemption?: string;
  /** How long it has waited; present when it may not wait any longer. */
  readonly waitedMs?: number;
  /** Where the scarce resource is divided by weight: what the request would have. Then the holders are those above theirs, with how much. */
  readonly share?: ShareStanding;
  /** The largest reservation of the scarce resource, for which it is kept; or the one that the request would use. */
  readonly reserved?: ReservedStanding;
  /** Credits that are free there and kept for others: which tranches the asker may not draw. Absent: none. */
  readonly kept?: Parts;
  /** Of a reservation that is to be made: it would have room if it began so many milliseconds from now. */
  readonly fitsInMs?: number;
  /** The name that is not to be had, where it is one. */
  readonly access?: AccessLacking;
}

/** A name that is wanted and not to be had now. */
export interface AccessLacking {
  readonly name: string;
  /** As it is wanted; of a call of the tool: SHARED. */
  readonly mode: AccessMode;
  /** How those who hold it do; absent: nobody who holds it is in the way. */
  readonly held?: AccessMode;
  /** Path of a request that has its turn before. */
  readonly before?: string;
  /** To wait for it would never end: who waits for whom, in words. */
  readonly circle?: string;
}

export type Refusal =
  | { readonly code: "invalid"; readonly violations: readonly Violation[] }
  | { readonly code: "not_found"; readonly subject: string; readonly id: string }
  | { readonly code: "stale_epoch"; readonly allocationId: string; readonly currentEpoch: number }
  | { readonly code: "not_permitted"; readonly message: string }
  | { readonly code: "request_reused"; readonly requestId: string }
  | { readonly code: "closing"; readonly allocationId: string; readonly path: string; readonly reason: string }
  /** Of a request that waited, and whose caller does not want it any more. */
  | { readonly code: "withdrawn"; readonly path: string }
  | { readonly code: "lease_ended"; readonly allocationId: string; readonly path: string }
  /** A PAUSE stands at this allocation: nothing new below it until it is resumed. */
  | { readonly code: "paused"; readonly allocationId: string; readonly path: string; readonly reason: string }
  /** Only what is in doubt can be written off. */
  | { readonly code: "not_in_doubt"; readonly allocationId: string; readonly message: string }
  | { readonly code: "unsupported"; readonly message: string }
  | { readonly code: "too_many"; readonly message: string; readonly retryAfterMs: number }
  | { readonly code: "conflict"; readonly conflict: Conflict };

/** What a policy can make of a request. */
export const WOULD = ["GRANTED", "GRANTED_IN_PART", "PREEMPTING", "QUEUED", "REFUSED"] as const;
export type Would = (typeof WOULD)[number];

/** Who would give way. */
export interface ShadowGiver {
  readonly path: string;
  readonly mode: PreemptionMode;
}

export type ShadowResult =
  | { readonly would: "GRANTED" | "GRANTED_IN_PART"; readonly granted: Amounts; readonly lacking: Amounts }
  /** Others would give way to it; it is granted when they have. */
  | {
      readonly would: "PREEMPTING";
      /** The first LIMITS.shadowGiversTold of them. */
      readonly givers: readonly ShadowGiver[];
      readonly giversMore: number;
      readonly conflict: Conflict;
    }
  | { readonly would: "QUEUED"; readonly conflict: Conflict }
  | { readonly would: "REFUSED"; readonly refusal: Refusal };

/** On the books as they were when it was decided, with those who waited then. */
export type ShadowVerdict = ShadowResult & {
  /** The strategy that would have decided. */
  readonly strategy: StrategyInForce;
  /** What the policy in force made of it. */
  readonly was: Would;
  /** Both made the same of it: of the same kind, and in part the same amounts. */
  readonly agrees: boolean;
};

/** A STOP as the holder is told it. */
export interface StopTold {
  readonly preemptionId: string;
  /** Time to end in peace before force. */
  readonly graceMs: number;
}

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
      /** Names that it holds, and those held above it; absent: none. Not kept: told only while it is open. */
      readonly access?: readonly Access[];
      /** Who gave way to it when it had waited, by the latest plan; absent: nobody. Not kept: told once. */
      readonly preempted?: readonly string[];
      /** Of a policy that is tried beside the one in force; so wherever it stands. */
      readonly shadow?: ShadowVerdict;
    }
  | {
      readonly type: "raised";
      readonly allocationId: string;
      readonly epoch: number;
      readonly by: Amounts;
      readonly grantedTotal: Amounts;
      readonly partial: boolean;
      readonly repeated: boolean;
      readonly preempted?: readonly string[];
      readonly shadow?: ShadowVerdict;
    }
  | {
      readonly type: "updated";
      readonly allocationId: string;
      readonly before: Limits;
      readonly after: Limits;
      readonly repeated: boolean;
    }
  | { readonly type: "queued"; readonly conflict: Conflict; readonly shadow?: ShadowVerdict }
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
      /** Present: it closes by a preemption. */
      readonly stop?: StopTold;
    }
  | {
      readonly type: "reclaimed";
      readonly preemptionId: string;
      readonly reclaimed: Amounts;
      readonly pending: Amounts;
      readonly met: boolean;
      /** Of a SHRINK that is not met: nothing more is free, here or at all below who were asked. */
      readonly exhausted: boolean;
      readonly returnedTotal: Amounts;
      /** Delegated allocations that were asked and have not given everything yet; of PAUSE and STOP the first LIMITS.victimsToldMax. */
      readonly waitingOn: readonly string[];
      /** Of PAUSE and STOP: delegated allocations that it stopped, the first LIMITS.victimsToldMax. */
      readonly victims: readonly string[];
    }
  | {
      readonly type: "written_off";
      readonly allocationId: string;
      /** What was in doubt and now counts as spent. */
      readonly amounts: Amounts;
      readonly repeated: boolean;
    }
  | {
      readonly type: "reserved_ahead";
      readonly reservationId: string;
      /** The node whose budget it is. */
      readonly allocationId: string;
      readonly amounts: Amounts;
      /** Engine time of its beginning and of its end. */
      readonly startsAtMs: number;
      readonly endsAtMs: number;
      readonly repeated: boolean;
    }
  | { readonly type: "done"; readonly changed: boolean }
  | { readonly type: "refused"; readonly refusal: Refusal; readonly shadow?: ShadowVerdict };

/** An opening as it is kept for an equal request, which counts the lease anew. */
export type OpenedAnswer = Omit<OutcomeOf<"opened">, "decidedAtMs" | "shadow" | "access" | "preempted">;

export type OutcomeOf<T extends Outcome["type"]> = Extract<Outcome, { readonly type: T }>;

/** What is decided about budget without that somebody asked. */
export type Unasked =
  /** A pause is over. */
  | {
      readonly decided: "RESUMED";
      /** What it has again of what it gave. */
      readonly back: Amounts;
    }
  /** Where budget is divided by weight: it gets more of it. */
  | { readonly decided: "TOPPED_UP"; readonly by: Amounts }
  | {
      readonly decided: "RESERVATION_ENDED";
      readonly reservationId: string;
      readonly cause: ReservationEnd;
      /** What nobody has used. */
      readonly left: Amounts;
    };

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
  /** A delegated grant grew, or its deadline moved: tell its holder the counter and what is left. */
  | {
      readonly type: "granted";
      readonly holder: string;
      readonly allocationId: string;
      readonly epoch: number;
      readonly grantedTotal: Amounts;
      readonly deadlineAtMs: number | undefined;
      /** Pauses of it that are over; absent: not said. */
      readonly pausesOver?: readonly string[] | undefined;
      /** What it inherits from policies above it by now; absent: not said. */
      readonly inherited?: InheritedPolicy | undefined;
    }
  /** The use of a limit has come to a threshold; see low-budget.ts. */
  | {
      readonly type: "low_budget";
      /** The node whose limit it is. */
      readonly allocationId: string;
      readonly path: string;
      readonly resource: Consumable;
      readonly percent: number;
      /** Free there now. */
      readonly available: Amount;
      readonly limit: Amount;
      /** Present: it is for this daemon, because `heldId`, which it holds, draws on the node. */
      readonly holder: string | undefined;
      readonly heldId: string;
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
      /** For STOP: time to end in peace before force. */
      readonly graceMs?: number;
      /** Absent: not known any more, or a person's. */
      readonly claimantPriority?: Priority;
    }
  /** For the log of decisions alone: nobody asked for it, and nobody is answered. */
  | { readonly type: "noted"; readonly allocationId: string; readonly verdict: Unasked }
  /** It takes nothing new until it is resumed; and it goes on. For what is held or kept here. */
  | { readonly type: "paused"; readonly allocationId: string; readonly preemptionId: string; readonly reason: string }
  | { readonly type: "resumed"; readonly allocationId: string }
  | {
      readonly type: "reclaim_progress";
      readonly preemptionId: string;
      readonly allocationId: string;
      readonly reclaimed: Amounts;
      readonly pending: Amounts;
      /** Of a SHRINK: all below who were asked have nothing more that is free. False: not known. */
      readonly exhausted: boolean;
      readonly returnedTotal: Amounts;
      readonly ended: boolean;
    }
  | {
      readonly type: "closing";
      readonly allocationId: string;
      readonly side: Side;
      readonly holder: string | undefined;
      readonly reason: string;
      /** Present: by a preemption. */
      readonly stop?: StopTold;
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
