/** Commands as callers hand them to the loop, which adds the time. */
import type { Command } from "#budget";

type WithoutTime<C> = C extends unknown ? Omit<C, "nowMs"> : never;

/** Any command without its time. */
export type CommandInput = WithoutTime<Command>;
