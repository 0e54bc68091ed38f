/** `bursar replay`: a log of real model calls through the mesh. */
import { LIMITS } from "#std";
import type { ReplayOptions } from "../replay/replay-options.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { credits, notEmpty, speed, wholeNumber } from "./option-values.ts";

export function addReplay(host: CommandHost): void {
  const { replayBranches, replayBranchesMax, replayGeneratedTokensMax } = LIMITS;
  addCommand(host, {
    usage: "replay",
    summary: "play a log of model calls through the mesh: what would they have cost, how far does a budget go",
    examples: [
      ["bursar replay --trace calls.csv --prices examples/prices.yaml", "what did they cost?"],
      ["bursar replay --trace calls.csv --prices prices.yaml --limit 30_000_000", "how far do 30 million credits go?"],
      ["bursar replay --trace calls.csv --prices prices.yaml --speed 60", "a minute of the log in a second"],
    ],
  })
    .requiredOption("--trace <file>", "the log: TIMESTAMP,ContextTokens,GeneratedTokens, a call a line", notEmpty)
    .requiredOption("--prices <file>", "the price file (examples/prices.yaml shows its form)", notEmpty)
    .option(
      "--limit <credits>",
      "what it may spend (default: what the log may cost at worst, or what the account has)",
      credits,
    )
    .option("--speed <n|max>", "how many times faster than the log", speed, "max" as const)
    .option("--branches <n>", "calls side by side", wholeNumber({ min: 1, max: replayBranchesMax }), replayBranches)
    .option("--log <file>", "write each acknowledged reserve and settle, a JSON object a line", notEmpty)
    .option("--report <file>", "write the report as JSON to this file (docs/report.md)", notEmpty)
    .option("--account <path>", "the account that pays", notEmpty, "global/research/demo")
    .option("--model <name>", "the model that is called, as the price file names it", notEmpty, "default")
    .option("--keep", "leave the swarm open at the end")
    .addHelpText(
      "after",
      [
        "",
        `Each line is one call: reserved for its context and ${replayGeneratedTokensMax} generated tokens, settled at its true cost. The first`,
        "refusal stops the intake, calls in flight are settled, and that is no failure: the report says at which line it was.",
      ].join("\n"),
    )
    .action(
      act<ReplayOptions>(host, async (_, options, session) => {
        const { replay } = await import("../replay/replay.ts");
        return replay(options, session);
      }),
    );
}
