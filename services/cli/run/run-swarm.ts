/** Runs a swarm as its document describes it: opens it, runs its routines in order, reports, and closes it. */
import type { Access, Priority, StrategyName } from "#budget";
import { routineToProto, type SwarmSpec } from "#codec";
import type { Mesh } from "../mesh-client.ts";
import type { Session } from "../session.ts";
import { milliseconds } from "../view/amounts.ts";
import type { Report } from "../view/report.ts";
import { SwarmClient } from "./swarm-client.ts";
import { swarmOrder } from "./swarm-messages.ts";

export interface RunSwarmOptions {
  readonly mesh: Mesh;
  readonly session: Session;
  readonly spec: SwarmSpec;
  /** Progress as JSON. */
  readonly json: boolean;
  /** Leaves the swarm open at the end. */
  readonly keep: boolean;
  /** Names that each run holds, in place of what its routine says. */
  readonly access?: readonly Access[];
  /** Of the swarm and its runs. Default: the swarm's as the document says, NORMAL for its runs. */
  readonly priority?: Priority;
  /** Decides about the requests of the swarm and its runs, where these may choose. Default: as the document says. */
  readonly requestStrategy?: StrategyName;
  /** The reservation of its account out of which it is opened. */
  readonly reservationId?: string;
  /** How long the swarm may wait to be opened, and each run for room and names, in milliseconds. Default: they do not. */
  readonly waitMs?: number;
}

export interface SwarmEnd {
  readonly report: Report;
  /** What kept a run from starting or from being followed to its end. */
  readonly failure: unknown;
}

/** Throws when there is nothing to report: the swarm was not opened, or coordination was lost for good. */
export async function runSwarm(options: RunSwarmOptions): Promise<SwarmEnd> {
  const { mesh, session, keep, json, reservationId, waitMs = 0, priority = options.spec.priority } = options;
  const { requestStrategy = options.spec.requestStrategy } = options;
  const spec = { ...options.spec, priority, ...(requestStrategy && { requestStrategy }) };
  const span = session.telemetry.startSpan({
    name: "bursar.run",
    kind: "client",
    attributes: { "bursar.swarm": spec.name },
  });
  // Told before, for nothing is while it waits.
  if (waitMs > 0 && !json) {
    session.terminal.note(`opening ${spec.name}, which may wait ${milliseconds(waitMs)} for room in ${spec.account}`);
  }
  try {
    const client = await SwarmClient.open(
      { ...swarmOrder(spec), ...(reservationId !== undefined && { reservationId }), waitMs },
      { mesh, session, trace: span.context },
    );
    const { outcome, failure } = await runRoutines(client, options);
    if (session.interrupts.second.aborted) throw failure;
    const report = await client.report(outcome).catch((cause: unknown) => {
      throw failure ?? cause;
    });
    if (!keep) await client.stop("done");
    return { report, failure };
  } finally {
    span.end();
  }
}

async function runRoutines(
  client: SwarmClient,
  { session, spec, json, access, priority, requestStrategy, waitMs = 0 }: RunSwarmOptions,
) {
  const progress = client.progress({ json });
  let outcome = "succeeded";
  let failure: unknown;
  const left = [...spec.routines];
  for (let routine = left.shift(); routine !== undefined; routine = left.shift()) {
    try {
      const asked = { ...routine, ...(access && { access }), ...(requestStrategy && { requestStrategy }) };
      ({ outcome } = await client.run(routineToProto(asked), {
        onEvent: progress.take,
        waitMs,
        ...(priority !== undefined && { priority }),
      }));
    } catch (error) {
      [outcome, failure] = ["failed", error];
    }
    if (outcome !== "succeeded" || client.stopped) break;
  }
  if (left.length > 0) session.terminal.note(`not started: ${left.map(({ name }) => name).join(", ")}`);
  return { outcome, failure };
}
