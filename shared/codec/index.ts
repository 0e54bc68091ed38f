/** The room of codecs: the one parser between the contract, the disk, documents and the engine. */
export { type InsideView, type ViewOptions, viewOf } from "./allocation-view.ts";
export type {
  AccountSpec,
  AccountsDocument,
  BranchSpec,
  CodePrice,
  CodeSpec,
  DocumentInput,
  DocumentProblem,
  DocumentResult,
  ModelPrice,
  OnFailure,
  OnInterruption,
  Price,
  PriceTable,
  QueueSpec,
  RoutineSpec,
  StepSpec,
  SwarmSpec,
  TraceCall,
  TraceInput,
  TraceProblem,
  WorkerSpec,
} from "./document/index.ts";
export {
  affordableCodeMs,
  codeCost,
  formatProblems,
  modelCallCost,
  modelPrice,
  policyOfSpec,
  readAccountsDocument,
  readPricesDocument,
  readSwarmDocument,
  readTrace,
  toolCallCost,
} from "./document/index.ts";
export {
  conflictFromProto,
  conflictToProto,
  grantFromProto,
  grantToProto,
  policyFromProto,
  policyToProto,
  strategyToProto,
} from "./messages/allocation.ts";
export { amountsFromProto, amountsToProto, limitsFromProto, limitsToProto } from "./messages/amounts.ts";
export { type DecidedWhere, decisionToProto, subjectOfDecision } from "./messages/decision.ts";
export {
  type DownMessage,
  type DownWork,
  downItemsOfGrants,
  downItemsOfUsage,
  grantsResponseOf,
  usageResponseOf,
  type WelcomePart,
} from "./messages/down-items.ts";
export { namedStrategyToProto } from "./messages/named-strategy.ts";
export { lowBudgetToProto } from "./messages/reports.ts";
export { leastOf, type ShareTerms, shareTermsToProto } from "./messages/share-terms.ts";
export type { StatusCodec } from "./messages/status-codec.ts";
export { traceFromProto, traceToProto } from "./messages/trace.ts";
export {
  grantsRequestOf,
  type HelloPart,
  type UpMessage,
  type UpWork,
  upItemsOfGrants,
  upItemsOfUsage,
  usageRequestOf,
} from "./messages/up-items.ts";
export {
  booksFromProto,
  booksToProto,
  heldBooksFromProto,
  heldBooksToProto,
  usageFromProto,
  usageToProto,
} from "./messages/usage.ts";
export { waitingToProto } from "./messages/waiting.ts";
export { type MeterOperation, meterAnswerOf, parseMeterItem } from "./meter.ts";
export { FieldCheck } from "./parse/field-check.ts";
export { type Parsed, parseOrThrow } from "./parse/parsed.ts";
export { COMMIT_FORMAT_VERSION, decodeCommit, encodeCommit } from "./record/commit-codec.ts";
export { CommitFormatError, type CommitFormatFault } from "./record/commit-format-error.ts";
export { decodeSnapshot, encodeSnapshot, SNAPSHOT_FORMAT_VERSION } from "./record/snapshot-codec.ts";
export {
  type CreateSwarmSpec,
  type GetSwarmSpec,
  type ListSwarmsSpec,
  type PreemptRunSpec,
  parseCreateSwarm,
  parseGetAccounts,
  parseGetSwarm,
  parseListSwarms,
  parsePreemptRun,
  parseResume,
  parseRunRoutine,
  parseStopRun,
  parseStopSwarm,
  parseUpdateLimits,
  parseWatchDecisions,
  parseWatchRun,
  parseWatchUsage,
  parseWhy,
  parseWriteOff,
  type RunRoutineSpec,
  type StopSwarmSpec,
  type UpdateLimitsSpec,
  type WatchDecisionsSpec,
  type WatchUsageSpec,
  type WriteOffSpec,
} from "./requests.ts";
export {
  type CreateReservationSpec,
  parseCancelReservation,
  parseCreateReservation,
  parseListReservations,
  reservationView,
  reservationViews,
} from "./reservations.ts";
export { routineFromProto, routineToProto, stepFromProto, stepToProto } from "./routine.ts";
export { HotMessageCodec } from "./wire/hot-message.ts";
export {
  type Notes,
  type RunAssignment,
  routineFromMessage,
  runEndNote,
  runEndOf,
  runWorkNotes,
  runWorkOf,
  type StepAssignment,
  stepEndNote,
  stepEndOf,
  stepWorkNotes,
  stepWorkOf,
} from "./work-notes.ts";
export {
  type Addressee,
  type BeginRoutineSpec,
  type BeginStepSpec,
  type JoinSpec,
  type PreemptItemSpec,
  type PreemptSpec,
  parseAmounts,
  parseExecuteRoutines,
  parseExecuteSteps,
  parsePreempt,
  type RoutineOrderSpec,
  type StepOrderSpec,
  type WorkHelloSpec,
  type WorkMessage,
} from "./work-requests.ts";
