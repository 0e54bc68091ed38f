/** The command line of the benches. */
import { parseArgs } from "node:util";

export interface BenchArguments {
  /** Names of rows, or what a row's name begins with up to a dot; empty: all. */
  readonly only: readonly string[];
  /** Where the JSON goes; absent: nowhere. */
  readonly json: string | undefined;
  readonly help: boolean;
}

export const BENCH_USAGE = `usage: npm run bench [-- --only NAME]... [-- --json FILE]

  --only NAME  only this row ("grants.over_unary") or the rows of this group ("grants"); may be repeated
  --json FILE  also write the rows to FILE, as a JSON array
`;

/** Throws an Error that says what is wrong with the command line. */
export function parseBenchArguments(argv: readonly string[], names: readonly string[]): BenchArguments {
  const options = {
    only: { type: "string", multiple: true },
    json: { type: "string" },
    help: { type: "boolean" },
  } as const;
  const { only = [], json, help = false } = parseArgs({ args: [...argv], options, allowPositionals: false }).values;
  for (const asked of only) {
    if (names.some((name) => isAsked(name, [asked]))) continue;
    throw new Error(`no row is called ${asked}; there are ${names.join(", ")}`);
  }
  return { only, json, help };
}

/** True when `name` is among what was asked for: by itself or by its group. */
export function isAsked(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.some((asked) => name === asked || name.startsWith(`${asked}.`));
}
