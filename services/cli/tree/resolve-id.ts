/** From what a person names to the id that the contract wants. */
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import type { Mesh } from "../mesh-client.ts";
import type { Session } from "../session.ts";
import { findNode } from "./find-node.ts";
import { readTree } from "./tree-source.ts";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id of the swarm or run. What looks like an id is passed on as it is. Throws CommandError when it is none or of another kind. */
export async function resolveId(
  wanted: string,
  kind: "swarm" | "run",
  { mesh, session }: { readonly mesh: Mesh; readonly session: Session },
): Promise<string> {
  if (ID.test(wanted)) return wanted;
  const found = findNode(await readTree(mesh, session), wanted, { kind });
  if (found.kind === kind) return found.id;
  throw new CommandError(`${found.path} is ${found.kind === "account" ? "an" : "a"} ${found.kind}, not a ${kind}`, {
    exitCode: EXIT.refused,
    advice: [`${session.calledAs} tree shows the ${kind}s`],
  });
}
