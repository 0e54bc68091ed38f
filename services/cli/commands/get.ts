/** `bursar get`: one node with everything that is known about it. */
import type { CommonOptions } from "../session.ts";
import { act, addCommand, type CommandHost } from "./command.ts";

export function addGet(host: CommandHost): void {
  addCommand(host, {
    usage: "get <id|path>",
    summary: "show one account, swarm, run or step: limits, usage, books",
    examples: [
      ["bursar get global/research/demo", "an account by its path"],
      ["bursar get research/survey", "a run by the end of its path"],
      ["bursar get 0198c7a2-… --json | jq .books", "the books by id"],
    ],
  }).action(
    act<CommonOptions>(host, async ([wanted = ""], options, session) => {
      const { get } = await import("../tree/get.ts");
      return get(wanted, options, session);
    }),
  );
}
