/** `bursar run`: a swarm from its document, to its report. */
import type { RunOptions } from "../run/run-options.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { notEmpty } from "./option-values.ts";

export function addRun(host: CommandHost): void {
  addCommand(host, {
    usage: "run <swarm.yaml>",
    summary: "run a swarm and show what it does, then its tree and its books",
    examples: [
      ["bursar run examples/research-swarm.yaml", "run it and watch it"],
      ["bursar run swarm.yaml --report report.json", "also keep the report"],
      ["bursar run swarm.yaml --json 2>events.jsonl | jq .books", "report and events as JSON"],
    ],
  })
    .option("--report <file>", "write the report as JSON to this file (docs/report.md)", notEmpty)
    .option("--keep", "leave the swarm open at the end; otherwise what it did not use goes back to its account")
    .action(
      act<RunOptions>(host, async ([file = ""], options, session) => {
        const { run } = await import("../run/run.ts");
        return run(file, options, session);
      }),
    );
}
