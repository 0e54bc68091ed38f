/** Command lines of the simulation's programs: whole numbers by name, everything wrong told at once. */
import { parseArgs } from "node:util";

export interface NumberOption {
  readonly name: string;
  readonly meaning: string;
  readonly least: number;
  /** Undefined: it must be given. */
  readonly usual: number | undefined;
}

export interface Program {
  /** How it is called, such as `npm run simulate --`. */
  readonly command: string;
  readonly numbers: readonly NumberOption[];
  /** Options that are there or not. */
  readonly flags: readonly { readonly name: string; readonly meaning: string }[];
}

export type Parsed =
  | { readonly ok: true; readonly numbers: ReadonlyMap<string, number>; readonly flags: ReadonlySet<string> }
  | { readonly ok: false; readonly message: string };

export function usageOf({ command, numbers, flags }: Program): string {
  const lines = [
    ...numbers.map(({ name, meaning, usual }) => [
      `--${name} N`,
      usual === undefined ? meaning : `${meaning} (${usual})`,
    ]),
    ...flags.map(({ name, meaning }) => [`--${name}`, meaning]),
  ];
  return [
    `usage: ${command} [options]`,
    ...lines.map(([option = "", words]) => `  ${option.padEnd(16)} ${words}`),
  ].join("\n");
}

export function parseProgram(program: Program, argv: readonly string[]): Parsed {
  const options = Object.fromEntries([
    ...program.numbers.map(({ name }) => [name, { type: "string" }] as const),
    ...program.flags.map(({ name }) => [name, { type: "boolean" }] as const),
  ]);
  let values: Readonly<Record<string, unknown>>;
  try {
    values = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false }).values;
  } catch (error) {
    return { ok: false, message: `${error instanceof Error ? error.message : error}\n${usageOf(program)}` };
  }
  const numbers = new Map<string, number>();
  const wrong: string[] = [];
  for (const { name, least, usual } of program.numbers) {
    const text = values[name] ?? usual;
    const value = Number(text);
    if (/^\d{1,15}$/.test(String(text)) && value >= least) numbers.set(name, value);
    else
      wrong.push(
        `--${name} must be a whole number, ${least} or more${text === undefined ? "" : `, got ${JSON.stringify(text)}`}`,
      );
  }
  if (wrong.length > 0) return { ok: false, message: `${wrong.join("\n")}\n${usageOf(program)}` };
  const flags = new Set(program.flags.filter(({ name }) => values[name] === true).map(({ name }) => name));
  return { ok: true, numbers, flags };
}
