/** What `npm run crash` is told. */
import { parseArgs } from "node:util";

export interface CrashArguments {
  readonly rounds: number;
  /** The seed of the first round; the others count on from it. */
  readonly seed: number;
  readonly help: boolean;
}

export type ParsedArguments =
  | { readonly ok: true; readonly value: CrashArguments }
  | { readonly ok: false; readonly problems: readonly string[] };

const ROUNDS = 20;
const ROUNDS_MAX = 1_000_000;
const SEED_MAX = 2 ** 32 - 1;

export const CRASH_USAGE = `usage: npm run crash -- [--rounds N] [--seed N]
  --rounds N   rounds to play (${ROUNDS})
  --seed N     seed of the first round; the next ones count on from it (drawn, and printed)

Each round starts a mesh of real daemons in a folder of its own, loads it, kills, stops and cuts at random, heals
everything and holds the books against the workers' own logs. The folder of a round that failed is kept.
`;

/** `drawn` is the seed for who names none. */
export function parseCrashArguments(argv: readonly string[], drawn: number): ParsedArguments {
  try {
    const options = { rounds: { type: "string" }, seed: { type: "string" }, help: { type: "boolean" } } as const;
    const { values } = parseArgs({ args: [...argv], options, strict: true, allowPositionals: false });
    const problems: string[] = [];
    const whole = (name: "rounds" | "seed", least: number, most: number, otherwise: number) => {
      const text = values[name];
      if (text === undefined) return otherwise;
      const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
      if (number >= least && number <= most) return number;
      problems.push(`--${name} must be a whole number from ${least} to ${most}, got ${JSON.stringify(text)}`);
      return otherwise;
    };
    const value = {
      rounds: whole("rounds", 1, ROUNDS_MAX, ROUNDS),
      seed: whole("seed", 0, SEED_MAX, drawn),
      help: values.help ?? false,
    };
    return problems.length === 0 ? { ok: true, value } : { ok: false, problems };
  } catch (error) {
    return { ok: false, problems: [error instanceof Error ? error.message : String(error)] };
  }
}
