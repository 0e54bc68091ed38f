/** `bursar run`: a swarm from its document, to its report. */
import { InvalidArgumentError } from "commander";
import { PRIORITIES, STRATEGIES } from "#budget";
import { LIMITS } from "#std";
import type { RunOptions } from "../run/run-options.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { choice, duration, names, notEmpty } from "./option-values.ts";

function wait(text: string): number {
  const ms = duration(text);
  if (ms <= LIMITS.runWaitMsMax) return ms;
  throw new InvalidArgumentError("It must be at most thirty days.");
}

export function addRun(host: CommandHost): void {
  addCommand(host, {
    usage: "run <swarm.yaml>",
    summary: "run a swarm and show what it does, then its tree and its books",
    examples: [
      ["bursar run examples/research-swarm.yaml", "run it and watch it"],
      ["bursar run swarm.yaml --report report.json", "also keep the report"],
      ["bursar run swarm.yaml --exclusive browser --shared db", "with names that others may not have meanwhile"],
      ["bursar run swarm.yaml --wait 10m", "and wait for what others have now"],
      ["bursar run swarm.yaml --json 2>events.jsonl | jq .books", "report and events as JSON"],
    ],
  })
    .option("--report <file>", "write the report as JSON to this file (docs/report.md)", notEmpty)
    .option(
      "--exclusive <name>",
      "each run holds this tool or resource alone, in place of what its routine says; may be repeated",
      names,
    )
    .option("--shared <name>", "the same, shared with others that share it; may be repeated", names)
    .option("--priority <name>", `in place of the document's: ${PRIORITIES.join(", ")}`, choice(PRIORITIES))
    .option("--reservation <id>", "the swarm is opened out of this reservation of its account", notEmpty)
    .option(
      "--request-strategy <name>",
      `what decides about the swarm and each run, where the policy lets a request choose: ${STRATEGIES.join(", ")}`,
      choice(STRATEGIES),
    )
    .option(
      "--wait <time>",
      "the swarm, and each run, waits so long for room and names where the strategy lets it: 30s, 10m",
      wait,
    )
    .option("--keep", "leave the swarm open at the end; otherwise what it did not use goes back to its account")
    .action(
      act<RunOptions>(host, async ([file = ""], options, session) => {
        const { run } = await import("../run/run.ts");
        return run(file, options, session);
      }),
    );
}
