/** How much work each daemon of the tier below has, and which one gets the next. */
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import type { ChildDaemon, Downlink } from "#tier";
import { pause } from "./pause.ts";

export class ChildLoads {
  readonly #load = new Map<string, number>();

  /** The child with the least work that has room for more; of several the one that came first. */
  pick(children: readonly ChildDaemon[]): ChildDaemon | undefined {
    let best: ChildDaemon | undefined;
    for (const child of children) {
      const load = this.#of(child);
      if (child.capacity > 0 && load >= child.capacity) continue;
      if (!best || load < this.#of(best)) best = child;
    }
    return best;
  }

  /** As `pick`, but waits a while for one to come, or to come back. */
  async await(downlink: Downlink, clock: Pick<Clock, "after" | "monotonicMs">): Promise<ChildDaemon | undefined> {
    const untilMs = clock.monotonicMs() + LIMITS.childWaitMs;
    for (;;) {
      const child = this.pick(downlink.children());
      if (child || clock.monotonicMs() >= untilMs) return child;
      await pause(clock, LIMITS.childLookMs);
    }
  }

  /** Counts one piece of work until the returned function is called. */
  begin({ instance }: Pick<ChildDaemon, "instance">): () => void {
    this.#add(instance, 1);
    return () => this.#add(instance, -1);
  }

  #of({ instance }: ChildDaemon): number {
    return this.#load.get(instance) ?? 0;
  }

  #add(instance: string, by: 1 | -1): void {
    const load = (this.#load.get(instance) ?? 0) + by;
    if (load === 0) this.#load.delete(instance);
    else this.#load.set(instance, load);
  }
}
