/** `bursar ls`: the swarms. */
import type { ListOptions } from "../tree/list-swarms.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { notEmpty } from "./option-values.ts";

export function addLs(host: CommandHost): void {
  addCommand(host, {
    usage: "ls",
    summary: "list the swarms, open ones and the latest closed ones",
    examples: [
      ["bursar ls", "all of them"],
      ["bursar ls --account global/research", "those of one account and below"],
    ],
  })
    .option("--account <id|path>", "only those under this account", notEmpty)
    .action(
      act<ListOptions>(host, async (_, options, session) => {
        const { listSwarms } = await import("../tree/list-swarms.ts");
        return listSwarms(options, session);
      }),
    );
}
