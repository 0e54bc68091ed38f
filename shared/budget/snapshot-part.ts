/**
 * A state as a list of plain values, from which it can be built again exactly. One part is one thing; parts speak of each other by
 * *place*: allocations, holds, waiters and ended subjects are each counted from 0 in the order of their parts. The order of the kinds is
 * that of PART_TYPES; within a kind it is the order of the state's own collections.
 * What a part holds that can change belongs to it alone: books, tallies and lists are copies, and whoever builds a state may keep them.
 * What follows from other parts is left out: open children and unended holds of a node, the roots, the answer of a call as far as it is
 * the hold's, the facts of an allocation in the answer that opened it.
 */
import type { Access } from "./access.ts";
import type { Claim } from "./claims.ts";
import type { OpenedAnswer, OutcomeOf } from "./outcome.ts";
import type { PastReservation, Reservation } from "./reservation.ts";
import type { Amounts } from "./resource.ts";
import type { ShareWish } from "./share-wish.ts";
import type { Allocation, BudgetState, Hold, Reclaim, Tally, Waiter } from "./state.ts";
import type { Parts } from "./tranches.ts";
import type { History } from "./victims.ts";

/** The kinds of parts, in the order in which they come. */
export const PART_TYPES = [
  "header",
  "allocation",
  "names",
  "hold",
  "tranches",
  "make_up",
  "waiter",
  "claim",
  "reservation",
  "earmark",
  "history",
  "ended",
  "effect_keys",
  "closed_children",
  "reclaim",
  "note",
  "final_account",
  "effect",
  "remembered",
  "due",
  "end",
] as const;
export type PartType = (typeof PART_TYPES)[number];

/** The position of an allocation, hold, waiter or ended subject among the parts of its kind, from 0. */
export type Place = number;

/** Always first: what the state is as a whole. */
export type HeaderPart = { readonly type: "header" } & Omit<
  BudgetState,
  | "allocations"
  | "roots"
  | "openRoots"
  | "unacknowledged"
  | "acknowledged"
  | "holds"
  | "effects"
  | "ended"
  | "due"
  | "victims"
  | "names"
  | "shadows"
  | "sharing"
  | "reservations"
>;

/** What other parts say of an allocation, or what follows from them. */
type ToldElsewhere =
  | "parent"
  | "path"
  | "pathTo"
  | "effectKeys"
  | "tally"
  | "children"
  | "older"
  | "younger"
  | "holders"
  | "closedChildren"
  | "holds"
  | "liveHolds"
  | "reclaims"
  | "endedReclaims"
  | "waiters"
  | "notes"
  | "tranches"
  | "wrapUpReserve";

/** Parents come before their children. */
export interface AllocationPart extends Readonly<Omit<Allocation, ToldElsewhere>> {
  readonly type: "allocation";
  /**
   * Pushed out of the reports, and known only to calls that were its own: without notes, effect keys, preemptions and closed children. These
   * come after all others. Read, and no longer written: what is remembered of a call says all of it.
   */
  readonly forgotten: boolean;
  readonly parent: Place | undefined;
  /** Absent: the parent's path, a slash and the name. */
  readonly path: string | undefined;
  readonly tally: Omit<Tally, "callsPerTool">;
  readonly callsPerTool: readonly (readonly [string, number])[];
  readonly holders: readonly (readonly [string, number])[];
  /** The first EFFECT_KEYS_PER_PART; parts of type `effect_keys` go on. */
  readonly effectKeys: string[];
  /** What it wishes of a parent that divides by weight; absent: nothing is said. */
  readonly wish?: ShareWish;
}

/** The names that an open allocation holds; in the order of the allocations. */
export interface NamesPart {
  readonly type: "names";
  readonly allocation: Place;
  readonly access: readonly Access[];
}

/** Exactly one of `requestId` and `effectKey` is there. */
export interface HoldPart
  extends Readonly<Omit<Hold, "allocation" | "effectKey" | "kind" | "fingerprint" | "answeredUntilMs">> {
  readonly type: "hold";
  readonly allocation: Place;
  /** The request under its own allocation, which is what reserves are remembered by. */
  readonly requestId: string | undefined;
  /** Any other key. */
  readonly effectKey: string | undefined;
}

/** What is carved inside the credits of an allocation; in the order of the allocations. */
export interface TranchesPart {
  readonly type: "tranches";
  readonly allocation: Place;
  readonly carve: Parts;
  readonly left: Parts;
  /** The open child that is its final step. */
  readonly finalStep: Place | undefined;
}

/** What a child or a call has drawn of that; those of one allocation in the order in which they stand there. */
export interface MakeUpPart {
  readonly type: "make_up";
  readonly allocation: Place;
  readonly of: { readonly child: Place } | { readonly hold: Place };
  readonly drawn: Parts;
}

/** Those of one parent in the order in which they stand there. What one demands, and its priority, follow from its request. */
export interface WaiterPart extends Omit<Waiter, "kind" | "demand" | "lane" | "base" | "parentId" | "shut"> {
  readonly type: "waiter";
  readonly parent: Place;
}

/** A waiter to which others give way; those of one node in the order in which they stand there. */
export interface ClaimPart extends Readonly<Omit<Claim, "waiter">> {
  readonly type: "claim";
  readonly waiter: Place;
}

/** What is reserved for later: those that stand, the oldest first; then those that are over, in the order of their end. */
export interface ReservationPart extends Readonly<Reservation> {
  readonly type: "reservation";
  /** Absent: it stands. */
  readonly over?: Omit<PastReservation, "reservation">;
}

