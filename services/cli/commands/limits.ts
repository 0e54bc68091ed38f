/** `bursar limits`: shows limits, and changes them while work goes on. */
import { LIMITS } from "#std";
import type { LimitsOptions } from "../tree/update-limits.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { bytes, duration, wholeNumber } from "./option-values.ts";

const amount = wholeNumber({ min: 0, max: LIMITS.amountMax });

export function addLimits(host: CommandHost): void {
  addCommand(host, {
    usage: "limits <id|path>",
    summary: "show the limits of an account, swarm or run, or change them while it works",
    examples: [
      ["bursar limits research", "what the swarm may use"],
      ["bursar limits research --credits 80_000", "as much from now on; who waits for room starts at once"],
      ["bursar limits research/survey --credits 20_000 --duration 2h", "more for a run that works, and until later"],
    ],
  })
    .option("--credits <n>", "credits in all", amount)
    .option("--tool-calls <n>", "tool calls in all", amount)
    .option("--branches <n>", "runs, branches and steps open at a time", amount)
    .option("--memory <bytes>", "memory in use at a time: 1_000_000, 512MiB", bytes)
    .option("--duration <time>", "time from its opening to its deadline: 90s, 10m, 1h30m", duration)
    .addHelpText(
      "after",
      [
        "",
        "Growing takes what is free above it. An account or swarm shrinks to what is used, set aside or granted, and no further; a run gives",
        "budget back when it is asked: bursar preempt. What is not limited stays so. All of it is done, or nothing.",
      ].join("\n"),
    )
    .action(
      act<LimitsOptions>(host, async ([wanted = ""], options, session) => {
        const { showOrUpdateLimits } = await import("../tree/update-limits.ts");
        return showOrUpdateLimits(wanted, options, session);
      }),
    );
}
