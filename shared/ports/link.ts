/**
 * The connection between a daemon and the tier above it, in the engine's terms. Over gRPC it is the two streams of BudgetService; in a
 * simulation it is memory. It may lose, repeat and reorder what crosses a reconnect; counters and sequences make that harmless.
 */
import type {
  Access,
  AllocationKind,
  AllocationState,
  Amount,
  Amounts,
  Conflict,
  Consumable,
  InheritedPolicy,
  Limits,
  Policy,
  Priority,
  ReportedUsage,
  StopTold,
  StrategyName,
} from "#budget";
import type { FaultError, RefusalError } from "#errors";
import type { TraceContext } from "./telemetry.ts";

/** Why one item of a link failed while the link goes on. */
export type ItemError = FaultError | RefusalError;

/** A grant as it is handed to the daemon that will hold it. Milliseconds are durations, counted by the receiver. */
export interface GrantHandover {
  readonly allocationId: string;
  readonly path: string;
  readonly depth: number;
  readonly name: string;
  readonly kind: AllocationKind;
  readonly limits: Limits;
  /** Consumables that the holder keeps none of: asked for as needed, handed back as they come free. */
  readonly pooled: readonly Consumable[];
  readonly priority: Priority;
  readonly weight: number;
  readonly policy: Policy;
  readonly token: string | undefined;
  readonly epoch: number;
  readonly leaseTtlMs: number;
  /**
   * The holder's own clock at the latest at which the grant was written down: the lease counts from it. Undefined: nothing may be spent
   * before a renewal.
   */
  readonly holderMarkMs: number | undefined;
  readonly deadlineLeftMs: number | undefined;
  /** Names of tools and resources that it holds, and those held above it; absent: none. */
  readonly access?: readonly Access[];
}

/** Where a request wants budget: for a new allocation under a parent, or more for one that is held. */
export type GrantTarget =
  | {
      readonly type: "open";
      readonly parentId: string;
      readonly name: string;
      readonly kind: AllocationKind | undefined;
      readonly limits: Limits;
      /** Names of tools and resources that it shall hold; absent: none. */
      readonly access?: readonly Access[];
    }
  | { readonly type: "raise"; readonly allocationId: string; readonly epoch: number; readonly by: Amounts };

export interface GrantAsk {
  readonly requestId: string;
  readonly target: GrantTarget;
  /** The least that is of use, consumables only. */
  readonly min: Amounts;
  readonly priority: Priority;
  readonly weight: number;
  readonly waitMs: number;
  readonly strategy: StrategyName | undefined;
  readonly trace: TraceContext | undefined;
  /** The reservation of the parent that it is met out of; absent: none. */
  readonly reservationId?: string;
}

export type GrantAnswer =
  | {
      readonly type: "opened";
      readonly grant: GrantHandover;
      readonly partial: boolean;
      /** Ids of allocations that gave way to it; absent: none, or it is answered again. */
      readonly preempted?: readonly string[];
    }
  | {
      readonly type: "raised";
      readonly allocationId: string;
      readonly epoch: number;
      readonly grantedTotal: Amounts;
      readonly partial: boolean;
      readonly preempted?: readonly string[];
    }
  | { readonly type: "queued"; readonly conflict: Conflict }
  | { readonly type: "denied"; readonly error: ItemError };

export interface HeldAllocation {
  readonly allocationId: string;
  readonly epoch: number;
  readonly usage: ReportedUsage;
  readonly grantedTotal: Amounts;
  readonly returnedTotal: Amounts;
  /** Closed here: the usage is the whole truth. */
  readonly final: boolean;
}

export interface Hello {
  readonly instance: string;
  readonly incarnation: string;
  readonly journalId: string;
  /** host:port at which the child serves work and preemption. */
  readonly address: string;
  readonly tier: string;
  /** Work taken at the same time at most; 0 means no bound of its own. */
  readonly capacity: number;
  /** Number of the child's life, by its journal; each start has a larger one. 0: not said. */
  readonly life: number;
  /** The child's own clock when it said this, in milliseconds from a start of its own. Undefined: not said. */
  readonly clockMarkMs: number | undefined;
  readonly allocations: readonly HeldAllocation[];
}

export interface UsageItem {
  readonly allocationId: string;
  readonly epoch: number;
  readonly sequence: number;
  readonly usage: ReportedUsage;
  readonly state: AllocationState;
  readonly final: boolean;
  readonly returnedTotal: Amounts;
  readonly trace: TraceContext | undefined;
}

