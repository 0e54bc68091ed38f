/** What a run of a swarm is told. */
import type { Priority, StrategyName } from "#budget";
import type { CommonOptions } from "../session.ts";

export interface RunOptions extends CommonOptions {
  /** File for the report. */
  readonly report?: string;
  /** Names that each run holds alone, in place of what its routine says. */
  readonly exclusive?: readonly string[];
  /** Names that it shares with others. */
  readonly shared?: readonly string[];
  /** Of the swarm and its runs, in place of what the document says. */
  readonly priority?: Priority;
  /** The reservation of the account out of which the swarm is opened. */
  readonly reservation?: string;
  /** The strategy that decides about the swarm's request and those of its runs, where these may choose, in place of what the document says. */
  readonly requestStrategy?: StrategyName;
  /** How long the swarm may wait to be opened, and each run for room and names, in milliseconds; absent: they do not. */
  readonly wait?: number;
  /** Leaves the swarm open at the end. */
  readonly keep: boolean;
}
