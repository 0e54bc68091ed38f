/** What the parts of coordination work with. */
import type { Closings, DaemonBase, Peers } from "#daemon";
import type { Downlink } from "#tier";
import type { RunTrees } from "./run-trees.ts";

export interface SwarmParts {
  readonly base: DaemonBase;
  readonly downlink: Downlink;
  readonly peers: Peers;
  readonly closings: Closings;
  readonly trees: RunTrees;
}
