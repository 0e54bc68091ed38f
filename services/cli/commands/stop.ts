/** `bursar stop`: ends a swarm. */
import type { StopOptions } from "../tree/stop-swarm.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { notEmpty } from "./option-values.ts";

export function addStop(host: CommandHost): void {
  addCommand(host, {
    usage: "stop <id|path>",
    summary: "stop a swarm: its runs end and what it did not use goes back to its account",
    examples: [
      ["bursar stop global/research/demo/research", "the swarm with this path"],
      ["bursar stop 0198c7a2-… --reason 'went astray'", "by id, with a word for whoever asks later"],
    ],
  })
    .option("--reason <text>", "why, for people", notEmpty, "stopped by hand")
    .action(
      act<StopOptions>(host, async ([wanted = ""], options, session) => {
        const { stopSwarm } = await import("../tree/stop-swarm.ts");
        return stopSwarm(wanted, options, session);
      }),
    );
}
