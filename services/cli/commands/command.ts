/** What the commands have in common: how they get their options and hand back an exit code. */
import type { Command } from "commander";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { type CommonOptions, type Session, STATE_FOLDER } from "../session.ts";

/** Where a command is added, and what it runs with. */
export interface CommandHost {
  readonly program: Command;
  readonly session: Session;
  /** Takes the exit code of the command that ran. */
  readonly finish: (exitCode: number) => void;
}

export interface CommandWords {
  /** Name and arguments: `get <id|path>`. */
  readonly usage: string;
  readonly summary: string;
  /** What one might type, each with what it does; the help begins with them. */
  readonly examples: readonly (readonly [line: string, what: string])[];
}

/** Adds a command; its options and action are the caller's. */
export function addCommand({ program }: CommandHost, { usage, summary, examples }: CommandWords): Command {
  const command = program.command(usage).summary(summary).description(summary);
  command.addHelpText("before", () => `${exampleLines(examples).join("\n")}\n`);
  return command;
}

/** Examples as they stand in a help text. */
export function exampleLines(examples: CommandWords["examples"]): string[] {
  const width = examples.reduce((most, [line]) => Math.max(most, line.length), 0);
  return ["Examples:", ...examples.map(([line, what]) => `  ${line.padEnd(width)}   ${what}`)];
}

/** Flags are off unless given. Said here and not as defaults of the options, which the help would show for each of them. */
const FLAGS_OFF = Object.freeze({ json: false, watch: false, all: false, keep: false, once: false, verbose: false });

/** Refuses --address where a mesh is started: it would be quietly ignored. */
export function refuseAddress({ address }: CommonOptions, name: string): void {
  if (address === undefined) return;
  const message = `${name} starts a mesh of its own on this machine; --address names another's`;
  throw new CommandError(message, { exitCode: EXIT.usage, advice: ["choose its ports with --port-base"] });
}

/** The action of a command: `work` gets its arguments and all options, those of the program included. */
export function act<Options extends CommonOptions>(
  { session, finish }: CommandHost,
  work: (args: readonly string[], options: Options, session: Session) => Promise<number>,
) {
  return async (...given: unknown[]): Promise<void> => {
    const command = given.at(-1) as Command;
    const options = { ...FLAGS_OFF, ...command.optsWithGlobals<Options>() };
    finish(await work(command.args, options, { ...session, calledAs: calledOn(session, options) }));
  };
}

/** What is advised is about the same state folder. */
function calledOn({ calledAs }: Session, { state }: CommonOptions): string {
  return state === STATE_FOLDER ? calledAs : `${calledAs} --state ${state}`;
}
