/**
 * How often those who wait at a node are served, of late: told where no deadline says when something will change. Counted once a decision is durable,
 * and only while somebody waits there; bounded, and no part of the state: a restart begins anew.
 */
import { LIMITS } from "#std";

interface Served {
  /** Requests known to wait. */
  waiting: number;
  /** Since when nobody was served, though somebody waited. Engine time. */
  sinceMs: number;
  /** Milliseconds before each of the latest that were served. */
  readonly gapsMs: number[];
}

/** Of fewer nothing is said. */
const GAPS_MIN = 2;

/** The node at which a wish waits. */
export interface WaitingAt {
  readonly nodeId: string;
  readonly atMs: number;
}

export class ServedRates {
  /** By node; where somebody came to wait or was served last is forgotten last. */
  readonly #byNode = new Map<string, Served>();

  came({ nodeId, atMs }: WaitingAt): void {
    const served = this.#byNode.get(nodeId) ?? { waiting: 0, sinceMs: atMs, gapsMs: [] };
    if (served.waiting === 0) served.sinceMs = atMs;
    served.waiting += 1;
    this.#byNode.delete(nodeId);
    this.#byNode.set(nodeId, served);
    if (this.#byNode.size <= LIMITS.servedNodesKept) return;
    const [oldest = nodeId] = this.#byNode.keys();
    this.#byNode.delete(oldest);
  }

  /** One that came waits no longer. */
  left({ nodeId, atMs }: WaitingAt, how: "served" | "unserved"): void {
    const served = this.#byNode.get(nodeId);
    if (!served || served.waiting === 0) return;
    served.waiting -= 1;
    if (how === "unserved") return;
    served.gapsMs.push(Math.max(0, atMs - served.sinceMs));
    if (served.gapsMs.length > LIMITS.servedGapsKept) served.gapsMs.shift();
    served.sinceMs = atMs;
  }

  /** One is served every so many milliseconds, at least 1; undefined: that is not known. A gap that is already longer than usual counts. */
  everyMs({ nodeId, atMs }: WaitingAt): number | undefined {
    const served = this.#byNode.get(nodeId);
    if (!served || served.gapsMs.length < GAPS_MIN) return undefined;
    const { gapsMs, waiting, sinceMs } = served;
    const sum = gapsMs.reduce((total, gap) => total + gap, 0);
    const now = waiting === 0 ? 0 : Math.max(0, atMs - sinceMs);
    return Math.max(1, Math.ceil(sum / gapsMs.length), Math.ceil((sum + now) / (gapsMs.length + 1)));
  }
}
