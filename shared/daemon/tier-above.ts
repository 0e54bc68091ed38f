/** A daemon's connection to the tier above: dialled once it serves, kept up until it ends. */
import type { TraceContext } from "#ports";
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
}

export function connectTierAbove(base: DaemonBase, { traceOf }: TierAboveOptions): TierAbove {
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
    onStop: (allocationId, reason) => void loop.ask({ type: "close", allocationId, reason }),
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
