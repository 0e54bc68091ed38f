/** `bursar write-off`: books what is in doubt as spent. A true account that comes later corrects it. */
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { countOf } from "../view/amounts.ts";
import { nodeOf } from "../view/report.ts";
import { resolveId } from "./resolve-id.ts";

export interface WriteOffOptions extends CommonOptions {
  /** Who decided, and why. */
  readonly reason: string;
}

export function writeOff(wanted: string, options: WriteOffOptions, session: Session): Promise<number> {
  const { terminal, interrupts, ids } = session;
  return withMesh(session, options, async (mesh) => {
    const allocationId = await resolveId(wanted, ["run", "step"], { mesh, session });
    const request = { requestId: ids.newId(), allocationId, reason: options.reason };
    const { allocation, writtenOff } = await mesh.coordination.writeOff(request, { signal: interrupts.first });
    const credits = Number(writtenOff?.credits ?? 0);
    const node = allocation && nodeOf(allocation);
    if (options.json) {
      const calls = Number(writtenOff?.toolCalls ?? 0);
      terminal.print(JSON.stringify({ written_off: { credits, tool_calls: calls }, allocation: node }, null, 2));
    } else {
      terminal.print(
        `${node?.path ?? wanted} is ${node?.state ?? "closed"}; ${countOf(credits, "credit")} written off`,
      );
      terminal.note("if its daemon comes back, its account corrects that");
    }
    return EXIT.ok;
  });
}
