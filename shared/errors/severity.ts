/** How bad an error is. The rules are asked in one stated order; the first that holds decides. */
import { categoryOf, type ExecutionErrorType, recoverabilityOf } from "./error-table.ts";

/** From harmless to the end of the system. */
export const SEVERITIES = Object.freeze(["INFO", "WARNING", "ERROR", "CRITICAL", "FATAL"] as const);
export type Severity = (typeof SEVERITIES)[number];

/** How far an error reaches; `several` = several components or runs, or a whole swarm; `one` = one operation, step or run. */
export type ErrorReach = "system" | "several" | "one" | "unclear";

export interface SeverityFacts {
  readonly type: ExecutionErrorType;
  readonly reach: ErrorReach;
  /** Data was lost or corrupted, or there is a security risk. Default false. */
  readonly harm?: boolean;
}

/** The severity of an error. A resource error that reaches several is critical even without harm: it stops them all. */
export function severityOf({ type, reach, harm = false }: SeverityFacts): Severity {
  if (reach === "system") return "FATAL";
  const resource = categoryOf(type) === "RESOURCE";
  if (reach === "several") return harm || resource ? "CRITICAL" : "ERROR";
  if (reach === "one") return resource || recoverabilityOf(type) !== "NONE" ? "ERROR" : "WARNING";
  return "ERROR";
}
