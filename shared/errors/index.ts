/** The room of errors: pure values and rules, no transport. */
export { ERROR_CATEGORIES, type ErrorCategory, type Recoverability } from "./category.ts";
export {
  categoryOf,
  ERROR_TABLE,
  type ErrorTableRow,
  EXECUTION_ERROR_TYPES,
  type ExecutionErrorType,
  grpcStatusOf,
  isExecutionErrorType,
  recoverabilityOf,
} from "./error-table.ts";
export {
  boundedText,
  type ExecutionError,
  type ExecutionErrorFacts,
  executionError,
  FaultError,
  type FieldViolation,
  TIERS,
  type Tier,
} from "./execution-error.ts";
export { GRPC_STATUS, type GrpcStatusName, grpcStatusName } from "./grpc-status.ts";
export {
  chooseRecovery,
  type RecoveryAction,
  type RecoveryPlan,
  type RecoverySituation,
  recoveryPriorityRank,
} from "./recovery.ts";
export {
  invalidArgument,
  isRefusalReason,
  REFUSAL_REASONS,
  REFUSAL_TABLE,
  type Refusal,
  RefusalError,
  type RefusalFacts,
  type RefusalReason,
  type RefusalTableRow,
  refusal,
  refusalStatus,
} from "./refusal.ts";
export { type ErrorReach, SEVERITIES, type Severity, type SeverityFacts, severityOf } from "./severity.ts";
