/** All mutants. */
import type { Mutant } from "./mutant.ts";
import { MUTANTS_OF_THE_ENGINE } from "./of-the-engine.ts";
import { MUTANTS_OF_THE_LOOP } from "./of-the-loop.ts";

export const MUTANTS: readonly Mutant[] = [...MUTANTS_OF_THE_LOOP, ...MUTANTS_OF_THE_ENGINE];
