/** `bursar limits`: shows limits and the strategy, and changes them while work goes on. */
import { STRATEGIES } from "#budget";
import { LIMITS } from "#std";
import type { LimitsOptions } from "../tree/update-limits.ts";
import { addAmounts } from "./amount-options.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { choice, duration, wholeNumber } from "./option-values.ts";

const amount = wholeNumber({ min: 0, max: LIMITS.amountMax });
const strategy = choice([...STRATEGIES, "INHERITED"] as const);

export function addLimits(host: CommandHost): void {
  const command = addCommand(host, {
    usage: "limits <id|path>",
    summary: "show the limits and the strategy of an account, swarm or run, or change them while it works",
    examples: [
      ["bursar limits research", "what the swarm may use"],
      ["bursar limits research --credits 80_000", "as much from now on; who waits for room starts at once"],
      ["bursar limits research/survey --credits 20_000 --duration 2h", "more for a run that works, and until later"],
      ["bursar limits research --strategy PRIORITY_BASED", "another order for its runs, also those that wait"],
    ],
  });
  addAmounts(command, {
    min: 0,
    credits: "credits in all",
    toolCalls: "tool calls in all",
    branches: "runs, branches and steps open at a time",
    memory: "memory in use at a time",
  })
    .option("--priority-bonus <n>", "of the credits, those for HIGH and above", amount)
    .option("--emergency-reserve <n>", "of the credits, those for CRITICAL and EMERGENCY", amount)
    .option("--wrap-up-reserve <n>", "of the credits, those for its own final step", amount)
    .option("--duration <time>", "time from its opening to its deadline: 90s, 10m, 1h30m", duration)
    .option("--strategy <name>", `how what is below competes: ${STRATEGIES.join(", ")}; or INHERITED`, strategy)
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
