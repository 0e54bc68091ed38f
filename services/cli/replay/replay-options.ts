/** What a replay is told, and what its parts share. */
import type { ModelPrice } from "#codec";
import type { Mesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import type { CallLog } from "./call-log.ts";
import type { TraceSummary } from "./trace-file.ts";

export interface ReplayOptions extends CommonOptions {
  readonly trace: string;
  readonly prices: string;
  /** Credits of the swarm; absent: what the log may cost at worst, or what the account has, whichever is less. */
  readonly limit?: number;
  /** How many times faster than the log; "max": as fast as it goes. */
  readonly speed: number | "max";
  readonly branches: number;
  readonly log?: string;
  readonly report?: string;
  /** Path of the account that pays. */
  readonly account: string;
  readonly model: string;
  /** Leaves the swarm open at the end. */
  readonly keep: boolean;
}

export interface ReplayParts {
  readonly mesh: Mesh;
  readonly session: Session;
  readonly options: ReplayOptions;
  readonly price: ModelPrice;
  readonly survey: TraceSummary;
  readonly log: CallLog;
}
