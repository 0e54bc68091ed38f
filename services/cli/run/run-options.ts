/** What a run of a swarm is told. */
import type { CommonOptions } from "../session.ts";

export interface RunOptions extends CommonOptions {
  /** File for the report. */
  readonly report?: string;
  /** Leaves the swarm open at the end. */
  readonly keep: boolean;
}
