/** The command line: which commands and options there are, and what the outcome of a command means for the one who called. */
import { Command, CommanderError } from "commander";
import { type CommandHost, exampleLines } from "./commands/command.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addExport } from "./commands/export.ts";
import { addGet } from "./commands/get.ts";
import { addLimits } from "./commands/limits.ts";
import { addLs } from "./commands/ls.ts";
import { address, notEmpty } from "./commands/option-values.ts";
import { addPreempt } from "./commands/preempt.ts";
import { addReplay } from "./commands/replay.ts";
import { addReservations, addReserve, addUnreserve } from "./commands/reserve.ts";
import { addResume } from "./commands/resume.ts";
import { addRun } from "./commands/run.ts";
import { addStop } from "./commands/stop.ts";
import { addTree } from "./commands/tree.ts";
import { addStart, addUp } from "./commands/up.ts";
import { addWhy } from "./commands/why.ts";
import { addWriteOff } from "./commands/write-off.ts";
import { EXIT, EXIT_MEANINGS } from "./exit-code.ts";
import { type Session, STATE_FOLDER } from "./session.ts";
import { styleFor } from "./view/style.ts";

const EXAMPLES = [
  ["bursar up", "start a mesh here"],
  ["bursar run examples/research-swarm.yaml", "run a swarm on it, to its report"],
  ["bursar tree --watch", "watch who uses what of which budget"],
  ["bursar stop research", "stop what has gone astray"],
] as const;

/** Runs one command line and resolves to its exit code. Never rejects. */
export async function runProgram(argv: readonly string[], session: Session): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = createProgram(session);
  const host: CommandHost = { program, session, finish: (code) => (exitCode = code) };
  for (const add of [
    addStart,
    addUp,
    addRun,
    addReplay,
    addTree,
    addGet,
    addLs,
    addWhy,
    addStop,
    addLimits,
    addReserve,
    addReservations,
    addUnreserve,
    addPreempt,
    addResume,
    addWriteOff,
    addDoctor,
    addExport,
  ])
    add(host);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has said what is wrong, or shown the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return tellFailure(error, session);
  }
}

async function tellFailure(error: unknown, { terminal, interrupts }: Session): Promise<number> {
  // Loaded when needed: they bring the transport, which a help text can do without.
  const { exitCodeOf } = await import("./exit-code-of.ts");
  const { failureLines } = await import("./failure-lines.ts");
  const { isCancelled } = await import("./mesh-client.ts");
  terminal.status(undefined);
  // What was cancelled because the person asked for it needs no telling.
  if (interrupts.first.aborted && isCancelled(error)) return EXIT.interrupted;
  terminal.note(failureLines(error, styleFor(terminal.stderr)).join("\n"));
  return interrupts.first.aborted ? EXIT.interrupted : exitCodeOf(error);
}

function createProgram({ terminal }: Session): Command {
  const program = new Command("bursar");
  return program
    .description("Resource budgets for swarms of AI agents: hand them down a tree, see them spent, take them back.")
    .usage("<command> [options]")
    .option(
      "--address <host:port>",
      "the coordination daemon (default: as the state folder says, else 127.0.0.1:7410)",
      address,
    )
    .option("--state <folder>", "the state folder: journals, logs, and where its mesh serves", notEmpty, STATE_FOLDER)
    .option("--json", "results as JSON on stdout; progress stays on stderr")
    .addHelpText("before", `${exampleLines(EXAMPLES).join("\n")}\n`)
    .addHelpText("after", `\n${exitCodeLines().join("\n")}`)
    .helpCommand(true)
    .showHelpAfterError("(add --help to see how it is used)")
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true, helpWidth: Math.min(terminal.stdout.columns, 120) })
    .configureOutput({
      writeOut: (text) => terminal.print(text.replace(/\n$/, "")),
      writeErr: (text) => terminal.note(text.replace(/\n$/, "")),
      getOutHasColors: () => terminal.stdout.colour,
      getErrHasColors: () => terminal.stderr.colour,
      outputError: (text, write) => write(text.replace(/^error: /, "bursar: ")),
    })
    .exitOverride();
}

function exitCodeLines(): string[] {
  return ["Exit codes:", ...EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`)];
}
