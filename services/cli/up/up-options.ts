/** What a mesh is started with. */
import type { CommonOptions } from "../session.ts";

export interface UpOptions extends CommonOptions {
  readonly accounts?: string;
  readonly prices?: string;
  /** Port of coordination; 0: free ports. */
  readonly portBase: number;
  /** Shows all of the daemons' log lines. */
  readonly verbose: boolean;
}

export interface StartOptions extends Omit<UpOptions, "portBase" | "accounts" | "prices"> {
  /** Absent: the usual ports, or free ones when those are taken. */
  readonly portBase?: number;
  /** File for the report. */
  readonly report?: string;
  /** Ends the mesh after the report, on a terminal too. */
  readonly once: boolean;
}
