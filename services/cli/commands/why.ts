/** `bursar why`: what was decided about a request, an allocation or a path, and why. */
import type { WhyOptions } from "../tree/why.ts";
import { act, addCommand, type CommandHost } from "./command.ts";

export function addWhy(host: CommandHost): void {
  addCommand(host, {
    usage: "why <request|id|path>",
    summary: "say why a request waits or was refused, and what was decided about a swarm, run or step",
    examples: [
      ["bursar why research/survey", "a run by the end of its path, also one that was refused"],
      ["bursar why 0198c7a2-…", "a request by its request_id, or an allocation by its id"],
      ["bursar why research --watch", "and what is decided from now on, until Ctrl-C"],
    ],
  })
    .option("--watch", "go on telling what is decided about it and below it")
    .action(
      act<WhyOptions>(host, async ([wanted = ""], options, session) => {
        const { why } = await import("../tree/why.ts");
        return why(wanted, options, session);
      }),
    );
}
