/** How long reserves take at a fixed number of calls in flight, measured by a process of its own. */
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import { forkProcess, SHORT_PAUSES } from "./forked.ts";
import type { TimesAnswer, TimesAsked } from "./samples.ts";

/** What that process is started with. */
export interface LatencyLoad {
  /** Of the execution daemon. */
  readonly address: string;
  readonly workers: readonly Pick<WorkerReady, "allocationId" | "token">[];
  readonly streams: number;
  /** Over all streams; each gets as many. */
  readonly callsInFlight: number;
}

export interface ReserveTimes {
  /** Reserves and settles for so long; the times of those reserves are kept unless they are for warming up. */
  take(durationMs: number, options?: { readonly warmUp: boolean }): Promise<void>;
  /** Of all times that were kept, in milliseconds. */
  quantiles(shares: readonly number[]): Promise<TimesAnswer>;
  close(): Promise<void>;
}

export async function startReserveTimes({ workers, ...rest }: LatencyLoad): Promise<ReserveTimes> {
  const named = workers.map(({ allocationId, token }) => ({ allocationId, token }));
  const args = [JSON.stringify({ ...rest, workers: named })];
  const options = { args, nodeArguments: SHORT_PAUSES };
  const load = await forkProcess<object, TimesAsked, TimesAnswer>("./latency-worker.ts", options);
  return {
    take: async (takeForMs, { warmUp } = { warmUp: false }) => void (await load.ask({ takeForMs, counts: !warmUp })),
    quantiles: (quantiles) => load.ask({ quantiles }),
    close: () => load.stop(),
  };
}
