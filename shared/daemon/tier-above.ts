/** A daemon's connection to the tier above: dialled once it serves, kept up until it ends. */
import type { StopTold } from "#budget";
import type { LowBudget, TraceContext } from "#ports";
import { dialBudgetService } from "#rpc";
import { Uplink } from "#tier";
import type { DaemonBase } from "./base.ts";

export interface TierAbove {
  readonly uplink: Uplink;
  /** Where this daemon is reached, once it serves; empty before. */
  address(): string;
  /** Dials, and says at which address this daemon serves. */
  start(address: string): void;
  /** Sends what is due and ends the connection. */
  stop(): Promise<void>;
}

export interface TierAboveOptions {
  /** Trace of the work in an allocation, for the spans of its reports. */
  readonly traceOf: (allocationId: string) => TraceContext | undefined;
  /** What an allocation that is held here draws on above is nearly used up. Default: nobody is told. */
  readonly onLowBudget?: (allocationId: string, low: LowBudget) => void;
}

export function connectTierAbove(base: DaemonBase, { traceOf, onLowBudget }: TierAboveOptions): TierAbove {
  const { settings, loop, clock, ids, log, instance, incarnation, telemetry } = base;
  const { parent = "", tier, capacity } = settings;
  let address = "";
  const connection = base.connect(parent);
  const uplink = new Uplink({
    loop,
    clock,
    ids,
    identity: () => ({ instance, incarnation, journalId: loop.journalId, address, tier, capacity }),
    tracing: { telemetry, traceOf },
    dial: () => dialBudgetService(connection),
    onStop: (allocationId, reason, stop) =>
      void loop.ask(stop ? stopCommand(allocationId, reason, stop) : { type: "close", allocationId, reason }),
    ...(onLowBudget && { onLowBudget }),
    onState: ({ connected, error }) =>
      log.info({ parent, err: error }, connected ? "connected to the tier above" : "not connected to the tier above"),
  });
  return {
    uplink,
    address: () => address,
    start: (served) => {
      address = served;
      uplink.start();
    },
    stop: async () => {
      await uplink.stop();
      connection.close();
    },
  };
}

/** The same as the call that asks for it: whichever comes first has the effect. */
function stopCommand(allocationId: string, reason: string, stop: StopTold) {
  return {
    ...stop,
    type: "reclaim",
    allocationId,
    epoch: undefined,
    amounts: undefined,
    mode: "STOP",
    reason,
  } as const;
}
