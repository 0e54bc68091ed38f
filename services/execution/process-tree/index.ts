/** Runs the external commands of `code` steps, and lets none of their processes outlive them. */
export { CommandStartError, type CommandStartReason } from "./command-start-error.ts";
export { processTreeWarnings } from "./guard.ts";
export { type CommandOptions, type CommandOutcome, type RunningCommand, runCommand } from "./run-command.ts";
export type { UsageSample } from "./tree-watch.ts";
