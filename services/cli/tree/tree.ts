/** `bursar tree`: once, or watched. */
import { EXIT } from "../exit-code.ts";
import { type Mesh, withMesh } from "../mesh-client.ts";
import type { CommonOptions, Session } from "../session.ts";
import { changeLine } from "../view/change-line.ts";
import type { ReportNode } from "../view/report.ts";
import { canvasFor } from "../view/style.ts";
import { treeLines } from "../view/tree-lines.ts";
import { findNode } from "./find-node.ts";
import type { TreeModel } from "./tree-model.ts";
import { readTree, watchTree } from "./tree-source.ts";

export interface TreeOptions extends CommonOptions {
  readonly watch: boolean;
  /** Leaves nothing out. */
  readonly all: boolean;
}

export function tree(wanted: string | undefined, options: TreeOptions, session: Session): Promise<number> {
  return withMesh(session, options, async (mesh) => {
    if (options.watch) return watch(mesh, { wanted, options, session });
    const roots = partOf(await readTree(mesh, session), wanted);
    if (options.json) session.terminal.print(JSON.stringify(roots, null, 2));
    else session.terminal.print(linesOf(roots, options, session).join("\n"));
    return EXIT.ok;
  });
}

interface Watching {
  readonly wanted: string | undefined;
  readonly options: TreeOptions;
  readonly session: Session;
}

async function watch(mesh: Mesh, watching: Watching): Promise<number> {
  const { interrupts, terminal } = watching.session;
  const signal = AbortSignal.any([interrupts.first, terminal.readerLeft]);
  await watchTree(mesh, watching.session, { signal, onChange: show(watching) });
  return interrupts.first.aborted ? EXIT.interrupted : EXIT.ok;
}

/** Redraws on a terminal; elsewhere the tree once and then a line for each change. */
function show({ wanted, options, session }: Watching) {
  const { terminal } = session;
  let first = true;
  return (model: TreeModel, changed: readonly ReportNode[]): void => {
    const top = first || terminal.stdout.isTerminal ? partOf(model.roots(), wanted) : [];
    if (terminal.stdout.isTerminal && !options.json) terminal.draw(linesOf(top, options, session));
    else if (options.json) terminal.print(JSON.stringify(first ? { tree: top } : { changed }));
    else if (first) terminal.print(linesOf(top, options, session).join("\n"));
    else for (const node of changed) terminal.print(changeLine(node));
    first = false;
  };
}

function partOf(roots: readonly ReportNode[], wanted: string | undefined): readonly ReportNode[] {
  return wanted === undefined ? roots : [findNode(roots, wanted)];
}

function linesOf(roots: readonly ReportNode[], { all }: TreeOptions, { terminal }: Session): string[] {
  return treeLines(roots, { ...canvasFor(terminal.stdout), all });
}
