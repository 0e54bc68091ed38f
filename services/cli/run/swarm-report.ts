/** The report of a swarm: coordination's view of it, and what the events told about how each step ended. */
import { create } from "@bufbuild/protobuf";
import { type AllocationView, AllocationViewSchema } from "#gen/bursar/v1/allocation_pb.js";
import { isTreeBalanced, nodeOf, type Report, type ReportCalls, type ReportNode } from "../view/report.ts";
import type { NodeEnd, RunRecord } from "./run-record.ts";

export interface SwarmReportParts {
  /** The swarm as coordination sees it. */
  readonly swarm: AllocationView;
  readonly runs: readonly RunRecord[];
  /** succeeded, failed or stopped. */
  readonly outcome: string;
  readonly calls?: ReportCalls;
}

export function swarmReport({ swarm, runs, outcome, calls }: SwarmReportParts): Report {
  const seen = nodeOf(swarm);
  const byId = new Map(runs.filter(({ runId }) => runId !== "").map((run) => [run.runId, run]));
  const children = seen.children.map((child) => withInside(child, byId.get(child.id)));
  const tree = { ...seen, outcome, children };
  return {
    swarm: { id: seen.id, path: seen.path, name: seen.name, state: seen.state },
    outcome,
    books: seen.books,
    tree,
    balanced: isTreeBalanced(tree),
    ...(calls === undefined ? {} : { calls }),
  };
}

function withInside(node: ReportNode, run: RunRecord | undefined): ReportNode {
  if (run === undefined) return node;
  // Coordination forgets the inside of a run when it is started again; its last event still has it.
  const inside = run.finished?.run;
  const children = node.children.length > 0 || inside === undefined ? node.children : nodeOf(inside).children;
  const reason = run.finished?.error?.message ?? node.reason;
  return withEnds({ ...node, outcome: run.outcome, reason, children }, run);
}

/** Fills in how the nodes below ended, adds those that never got a budget, and puts them in the routine's order. */
function withEnds(node: ReportNode, run: RunRecord): ReportNode {
  const known = node.children.map((child) => withEnds(withEnd(child, run.ends.get(child.path)), run));
  const paths = new Set(known.map(({ path }) => path));
  const missing = [...run.ends].filter(([path]) => parentOf(path) === node.path && !paths.has(path));
  const children = [...known, ...missing.map(([path, end]) => nodeNeverStarted(path, end))];
  return { ...node, children: children.sort((left, right) => run.placeOf(left.path) - run.placeOf(right.path)) };
}

function withEnd(node: ReportNode, end: NodeEnd | undefined): ReportNode {
  return end === undefined
    ? node
    : { ...node, outcome: end.outcome, reason: end.reason === "" ? node.reason : end.reason };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function nodeNeverStarted(path: string, { outcome, reason }: NodeEnd): ReportNode {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const why = reason === "" && outcome === "skipped" ? "not started" : reason;
  return {
    ...nodeOf(create(AllocationViewSchema, { name, path })),
    kind: "step",
    state: "not_started",
    outcome,
    reason: why,
  };
}
