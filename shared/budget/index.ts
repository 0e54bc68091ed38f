/** The budget engine: pure, synchronous, deterministic. Everything outside enters here. */
export type { Access, AccessMode } from "./access.ts";
export { ACCESS_MODES } from "./access.ts";
export { allowanceOf } from "./allowance.ts";
export type { Amount } from "./amount.ts";
export { add, amount, isAmount, least, monus, most, subtract, ZERO } from "./amount.ts";
export { gaveWay, limitsAtOpening } from "./attempt.ts";
export { usageOf } from "./cascade.ts";
export type { Giver } from "./claims.ts";
export type { Command, CommandOf, GrantWish, OpenWish, RaiseWish, ReceiveGrant, ReportedUsage } from "./command.ts";
export { NO_USAGE } from "./command.ts";
export { decide } from "./decide.ts";
export { ENDED_BY_HOLDER } from "./decide-report.ts";
export { DEADLINE_PASSED, nextDueMs } from "./decide-time.ts";
export { describeState } from "./describe.ts";
export type {
  AccountCorrected,
  AllocationClosed,
  AllocationClosing,
  AllocationOpened,
  BudgetEvent,
  ClaimPlanned,
  DaemonStarted,
  DeadlineMoved,
  EffectMark,
  FinalAcknowledged,
  HoldCharged,
  HoldExtended,
  HoldLapsed,
  HoldPlaced,
  LateSettleRecorded,
  LeaseEnded,
  LeaseRenewed,
  LimitLowered,
  LimitRaised,
  LimitsUpdated,
  MemoryReleased,
  NoteAttached,
  PolicySet,
  ReclaimEnded,
  ReclaimRequested,
  RequestDequeued,
  RequestQueued,
  RoomReserved,
  TranchesSet,
  UsageReported,
  WrittenOff,
} from "./event.ts";
export { evolve } from "./evolve.ts";
export type { Decided, DecisionRecord, PreemptionStanding, ToldWish, Verdict } from "./explain.ts";
export { callWords, DECIDED, reserveAheadWords, wishWords, wordsOf } from "./explain.ts";
export { namesStrategy, strategyInForce, strategyNamedBy } from "./find-strategy.ts";
export { isUsedUp } from "./free.ts";
export { type GrantRevision, revisionOf } from "./grant-revision.ts";
export { assertInvariants, invariantFaults } from "./invariants.ts";
export { leaseLeft } from "./lease.ts";
export type { Book, HeldBook } from "./ledger.ts";
export { limitsOf } from "./limits-of.ts";
export { lowBudgetsOver, lowPercentOf } from "./low-budget.ts";
export type {
  AccessLacking,
  Conflict,
  Decision,
  Message,
  Outcome,
  OutcomeOf,
  Refusal,
  ReservedStanding,
  ShadowResult,
  ShadowVerdict,
  ShareStanding,
  StopTold,
  Violation,
  Would,
} from "./outcome.ts";
export { WOULD } from "./outcome.ts";
export { pausedBy, pausesOver, stopFor } from "./paused.ts";
export type {
  AllocationKind,
  AllocationState,
  ConflictType,
  InheritedPolicy,
  Policy,
  PreemptionMode,
  PreemptionPolicy,
  Priority,
  ShadowPolicy,
  Side,
  StrategyName,
} from "./policy.ts";
export { ALLOCATION_KINDS, CONFLICT_TYPES, PREEMPTION_MODES, PRIORITIES, STRATEGIES } from "./policy.ts";
export { percentsProblem, preemptionProblems, shadowViolations } from "./policy-check.ts";
export { waitsFor } from "./queue.ts";
export { conflictWords, placeWords, refusalWords, resourceName } from "./refusal-words.ts";
export type { PastReservation, Reservation, ReservationEnd } from "./reservation.ts";
export { missingOf, RESERVATION_ENDS } from "./reservation.ts";
export type { ReservationEvent, ReservationMade } from "./reservation-event.ts";
export type { Amounts, Consumable, Demand, HeldResource, Limits, Resource } from "./resource.ts";
export {
  addAmounts,
  amountsOf,
  CONSUMABLES,
  HELD_RESOURCES,
  isNothing,
  leastAmounts,
  monusAmounts,
  mostAmounts,
  NOTHING,
  RESOURCES,
} from "./resource.ts";
export { NO_WRITE_OFF } from "./seldom.ts";
export { atRate } from "./served-rate.ts";
export { shadowWords } from "./shadow-words.ts";
export type { ShareWish } from "./share-wish.ts";
export { snapshotParts } from "./snapshot.ts";
export { SnapshotError } from "./snapshot-error.ts";
export type {
  AllocationPart,
  AnswerEffect,
  CallEffect,
  ClaimPart,
  ClosedChildrenPart,
  DueName,
  DuePart,
  EarmarkPart,
  EffectKeysPart,
  EffectPart,
  EndedPart,
  EndPart,
  FinalAccountPart,
  HeaderPart,
  HistoryPart,
  HoldPart,
  KeyPlace,
  MakeUpPart,
  NamesPart,
  NotePart,
  OpeningEffect,
  PartType,
  Place,
  RaisingEffect,
  ReclaimPart,
  RememberedPart,
  ReservationPart,
  SnapshotPart,
  TranchesPart,
  WaiterPart,
  WaitingEffect,
} from "./snapshot-part.ts";
export { PART_TYPES } from "./snapshot-part.ts";
export { restoreState } from "./snapshot-restore.ts";
export { allocationStanding, requestStandings, type Waiting, waitingAt } from "./standing.ts";
export type {
  Allocation,
  BudgetState,
  Hold,
  Reclaim,
  Tally,
  Waiter,
  WriteOff,
} from "./state.ts";
export { createState, rootOf } from "./state.ts";
export type { StrategyInForce } from "./strategy-in-force.ts";
export { strategyWords } from "./strategy-in-force.ts";
export { TRANCHE_FIELD } from "./tranche-limits.ts";
export { NO_PARTS, NO_TRANCHES, type Parts, TRANCHES, type Tranche } from "./tranches.ts";
