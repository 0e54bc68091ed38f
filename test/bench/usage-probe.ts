/** One step whose calls can be told apart in what its run has used, and the watch at coordination that shows it. */
import { WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import type { Connection } from "#rpc";
import { LIMITS } from "#std";
import { CALL_CREDITS } from "./meter-player.ts";

/** Times from the sending of a settle to its being seen. The probe's calls cost 1 credit, every other call in the run CALL_CREDITS. */
export class Probe {
  readonly runId: string;
  readonly lagsMs: number[] = [];
  readonly #sentMs: number[] = [];
  #seen = 0;
  #measuredFrom = Number.POSITIVE_INFINITY;
  #whenAllSeen: (() => void) | undefined;

  constructor(runId: string) {
    this.runId = runId;
  }

  /** Calls settled from now on count. */
  measureFromNow(): void {
    this.#measuredFrom = this.#sentMs.length;
  }

  /** A settle is being sent. */
  settled(): void {
    this.#sentMs.push(performance.now());
    if (this.#sentMs.length >= CALL_CREDITS) throw new Error("the probe made more calls than can be told apart");
  }

  /** The run is seen to have used this much. */
  seen(credits: bigint): void {
    const nowMs = performance.now();
    const calls = Number(credits % CALL_CREDITS);
    for (; this.#seen < calls; this.#seen += 1) {
      const sentMs = this.#sentMs[this.#seen];
      if (sentMs === undefined) throw new Error("a call was seen that was never settled");
      if (this.#seen >= this.#measuredFrom) this.lagsMs.push(nowMs - sentMs);
    }
    if (this.#seen === this.#sentMs.length) this.#whenAllSeen?.();
  }

  /** Resolves when every settle that was sent has been seen. */
  get allSeen(): Promise<void> {
    if (this.#seen === this.#sentMs.length) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenAllSeen = resolve;
    });
  }
}

export interface RunsWatch {
  readonly coordination: Connection;
  readonly swarmId: string;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly onUsage: (runId: string, credits: bigint) => void;
}

/** Tells what coordination's own books say of each run of the swarm, as often as it can be asked to. Resolves when the watch has ended. */
export async function watchRuns({ coordination, swarmId, signal, onUsage }: RunsWatch): Promise<void> {
  const request = { allocationId: swarmId, intervalMs: LIMITS.watchIntervalMsMin, depth: 1 };
  const answers = coordination.client(WatchService).watchUsage(request, { signal });
  try {
    for await (const { nodes } of answers) {
      for (const node of nodes.flatMap((top) => [top, ...top.children])) {
        if (node.allocationId !== swarmId) onUsage(node.allocationId, node.usage?.credits ?? 0n);
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
