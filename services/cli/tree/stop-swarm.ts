/** `bursar stop`: stops a swarm and shows how it stands then. */
import { LIMITS } from "#std";
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { countOf } from "../view/amounts.ts";
import { nodeOf } from "../view/report.ts";
import { resolveId } from "./resolve-id.ts";

export interface StopOptions extends CommonOptions {
  /** Why, for people. */
  readonly reason: string;
}

export function stopSwarm(wanted: string, options: StopOptions, session: Session): Promise<number> {
  const { terminal, interrupts } = session;
  const { reason, json } = options;
  return withMesh(session, options, async (mesh) => {
    const swarm = await resolveId(wanted, "swarm", { mesh, session });
    const request = { swarm, reason, waitMs: LIMITS.swarmStopWaitMs };
    const call = { timeoutMs: 2 * LIMITS.swarmStopWaitMs, signal: interrupts.first };
    const stopped = await mesh.coordination.stopSwarm(request, call);
    if (stopped.swarm === undefined) return EXIT.ok;
    const node = nodeOf(stopped.swarm);
    if (json) terminal.print(JSON.stringify(node, null, 2));
    else terminal.print(`${node.path} is ${node.state}; ${countOf(node.usage.credits, "credit")} used`);
    if (node.state !== "closed")
      terminal.note(`its runs are still ending; look again with: ${session.calledAs} get ${node.id}`);
    return EXIT.ok;
  });
}
