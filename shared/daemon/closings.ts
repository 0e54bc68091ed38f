/** Tells when an allocation is closed: its books are final and durable. */
import { RefusalError } from "#errors";
import type { Clock } from "#ports";
import type { TierResourceManager } from "#tier";

export class Closings {
  readonly #loop: TierResourceManager;
  readonly #clock: Pick<Clock, "after">;
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(loop: TierResourceManager, clock: Pick<Clock, "after">) {
    this.#loop = loop;
    this.#clock = clock;
    loop.subscribe((message) => {
      if (message.type !== "closed") return;
      const waiting = this.#waiting.get(message.allocationId) ?? [];
      this.#waiting.delete(message.allocationId);
      for (const done of waiting) done();
    });
  }

  /** Resolves when the allocation is closed, or at once when it is not (or no longer) known. */
  async of(allocationId: string): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#waiting.set(allocationId, [...(this.#waiting.get(allocationId) ?? []), resolve]);
    });
    if (await this.#isOpen(allocationId)) return closed;
    this.#waiting.delete(allocationId);
  }

  async #isOpen(allocationId: string): Promise<boolean> {
    try {
      return await this.#loop.read((state) => {
        const node = state.allocations.get(allocationId);
        return node !== undefined && node.state !== "closed";
      });
    } catch (error) {
      // Too much waits for the loop to be asked now: whoever asks has just had the allocation, so its end is still to come.
      if (error instanceof RefusalError) return true;
      throw error;
    }
  }

  /** As `of` for several, but waits `ms` at most. */
  async within(allocationIds: string | readonly string[], ms: number): Promise<void> {
    const ids = typeof allocationIds === "string" ? [allocationIds] : allocationIds;
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, resolve);
    await Promise.race([promise, Promise.all(ids.map((id) => this.of(id)))]);
    cancel();
  }
}
