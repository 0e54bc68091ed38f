/** All mutants. */
import type { Mutant } from "./mutant.ts";
import { MUTANTS_OF_THE_ALLOWANCES } from "./of-the-allowances.ts";
import { MUTANTS_OF_THE_ATTEMPTS } from "./of-the-attempts.ts";
import { MUTANTS_OF_THE_CLAIMS } from "./of-the-claims.ts";
import { MUTANTS_OF_THE_ENGINE } from "./of-the-engine.ts";
import { MUTANTS_OF_THE_LIMITS } from "./of-the-limits.ts";
import { MUTANTS_OF_THE_LOOP } from "./of-the-loop.ts";
import { MUTANTS_OF_THE_NAMES } from "./of-the-names.ts";
import { MUTANTS_OF_THE_PAUSES } from "./of-the-pauses.ts";
import { MUTANTS_OF_THE_POLICIES } from "./of-the-policies.ts";
import { MUTANTS_OF_THE_RESERVATIONS } from "./of-the-reservations.ts";
import { MUTANTS_OF_THE_SHADOWS } from "./of-the-shadows.ts";
import { MUTANTS_OF_THE_SHARES } from "./of-the-shares.ts";
import { MUTANTS_OF_THE_TRANCHES } from "./of-the-tranches.ts";

export const MUTANTS: readonly Mutant[] = [
  ...MUTANTS_OF_THE_LOOP,
  ...MUTANTS_OF_THE_ENGINE,
  ...MUTANTS_OF_THE_LIMITS,
  ...MUTANTS_OF_THE_PAUSES,
  ...MUTANTS_OF_THE_CLAIMS,
  ...MUTANTS_OF_THE_SHARES,
  ...MUTANTS_OF_THE_NAMES,
  ...MUTANTS_OF_THE_TRANCHES,
  ...MUTANTS_OF_THE_RESERVATIONS,
  ...MUTANTS_OF_THE_SHADOWS,
  ...MUTANTS_OF_THE_ALLOWANCES,
  ...MUTANTS_OF_THE_ATTEMPTS,
  ...MUTANTS_OF_THE_POLICIES,
];
