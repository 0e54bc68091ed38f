/** `bursar get`: finds one node in the tree and shows it. */
import { EXIT } from "../exit-code.ts";
import { withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { nodeLines } from "../view/node-lines.ts";
import { canvasFor } from "../view/style.ts";
import { findNode } from "./find-node.ts";
import { readTree } from "./tree-source.ts";

export function get(wanted: string, options: CommonOptions, session: Session): Promise<number> {
  const { terminal } = session;
  return withMesh(session, options, async (mesh) => {
    const node = findNode(await readTree(mesh, session), wanted);
    if (options.json) terminal.print(JSON.stringify(node, null, 2));
    else terminal.print(nodeLines(node, canvasFor(terminal.stdout)).join("\n"));
    return EXIT.ok;
  });
}
