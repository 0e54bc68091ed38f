/** `bursar stop`: stops a swarm or a run and shows how it stands then. */
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { LIMITS } from "#std";
import { EXIT } from "../exit-code.ts";
import { type Mesh, withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { countOf } from "../view/amounts.ts";
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
    const found = await resolveNode(wanted, ["swarm", "run"], { mesh, session });
    const stopped = await stopNode(mesh, found, reason, interrupts.first);
    if (stopped === undefined) return EXIT.ok;
    const node = nodeOf(stopped);
    if (json) terminal.print(JSON.stringify(node, null, 2));
    else terminal.print(`${node.path} is ${node.state}; ${countOf(node.usage.credits, "credit")} used`);
    if (node.state !== "closed") terminal.note(`its work is still ending; look again with: ${calledAs} get ${node.id}`);
    return EXIT.ok;
  });
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
