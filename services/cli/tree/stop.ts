/** `bursar stop`: stops a swarm or a run, also one that waits for room, and shows how it stands then. */

import { RefusalError } from "#errors";
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { LIMITS } from "#std";
import { EXIT } from "../exit-code.ts";
import { type Mesh, withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { countOf } from "../view/amounts.ts";
import { plainLine } from "../view/plain-text.ts";
import { nodeOf, type ReportNode } from "../view/report.ts";
import { resolveNode } from "./resolve-id.ts";

export interface StopOptions extends CommonOptions {
  /** Why, for people. */
  readonly reason: string;
}

export function stop(wanted: string, options: StopOptions, session: Session): Promise<number> {
  const { terminal, interrupts, calledAs } = session;
  const { reason, json } = options;
  return withMesh(session, options, async (mesh) => {
    const stopped = await resolveNode(wanted, ["swarm", "run"], { mesh, session }).then(
      (found) => stopNode(mesh, found, reason, interrupts.first),
      (unknown: unknown) => stopWaiting(mesh, wanted, { reason, unknown, signal: interrupts.first }),
    );
    if (stopped === undefined) {
      if (json) terminal.print(JSON.stringify({ stopped_waiting: wanted }, null, 2));
      else terminal.print(`${plainLine(wanted)} waits no longer`);
      return EXIT.ok;
    }
    const node = nodeOf(stopped);
    if (json) terminal.print(JSON.stringify(node, null, 2));
    else terminal.print(`${node.path} is ${node.state}; ${countOf(node.usage.credits, "credit")} used`);
    if (node.state !== "closed") terminal.note(`its work is still ending; look again with: ${calledAs} get ${node.id}`);
    return EXIT.ok;
  });
}

/** A run that waits for room stands in no tree yet. Throws what says that it is `unknown` where it does not wait either. */
async function stopWaiting(
  { coordination }: Mesh,
  run: string,
  { reason, unknown, signal }: { readonly reason: string; readonly unknown: unknown; readonly signal: AbortSignal },
): Promise<AllocationView | undefined> {
  try {
    return (await coordination.stopRun({ run, reason }, { signal })).run;
  } catch (error) {
    // Only where several wait that are called so there is more to say.
    if (error instanceof RefusalError && error.refusal.reason !== "STATE_FORBIDS") throw unknown;
    throw error;
  }
}

async function stopNode(
  { coordination }: Mesh,
  { id, kind }: ReportNode,
  reason: string,
  signal: AbortSignal,
): Promise<AllocationView | undefined> {
  const more = { reason, waitMs: LIMITS.swarmStopWaitMs };
  const call = { timeoutMs: 2 * LIMITS.swarmStopWaitMs, signal };
  if (kind === "run") return (await coordination.stopRun({ run: id, ...more }, call)).run;
  return (await coordination.stopSwarm({ swarm: id, ...more }, call)).swarm;
}
