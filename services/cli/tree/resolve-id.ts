/** From what a person names to the id that the contract wants. */
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import type { Mesh } from "../mesh-client.ts";
import type { Session } from "../session.ts";
import type { ReportNode } from "../view/report.ts";
import { findNode } from "./find-node.ts";
import { readTree } from "./tree-source.ts";

type Kind = "account" | "swarm" | "run" | "step";

const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id of what is named, of one of these kinds. What looks like an id is passed on as it is. Throws CommandError when there is none. */
export async function resolveId(
  wanted: string,
  kinds: readonly Kind[],
  { mesh, session }: { readonly mesh: Mesh; readonly session: Session },
): Promise<string> {
  if (ID.test(wanted)) return wanted;
  return (await resolveNode(wanted, kinds, { mesh, session })).id;
}

/** As `resolveId`, by id too, with what is known of it. */
export async function resolveNode(
  wanted: string,
  kinds: readonly Kind[],
  { mesh, session }: { readonly mesh: Mesh; readonly session: Session },
): Promise<ReportNode> {
  const found = findNode(await readTree(mesh, session), wanted, { kinds });
  if (kinds.some((kind) => found.kind === kind)) return found;
  const article = found.kind === "account" ? "an" : "a";
  throw new CommandError(`${found.path} is ${article} ${found.kind}, not a ${kinds.join(" or ")}`, {
    exitCode: EXIT.refused,
    advice: [`${session.calledAs} tree shows each ${kinds.join(" and ")}`],
  });
}
