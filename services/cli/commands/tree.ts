/** `bursar tree`: accounts, swarms, runs and steps with what they use. */
import type { TreeOptions } from "../tree/tree.ts";
import { act, addCommand, type CommandHost } from "./command.ts";

export function addTree(host: CommandHost): void {
  addCommand(host, {
    usage: "tree [id|path]",
    summary: "show accounts, swarms, runs and steps: limits, usage, state",
    examples: [
      ["bursar tree", "everything, as it stands now"],
      ["bursar tree --watch", "and as it changes, until Ctrl-C"],
      ["bursar tree global/research/demo/research", "one swarm alone"],
    ],
  })
    .option("--watch", "go on showing it: redrawn on a terminal, a line for each change elsewhere")
    .option("--all", "leave nothing out: all closed swarms and runs that are remembered, all branches")
    .action(
      act<TreeOptions>(host, async ([wanted], options, session) => {
        const { tree } = await import("../tree/tree.ts");
        return tree(wanted, options, session);
      }),
    );
}
