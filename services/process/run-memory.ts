/**
 * How far a run came, as it stands in the journal beside the run's allocation: how each step and branch ended, and which tries of a step
 * were lost. Written as it happens, before the wish of the next step; read once, by the next life of the daemon.
 */
import { stepEndNote, stepEndOf } from "#codec";
import type { DaemonBase } from "#daemon";
import type { StepFinished } from "#gen/bursar/v1/run_pb.js";

/** A node below a run that the journal remembers. */
export interface FoundNode {
  readonly allocationId: string;
  readonly path: string;
  /** The instance that holds it; undefined for nodes of this daemon. */
  readonly holder: string | undefined;
  readonly epoch: number;
  readonly isClosed: boolean;
}

export interface FoundNotes {
  readonly notes: ReadonlyMap<string, string>;
  readonly nodes: ReadonlyMap<string, FoundNode>;
}

export interface RunMemoryOptions {
  readonly base: Pick<DaemonBase, "loop" | "log">;
  readonly runId: string;
  /** Path of the run. */
  readonly path: string;
  /** What an earlier life left. */
  readonly found: FoundNotes | undefined;
}

export class RunMemory {
  readonly #options: RunMemoryOptions;
  /** Tries that were lost, by path. */
  readonly #lost = new Map<string, readonly string[]>();
  /** Nodes of the tries that were not lost, by path. */
  readonly #nodes = new Map<string, FoundNode>();
  #silenced = false;

  constructor(options: RunMemoryOptions) {
    this.#options = options;
    const { notes, nodes } = options.found ?? {};
    for (const [key, value] of notes ?? []) {
      if (key.startsWith("lost:")) this.#lost.set(key.slice("lost:".length), value.split(" "));
    }
    for (const node of nodes?.values() ?? []) {
      const below = this.#below(node.path);
      if (!this.#lost.get(below)?.includes(node.allocationId)) this.#nodes.set(below, node);
    }
  }

  /** How the step or branch at `path` ended in an earlier life. */
  ended(path: string): StepFinished | undefined {
    return stepEndOf(this.#options.found?.notes.get(`done:${this.#below(path)}`));
  }

  /** The node of the step or branch at `path` that an earlier life opened. Asked once: a later try has a node of its own. */
  takeNode(path: string): FoundNode | undefined {
    const below = this.#below(path);
    const node = this.#nodes.get(below);
    this.#nodes.delete(below);
    return node;
  }

  /** Lost tries of the step at `path`. */
  lostTries(path: string): number {
    return this.#lost.get(this.#below(path))?.length ?? 0;
  }

  /** The allocation of the latest of them; undefined when there is none. */
  lastLost(path: string): string | undefined {
    return this.#lost.get(this.#below(path))?.at(-1);
  }

  keepEnd(path: string, { usage, ...end }: StepFinished): void {
    this.#write(`done:${this.#below(path)}`, stepEndNote({ ...end, path: "" }));
  }

  keepLost(path: string, allocationId: string): void {
    const below = this.#below(path);
    const lost = [...(this.#lost.get(below) ?? []), allocationId];
    this.#lost.set(below, lost);
    this.#write(`lost:${below}`, lost.join(" "));
  }

  /** Nothing is written any more. */
  silence(): void {
    this.#silenced = true;
  }

  #below(path: string): string {
    return path.slice(this.#options.path.length + 1);
  }

  #write(key: string, value: string): void {
    if (this.#silenced) return;
    const { base, runId: allocationId } = this.#options;
    base.loop.submit({ type: "attach_note", allocationId, key, value }, (outcome) => {
      if (outcome.type === "refused") base.log.warn({ allocationId, key, refusal: outcome.refusal }, "not noted");
    });
  }
}
