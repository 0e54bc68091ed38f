/**
 * How often a policy that is tried at a node agrees with the one in force, since this daemon started: counted once a decision is durable, and
 * bounded. Counts are no part of the state: a restart begins anew, as for all that is remembered of decisions.
 */
import { type ShadowVerdict, strategyWords, type Would } from "#budget";
import { LIMITS } from "#std";

interface Counts {
  /** The strategy that is tried, and who named it. */
  readonly strategy: string;
  decided: number;
  /** How often it would have been otherwise, by what it was and what it would have been: so many kinds of each, at most. */
  readonly differed: Map<string, { readonly was: Would; readonly would: Would; times: number }>;
}

export class ShadowCounts {
  /** By node; whose requests were decided last is forgotten last. */
  readonly #byNode = new Map<string, Counts>();

  note(nodeId: string, { strategy, was, would, agrees }: ShadowVerdict): void {
    const counts = this.#countsOf(nodeId, strategyWords(strategy));
    counts.decided += 1;
    if (agrees) return;
    const key = `${was} ${would}`;
    const kind = counts.differed.get(key) ?? { was, would, times: 0 };
    kind.times += 1;
    counts.differed.set(key, kind);
  }

  /** Another strategy is counted anew. */
  #countsOf(nodeId: string, strategy: string): Counts {
    const known = this.#byNode.get(nodeId);
    const counts = known?.strategy === strategy ? known : { strategy, decided: 0, differed: new Map() };
    this.#byNode.delete(nodeId);
    this.#byNode.set(nodeId, counts);
    if (this.#byNode.size > LIMITS.shadowNodesKept) {
      const [oldest = nodeId] = this.#byNode.keys();
      this.#byNode.delete(oldest);
    }
    return counts;
  }

  /** One sentence; undefined where nothing was decided by it. */
  wordsAt(nodeId: string): string | undefined {
    const counts = this.#byNode.get(nodeId);
    if (!counts) return undefined;
    const { strategy, decided, differed } = counts;
    const kinds = [...differed.values()].sort(
      (a, b) => b.times - a.times || (a.was + a.would < b.was + b.would ? -1 : 1),
    );
    const otherwise = kinds.reduce((sum, { times }) => sum + times, 0);
    const told = kinds.map(({ was, would, times }) => `${times} ${inWords(was)} that it would have ${inWords(would)}`);
    const list = told.length === 0 ? "" : `: ${told.join(", ")}`;
    const [requests, were] = decided === 1 ? ["request", "it was"] : ["requests", "they were"];
    const same = `${decided - otherwise} would have been as ${were}`;
    return `shadow ${strategy}: of ${decided} ${requests} decided here since this daemon started ${same}, ${otherwise} otherwise${list}`;
  }
}

const WORDS: { readonly [W in Would]: string } = {
  GRANTED: "granted in full",
  GRANTED_IN_PART: "granted in part",
  PREEMPTING: "granted by preemption",
  QUEUED: "queued",
  REFUSED: "refused",
};

function inWords(kind: Would): string {
  return WORDS[kind];
}
