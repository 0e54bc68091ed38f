/** `bursar ls`: asks for the swarms, page by page. */
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { LIMITS } from "#std";
import { EXIT } from "../exit-code.ts";
import { type Mesh, withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { nodeOf } from "../view/report.ts";
import { styleFor } from "../view/style.ts";
import { swarmLines } from "../view/swarm-lines.ts";

export interface ListOptions extends CommonOptions {
  /** Id or path of the account. */
  readonly account?: string;
}

export function listSwarms(options: ListOptions, session: Session): Promise<number> {
  const { terminal } = session;
  return withMesh(session, options, async (mesh) => {
    const swarms = (await pages(mesh, options, session)).map(nodeOf);
    if (options.json) terminal.print(JSON.stringify(swarms, null, 2));
    else terminal.print(swarmLines(swarms, styleFor(terminal.stdout)).join("\n"));
    return EXIT.ok;
  });
}

async function pages(mesh: Mesh, { account = "" }: ListOptions, { interrupts }: Session): Promise<AllocationView[]> {
  const found: AllocationView[] = [];
  let pageToken = "";
  do {
    const request = { account, pageSize: LIMITS.listPageSize, pageToken };
    const page = await mesh.coordination.listSwarms(request, { signal: interrupts.first });
    found.push(...page.swarms);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return found;
}
