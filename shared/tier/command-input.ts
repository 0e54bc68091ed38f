/** Commands as callers hand them to the loop, which adds the time. */
import type { Command } from "#budget";

type WithoutTime<C> = C extends unknown ? Omit<C, "nowMs"> : never;

/** Any command without its time. */
export type CommandInput = WithoutTime<Command>;

type Whole<Type extends Command["type"]> = Required<Extract<Command, { readonly type: Type }>>;

/**
 * The command at its time. Those that come by the ten thousand are copied by name, which takes half the memory: a copy of whatever there
 * is has no room for one field more. (No field is forgotten: the types say so.)
 */
export function timed(command: CommandInput, nowMs: number): Command {
  switch (command.type) {
    case "grant":
      return { type: "grant", nowMs, wish: command.wish } satisfies Whole<"grant">;
    case "reserve": {
      const { requestId, allocationId, holdId, what, name, wanted, min, ttlMs } = command;
      return {
        type: "reserve",
        nowMs,
        requestId,
        allocationId,
        holdId,
        what,
        name,
        wanted,
        min,
        ttlMs,
      } satisfies Whole<"reserve">;
    }
    case "settle": {
      const { allocationId, holdId, credits, toolCalls, final } = command;
      const { networkBytes, diskBytes, gpuMs, memoryPeakBytes } = command;
      return {
        type: "settle",
        nowMs,
        allocationId,
        holdId,
        credits,
        toolCalls,
        final,
        networkBytes,
        diskBytes,
        gpuMs,
        memoryPeakBytes,
      } satisfies Whole<"settle">;
    }
    default:
      return { ...command, nowMs } as Command;
  }
}