/** What is set aside at a node; in the order in which it stands there. */
export interface EarmarkPart {
  readonly type: "earmark";
  readonly allocation: Place;
  readonly key: string;
  readonly amounts: Amounts;
}

/** What is kept of work that may have to give way; the allocation may be gone. The oldest first. */
export interface HistoryPart extends History {
  readonly type: "history";
  readonly allocationId: string;
}

/**
 * What may be forgotten, and when, in that order. Exactly one of `hold`, `allocation` and `id` is there. Read, and no longer written: what has
 * ended is told by `remembered` parts.
 */
export interface EndedPart {
  readonly type: "ended";
  readonly forgetAtMs: number;
  readonly hold: Place | undefined;
  readonly allocation: Place | undefined;
  /** Of something of which only this memory is left. */
  readonly id: string | undefined;
  /** Those of an `id`: the first EFFECT_KEYS_PER_PART. A hold and an allocation have their own. */
  readonly effectKeys: string[];
}

/** More effect keys of one allocation or ended subject, at most EFFECT_KEYS_PER_PART; in order. */
export interface EffectKeysPart {
  readonly type: "effect_keys";
  readonly of: { readonly allocation: Place } | { readonly ended: Place };
  readonly keys: readonly string[];
}

/** Closed children of one allocation in order; may go on in the next part. */
export interface ClosedChildrenPart {
  readonly type: "closed_children";
  readonly allocation: Place;
  readonly children: readonly Place[];
}

export interface ReclaimPart extends Readonly<Reclaim> {
  readonly type: "reclaim";
  readonly allocation: Place;
  readonly ended: boolean;
}

export interface NotePart {
  readonly type: "note";
  readonly allocation: Place;
  readonly key: string;
  readonly value: string;
}

/** Closed received grants in the order in which they stand there; may go on in the next part. */
export interface FinalAccountPart {
  readonly type: "final_account";
  readonly acknowledged: boolean;
  readonly allocations: readonly Place[];
}

/** The key of an effect: the text, or its position among the effect keys of the allocation that the answer speaks of. */
export type KeyPlace = string | number;

type Opened = OpenedAnswer;
type Raised = OutcomeOf<"raised">;
type Rest = OutcomeOf<"held"> | OutcomeOf<"written_off"> | OutcomeOf<"updated"> | OutcomeOf<"reserved_ahead">;
/** A kept answer is that of the first request. */
type Kept<Answer> = Answer extends { readonly repeated: boolean } ? Readonly<Omit<Answer, "repeated">> : never;

/** The answer to a reserve: key, amounts and clamp are the hold's. */
export interface CallEffect {
  readonly type: "effect";
  readonly kind: "call";
  readonly fingerprint: number;
  readonly hold: Place;
  /** As answered, when the hold has another by now: it was extended. Absent: the hold's. */
  readonly expiresAtMs: number | undefined;
}

/** The answer with which an allocation was opened; what is not here is the allocation's and never changes. */
export interface OpeningEffect {
  readonly type: "effect";
  readonly kind: "opening";
  readonly key: KeyPlace;
  readonly fingerprint: number;
  readonly allocation: Place;
  readonly answer: Pick<Opened, "policy" | "limits" | "grantedTotal" | "epoch" | "leaseTtlMs" | "partial">;
}

/** The answer with which an allocation was raised. */
export interface RaisingEffect {
  readonly type: "effect";
  readonly kind: "raising";
  readonly key: KeyPlace;
  readonly fingerprint: number;
  readonly allocation: Place;
  readonly answer: Omit<Kept<Raised>, "type" | "allocationId">;
}

/** A request that waits: key and fingerprint are the waiter's. */
export interface WaitingEffect {
  readonly type: "effect";
  readonly kind: "waiting";
  readonly waiter: Place;
}

/** Any other answer, in full: what it speaks of is gone or has changed. */
export interface AnswerEffect {
  readonly type: "effect";
  readonly kind: "answer";
  readonly key: string;
  readonly fingerprint: number;
  readonly answer: Kept<Opened> | Kept<Raised> | Kept<Rest>;
}

/** The kept answer of one request, in the order in which they are kept. */
export type EffectPart = CallEffect | OpeningEffect | RaisingEffect | WaitingEffect | AnswerEffect;

/** What has ended and is remembered, as the memory of ended work holds it; whole records in order, which go on in the next part. */
export interface RememberedPart {
  readonly type: "remembered";
  readonly bytes: Uint8Array;
}

export type DueName = keyof BudgetState["due"];

/** What is due, in order; may go on in the next part. Places are those of holds, allocations or waiters; when follows from these. */
export interface DuePart {
  readonly type: "due";
  readonly index: DueName;
  readonly items: readonly Place[];
}

/** Always last. */
export interface EndPart {
  readonly type: "end";
  /** How many parts came before this one. */
  readonly parts: number;
}

export type SnapshotPart =
  | HeaderPart
  | AllocationPart
  | NamesPart
  | HoldPart
  | TranchesPart
  | MakeUpPart
  | WaiterPart
  | ClaimPart
  | ReservationPart
  | EarmarkPart
  | HistoryPart
  | EndedPart
  | EffectKeysPart
  | ClosedChildrenPart
  | ReclaimPart
  | NotePart
  | FinalAccountPart
  | EffectPart
  | RememberedPart
  | DuePart
  | EndPart;

/** Effect keys in one part, places in one part: so that no part grows without end. */
export const EFFECT_KEYS_PER_PART = 64;
export const PLACES_PER_PART = 4_096;
