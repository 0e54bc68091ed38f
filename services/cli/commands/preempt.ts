/** `bursar preempt`: takes budget back from a run. */
import { Option } from "commander";
import type { PreemptOptions } from "../tree/preempt-run.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { credits, duration, notEmpty } from "./option-values.ts";

export function addPreempt(host: CommandHost): void {
  addCommand(host, {
    usage: "preempt <id|path>",
    summary: "take budget back from a run while it works",
    examples: [
      ["bursar preempt research/survey --credits 10_000", "what is free now, and the rest as it comes free"],
      ["bursar preempt 0198c7a2-… --all", "everything that is not spent or in flight"],
      ["bursar preempt research/survey --mode pause", "it stands still and gives back what is free, until resumed"],
      ["bursar preempt research/survey --mode stop --grace 5s", "it ends within five seconds, or is killed then"],
    ],
  })
    .addOption(new Option("--credits <n>", "how much").argParser(credits).conflicts("all"))
    .option("--all", "all that can be had (the default)")
    .addOption(
      new Option(
        "--mode <mode>",
        "shrink: what is free, now and as it comes free; pause: stand still and keep state; stop: end",
      )
        .choices(["shrink", "pause", "stop"])
        .default("shrink"),
    )
    .addOption(
      new Option("--grace <time>", "with --mode stop: time to end in peace before force (default: 1s)").argParser(
        duration,
      ),
    )
    .option("--reason <text>", "why, for people", notEmpty, "taken back by hand")
    .action(
      act<PreemptOptions>(host, async ([wanted = ""], options, session) => {
        const { preemptRun } = await import("../tree/preempt-run.ts");
        return preemptRun(wanted, options, session);
      }),
    );
}
