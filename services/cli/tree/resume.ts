/** `bursar resume`: gives a paused run back what its pause took, and lets it go on. */
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { countOf } from "../view/amounts.ts";
import { nodeOf } from "../view/report.ts";
import { resolveId } from "./resolve-id.ts";

export type ResumeOptions = CommonOptions;

export function resume(wanted: string, options: ResumeOptions, session: Session): Promise<number> {
  const { terminal, interrupts, ids } = session;
  return withMesh(session, options, async (mesh) => {
    const run = await resolveId(wanted, ["run"], { mesh, session });
    const answer = await mesh.coordination.resume({ requestId: ids.newId(), run }, { signal: interrupts.first });
    const credits = Number(answer.granted?.credits ?? 0);
    const calls = Number(answer.granted?.toolCalls ?? 0);
    const node = answer.run && nodeOf(answer.run);
    const granted = { credits, tool_calls: calls };
    if (options.json) terminal.print(JSON.stringify({ granted, run: node }, null, 2));
    else
      terminal.print(`${node?.path ?? wanted} is ${node?.state ?? "open"}; ${countOf(credits, "credit")} given back`);
    return EXIT.ok;
  });
}
