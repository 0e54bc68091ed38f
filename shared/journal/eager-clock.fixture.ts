/** For tests: no pause is ever made; what would wait runs in the next turn. */
import type { Clock } from "#ports";

export const eagerClock: Pick<Clock, "after"> = {
  after: (_, action) => {
    const turn = setImmediate(action);
    return () => clearImmediate(turn);
  },
};