/** From the child to its parent. The first item of a link is hello. */
export type UpItem =
  | { readonly type: "hello"; readonly hello: Hello }
  | { readonly type: "ask"; readonly ask: GrantAsk }
  | {
      readonly type: "returned";
      readonly allocationId: string;
      readonly epoch: number;
      readonly returnedTotal: Amounts;
    }
  | { readonly type: "cancel"; readonly requestId: string }
  | { readonly type: "usage"; readonly report: UsageItem }
  | {
      /** The child's own clock, so that leases can be counted by it; the first one answers the welcome. */
      readonly type: "mark";
      readonly clockMarkMs: number | undefined;
      /** The welcome that it answers. */
      readonly welcomeId: string | undefined;
    };

/** Only a time to live travels; each side counts from a moment of its own. */
export interface LeaseTerms {
  readonly epoch: number;
  readonly ttlMs: number;
}

export interface AllocationStanding {
  readonly allocationId: string;
  /** 0 when the parent does not know the allocation. */
  readonly epoch: number;
  readonly state: AllocationState | undefined;
  readonly grantedTotal: Amounts;
  /** The lease in force, counted by the child from when it sent hello. Undefined: nothing may be spent under one. */
  readonly lease: LeaseTerms | undefined;
  /** Milliseconds to its deadline as the parent has it now; absent: not said. */
  readonly deadlineLeftMs?: number | undefined;
  /** Pauses of it that are over, by their ids; absent: none. */
  readonly pausesOver?: readonly string[] | undefined;
  /** What it inherits from policies above it by now; absent: not said. */
  readonly inherited?: InheritedPolicy | undefined;
}

export interface Welcome {
  /** Names this welcome; the child's first mark answers it. */
  readonly welcomeId: string;
  readonly instance: string;
  readonly incarnation: string;
  readonly allocations: readonly AllocationStanding[];
}

export type Directive = "THROTTLE" | "PAUSE" | "STOP" | "LOW_BUDGET";

/** The use of a limit has come to a threshold. */
export interface LowBudget {
  /** The node whose limit it is, and its path for people. */
  readonly allocationId: string;
  readonly path: string;
  readonly resource: Consumable;
  readonly percent: number;
  /** Free there. */
  readonly available: Amount;
  readonly limit: Amount;
}

export interface UsageAck {
  readonly allocationId: string;
  readonly sequence: number;
  /** Present when the lease was renewed; counted by the child from when it sent the report. */
  readonly lease: LeaseTerms | undefined;
  readonly directive: Directive | undefined;
  readonly reason: string;
  readonly final: boolean;
  readonly error: ItemError | undefined;
  /** For LOW_BUDGET: what the allocation draws on. */
  readonly lowBudget?: LowBudget | undefined;
  /** For STOP by a preemption: which one, and how long it may take. */
  readonly stop?: StopTold | undefined;
}

/** From the parent to its child. The first item of a link is welcome. */
export type DownItem =
  | { readonly type: "welcome"; readonly welcome: Welcome }
  | { readonly type: "decision"; readonly requestId: string; readonly answer: GrantAnswer }
  | {
      readonly type: "revision";
      readonly allocationId: string;
      readonly epoch: number;
      readonly grantedTotal: Amounts;
      /** Milliseconds to its deadline as the parent has it now; absent: not said. */
      readonly deadlineLeftMs?: number | undefined;
      /** Pauses of it that are over, by their ids; absent: not said. */
      readonly pausesOver?: readonly string[] | undefined;
      /** What it inherits from policies above it by now; absent: not said. */
      readonly inherited?: InheritedPolicy | undefined;
    }
  | { readonly type: "ack"; readonly ack: UsageAck };

/** One side of a connection. Handlers are set once, before the first item can arrive. */
export interface Link<Out, In> {
  /**
   * Hands items over for sending, in order. False when the other side does not keep up: nothing of these items was taken, and the
   * link closes itself.
   */
  send(items: readonly Out[]): boolean;
  /** Items in the order in which the other side sent them, as they arrived together. */
  onItems(handler: (items: readonly In[]) => void): void;
  /** Called once when the link is over, with the reason when it was not ended in peace. */
  onClose(handler: (error?: Error) => void): void;
  /** Ends the link, in peace or with a refusal that the other side is told. */
  close(refusal?: RefusalError): void;
}

export type ChildLink = Link<UpItem, DownItem>;
export type ParentLink = Link<DownItem, UpItem>;
