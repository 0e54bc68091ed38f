/** The budget engine: pure, synchronous, deterministic. Everything outside enters here. */
export type { Amount } from "./amount.ts";
export { add, amount, isAmount, least, monus, most, subtract, ZERO } from "./amount.ts";
export { usageOf } from "./cascade.ts";
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
  DaemonStarted,
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
  MemoryReleased,
  NoteAttached,
  PolicySet,
  ReclaimEnded,
  ReclaimRequested,
  RequestDequeued,
  RequestQueued,
  UsageReported,
  WrittenOff,
} from "./event.ts";
export { evolve } from "./evolve.ts";
export { assertInvariants, invariantFaults } from "./invariants.ts";
export { leaseLeft } from "./lease.ts";
export type { Book, HeldBook } from "./ledger.ts";
export { limitsOf } from "./limits-of.ts";
export type { Conflict, Decision, Message, Outcome, OutcomeOf, Refusal, Violation } from "./outcome.ts";
export type {
  AllocationKind,
  AllocationState,
  ConflictType,
  Policy,
  PreemptionMode,
  Priority,
  Side,
  StrategyName,
} from "./policy.ts";
export { ALLOCATION_KINDS, CONFLICT_TYPES, PREEMPTION_MODES, PRIORITIES, STRATEGIES } from "./policy.ts";
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
export { snapshotParts } from "./snapshot.ts";
export { SnapshotError } from "./snapshot-error.ts";
export type {
  AllocationPart,
  AnswerEffect,
  CallEffect,
  ClosedChildrenPart,
  DueName,
  DuePart,
  EffectKeysPart,
  EffectPart,
  EndedPart,
  EndPart,
  FinalAccountPart,
  HeaderPart,
  HoldPart,
  KeyPlace,
  NotePart,
  OpeningEffect,
  PartType,
  Place,
  RaisingEffect,
  ReclaimPart,
  SnapshotPart,
  WaiterPart,
  WaitingEffect,
} from "./snapshot-part.ts";
export { PART_TYPES } from "./snapshot-part.ts";
export { restoreState } from "./snapshot-restore.ts";
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
