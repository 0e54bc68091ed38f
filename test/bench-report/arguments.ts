/** The command line of the benches. */
import { parseArgs } from "node:util";

export interface BenchArguments {
  /** Names of rows, or what a row's name begins with up to a dot; empty: all. */
  readonly only: readonly string[];
  /** Where the JSON goes; absent: nowhere. */
  readonly json: string | undefined;
  /** Another checkout to compare with; absent: none. */
  readonly against: string | undefined;
  /** Rounds of a comparison. */
  readonly rounds: number;
  readonly help: boolean;
}

const ROUNDS = 5;

export const BENCH_USAGE = `usage: npm run bench [-- --only NAME]... [-- --json FILE]
       npm run bench -- --against FOLDER [--rounds N] [--only NAME]... [--json FILE]

  --only NAME       only this row ("grants.over_unary") or the rows of this group ("grants"); may be repeated.
                    "engine.curve" (what a decision costs by siblings and by those who wait) is measured only when it is named
  --json FILE       also write the rows to FILE, as a JSON array
  --against FOLDER  measure this checkout and the one in FOLDER by turns, and show how they stand to each other; FOLDER needs
                    its own node_modules or a link to these
  --rounds N        rounds of such a comparison (default: ${ROUNDS})
`;

/** Throws an Error that says what is wrong with the command line. */
export function parseBenchArguments(argv: readonly string[], names: readonly string[]): BenchArguments {
  const options = {
    only: { type: "string", multiple: true },
    json: { type: "string" },
    against: { type: "string" },
    rounds: { type: "string" },
    help: { type: "boolean" },
  } as const;
  const { values } = parseArgs({ args: [...argv], options, allowPositionals: false });
  const { only = [], json, against, help = false } = values;
  for (const asked of only) {
    if (names.some((name) => isAsked(name, [asked]))) continue;
    throw new Error(`no row is called ${asked}; there are ${names.join(", ")}`);
  }
  const rounds = values.rounds === undefined ? ROUNDS : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds ${values.rounds} is not a count of rounds`);
  if (values.rounds !== undefined && against === undefined) throw new Error("--rounds goes with --against");
  return { only, json, against, rounds, help };
}

/** True when `name` is among what was asked for: by itself or by its group. */
export function isAsked(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.some((asked) => name === asked || name.startsWith(`${asked}.`));
}
