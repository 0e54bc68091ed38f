/** What both sides of a link share: who takes its items, who is told of its end, and that it ends once. */
import { LIMITS } from "#std";

export class LinkEnds<In> {
  #onItems: ((items: readonly In[]) => void) | undefined;
  #onClose: ((error?: Error) => void) | undefined;
  /** Items that came before the one that opens the link; undefined once it is open. */
  #early: In[] | undefined = [];
  #over = false;

  get over(): boolean {
    return this.#over;
  }

  setItems(handler: (items: readonly In[]) => void): void {
    this.#onItems = handler;
  }

  setClose(handler: (error?: Error) => void): void {
    this.#onClose = handler;
  }

  /** Delivers the item that opens the link, and what came before it on the other stream. */
  open(first: In): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    this.deliver([first, ...early]);
  }

  /** Delivers items, or keeps them until the link is open. False when more came too early than may be kept. */
  deliver(items: readonly In[]): boolean {
    if (this.#over || items.length === 0) return true;
    if (this.#early === undefined) {
      this.#onItems?.(items);
      return true;
    }
    if (this.#early.length + items.length > LIMITS.streamBacklogItemsMax) return false;
    this.#early.push(...items);
    return true;
  }

  /** True the first time; the owner then ends its streams and calls `tell`. */
  end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    return true;
  }

  tell(error: Error | undefined): void {
    if (error === undefined) this.#onClose?.();
    else this.#onClose?.(error);
  }
}
