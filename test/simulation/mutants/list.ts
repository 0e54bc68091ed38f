/** All mutants. */
import type { Mutant } from "./mutant.ts";
import { MUTANTS_OF_THE_CLAIMS } from "./of-the-claims.ts";
import { MUTANTS_OF_THE_ENGINE } from "./of-the-engine.ts";
import { MUTANTS_OF_THE_LIMITS } from "./of-the-limits.ts";
import { MUTANTS_OF_THE_LOOP } from "./of-the-loop.ts";
import { MUTANTS_OF_THE_PAUSES } from "./of-the-pauses.ts";
import { MUTANTS_OF_THE_SHARES } from "./of-the-shares.ts";

export const MUTANTS: readonly Mutant[] = [
  ...MUTANTS_OF_THE_LOOP,
  ...MUTANTS_OF_THE_ENGINE,
  ...MUTANTS_OF_THE_LIMITS,
  ...MUTANTS_OF_THE_PAUSES,
  ...MUTANTS_OF_THE_CLAIMS,
  ...MUTANTS_OF_THE_SHARES,
];
