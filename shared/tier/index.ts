/** The loop around the engine, and the connections between tiers. */

export type { ChildDaemon } from "./child-connection.ts";
export type { CommandInput } from "./command-input.ts";
export type { Decision, DecisionListener, DecisionLog, DecisionSubject, Memory } from "./decision-log.ts";
export { isPathOf } from "./decision-record.ts";
export { Downlink, type DownlinkOptions } from "./downlink.ts";
export { EngineClock } from "./engine-clock.ts";
export { handoverOf, leaseOfGrant } from "./handover.ts";
export { errorOfOutcome, errorOfRefusal, type RefusalContext } from "./refusal-error.ts";
export { systemClock } from "./system-clock.ts";
export { newHashSeed, systemIds } from "./system-ids.ts";
export { type AheadListener, type TierOptions, TierResourceManager } from "./tier-resource-manager.ts";
export { traceDecision, traceRefusal } from "./trace-decision.ts";
export { type ParentDaemon, Uplink, type UplinkOptions } from "./uplink.ts";
export { UsageReporter } from "./usage-reporter.ts";
