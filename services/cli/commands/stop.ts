/** `bursar stop`: ends a swarm or one run. */
import type { StopOptions } from "../tree/stop.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { notEmpty } from "./option-values.ts";

export function addStop(host: CommandHost): void {
  addCommand(host, {
    usage: "stop <id|path>",
    summary: "stop a swarm or a run: its work ends and what it did not use goes back",
    examples: [
      ["bursar stop global/research/demo/research", "the swarm with this path, and all its runs"],
      ["bursar stop research/survey", "one run of it, also one that waits for room"],
      ["bursar stop 0198c7a2-… --reason 'went astray'", "by id, with a word for whoever asks later"],
    ],
  })
    .option("--reason <text>", "why, for people", notEmpty, "stopped by hand")
    .action(
      act<StopOptions>(host, async ([wanted = ""], options, session) => {
        const { stop } = await import("../tree/stop.ts");
        return stop(wanted, options, session);
      }),
    );
}
