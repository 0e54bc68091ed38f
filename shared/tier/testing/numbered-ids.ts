/** Ids that say who made them and in which order. */
import type { IdSource } from "#ports";

/** `fraction` (default 0.5) is what every draw of jitter gives. */
export function numberedIds(prefix: string, fraction: () => number = () => 0.5): IdSource {
  let count = 0;
  const next = (kind: string): string => {
    count += 1;
    return `${prefix}-${kind}${count}`;
  };
  return { newId: () => next(""), newToken: () => next("token-"), fraction };
}
