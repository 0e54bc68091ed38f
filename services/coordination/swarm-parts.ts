/** What the parts of coordination work with. */
import type { Closings, DaemonBase, Peers, WorkLines } from "#daemon";
import type { Downlink } from "#tier";
import type { Preempted } from "./preempted.ts";
import type { RunOrderInit } from "./run-order.ts";
import type { RunTrees } from "./run-trees.ts";

export interface SwarmParts {
  readonly base: DaemonBase;
  readonly downlink: Downlink;
  readonly peers: Peers;
  readonly lines: WorkLines<RunOrderInit>;
  readonly closings: Closings;
  readonly trees: RunTrees;
  readonly preempted: Preempted;
}
