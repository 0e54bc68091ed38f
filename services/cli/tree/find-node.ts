/** Finds what a person names: by id, by path, or by the end of a path. */
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import type { ReportNode } from "../view/report.ts";

export interface FindOptions {
  /** Preferred where several fit. */
  readonly kinds?: readonly string[];
}

/**
 * The node with this id, else with this path, else whose path ends with this. Of several one of the kind that is looked for, of those
 * one that is still open, of those the latest. Throws CommandError when there is none.
 */
export function findNode(roots: readonly ReportNode[], wanted: string, { kinds = [] }: FindOptions = {}): ReportNode {
  const all = [...flat(roots)];
  const name = wanted.replace(/^\/+|\/+$/g, "");
  const matches = [
    all.filter(({ id }) => id === wanted),
    all.filter(({ path }) => path === name),
    all.filter(({ path }) => path.endsWith(`/${name}`)),
  ].find((found) => found.length > 0);
  const ofKind = matches?.filter(({ kind }) => kinds.includes(kind));
  const open = (nodes: readonly ReportNode[] | undefined) => nodes?.filter(({ state }) => state === "open");
  const found = latest(open(ofKind)) ?? latest(ofKind) ?? latest(open(matches)) ?? latest(matches);
  if (found !== undefined) return found;
  throw new CommandError(`nothing with the id or path ${wanted} is known`, {
    exitCode: EXIT.refused,
    advice: [
      "tree shows everything that is known, ls the swarms, why what waits or was refused",
      "what closed ten minutes ago is forgotten",
    ],
  });
}

function* flat(nodes: readonly ReportNode[]): Generator<ReportNode> {
  for (const node of nodes) {
    yield node;
    yield* flat(node.children);
  }
}

/** Ids sort by the time of their making. */
function latest(nodes: readonly ReportNode[] | undefined): ReportNode | undefined {
  return nodes?.reduce<ReportNode | undefined>(
    (last, node) => (last === undefined || node.id > last.id ? node : last),
    undefined,
  );
}
