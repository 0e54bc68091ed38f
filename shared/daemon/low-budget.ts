/** The signal that a budget runs low, as a daemon takes it from its loop and shows it in traces. */
import type { Message } from "#budget";
import type { LowBudget, Telemetry, TraceContext } from "#ports";

/** Of a node whose books are here; undefined for any other message. */
export function lowBudgetOf(message: Message): LowBudget | undefined {
  if (message.type !== "low_budget" || message.holder !== undefined) return undefined;
  const { allocationId, path, resource, percent, available, limit } = message;
  return { allocationId, path, resource, percent, available, limit };
}

/** A moment in the trace of the work that it concerns. */
export function traceLowBudget(telemetry: Telemetry, parent: TraceContext | undefined, low: LowBudget): void {
  if (!telemetry.enabled) return;
  const { path, resource, percent, available, limit } = low;
  const attributes = {
    "bursar.path": path,
    "bursar.resource": resource,
    "bursar.percent": percent,
    "bursar.available": available,
    "bursar.limit": limit,
  };
  telemetry.startSpan({ name: "bursar.low_budget", parent, attributes }).end();
}
