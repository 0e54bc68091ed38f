/** Ids and tokens that are the same in every run of a seed, and say who made them. */
import type { IdSource } from "#ports";
import type { Chance } from "./chance.ts";

export function idsOf(prefix: string, chance: Chance): IdSource {
  let count = 0;
  return {
    newId: () => {
      count += 1;
      return `${prefix}-${count}`;
    },
    newToken: () => {
      count += 1;
      return `token-${prefix}-${count}-${chance.prng.nextUint32()}`;
    },
    fraction: () => chance.fraction(),
  };
}
