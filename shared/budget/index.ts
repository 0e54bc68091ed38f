/** The budget engine: pure, synchronous, deterministic. Everything outside enters here. */
export type { Amount } from "./amount.ts";
export { add, amount, isAmount, least, monus, most, subtract, ZERO } from "./amount.ts";
export { usageOf } from "./cascade.ts";
export type { Giver } from "./claims.ts";
export type { Command, CommandOf, GrantWish, OpenWish, RaiseWish, ReceiveGrant, ReportedUsage } from "./command.ts";
export { NO_USAGE } from "./command.ts";
export { decide } from "./decide.ts";
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
  UsageReported,
  WrittenOff,
} from "./event.ts";
export { evolve } from "./evolve.ts";
export type { Decided, DecisionRecord, PreemptionStanding, ToldWish, Verdict } from "./explain.ts";
export { callWords, DECIDED, wishWords, wordsOf } from "./explain.ts";
export { namesStrategy, strategyInForce } from "./find-strategy.ts";
export { assertInvariants, invariantFaults } from "./invariants.ts";
export { leaseLeft } from "./lease.ts";
export type { Book, HeldBook } from "./ledger.ts";
export { limitsOf } from "./limits-of.ts";
export { lowBudgetsOver, lowPercentOf } from "./low-budget.ts";
export type {
  Conflict,
  Decision,
  Message,
  Outcome,
  OutcomeOf,
  Refusal,
  ShareStanding,
  StopTold,
  Violation,
} from "./outcome.ts";
export { pausedBy, pausesOver, stopFor } from "./paused.ts";
export type {
  AllocationKind,
  AllocationState,
  ConflictType,
  Policy,
  PreemptionMode,
  PreemptionPolicy,
  Priority,
  Side,
  StrategyName,
} from "./policy.ts";
export { ALLOCATION_KINDS, CONFLICT_TYPES, PREEMPTION_MODES, PRIORITIES, STRATEGIES, WORST_SERVED } from "./policy.ts";
export { percentsProblem, preemptionProblems } from "./policy-check.ts";
export { conflictWords, refusalWords, resourceName } from "./refusal-words.ts";
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
  NotePart,
  OpeningEffect,
  PartType,
  Place,
  RaisingEffect,
  ReclaimPart,
  RememberedPart,
  SnapshotPart,
  WaiterPart,
  WaitingEffect,
} from "./snapshot-part.ts";
export { PART_TYPES } from "./snapshot-part.ts";
export { restoreState } from "./snapshot-restore.ts";
export { allocationStanding, requestStandings } from "./standing.ts";
export type {
  Allocation,
  BudgetState,
  Hold,
  Reclaim,
  Tally,
  Waiter,
  WriteOff,
} from "./state.ts";
export { createState, NO_WRITE_OFF, rootOf } from "./state.ts";
export type { StrategyInForce } from "./strategy-in-force.ts";
