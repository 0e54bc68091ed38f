/**
 * The open and closing children of a node, in the order in which they were added: a list through the children themselves. A set of a hundred
 * thousand is a table in memory that is far away for every child that comes or goes; its neighbours in the list are not.
 * While the list is gone through, children may come and go: who has gone is not met any more, who has come is.
 */
import { assert } from "#std";

/** A child, with its neighbours in the list; to be written by the list alone. */
export interface Sibling<N> {
  older: N | undefined;
  younger: N | undefined;
}

/** The list, to be read. */
export interface Siblings<N> extends Iterable<N> {
  readonly size: number;
  has(child: N): boolean;
}

class SiblingList<N extends Sibling<N>> implements Siblings<N> {
  #first: N | undefined;
  #last: N | undefined;
  #size = 0;
  /** How many go through it now. */
  #walks = 0;
  /** Who has gone meanwhile: whoever stands there goes on from there. */
  #gone: N[] = [];

  get size(): number {
    return this.#size;
  }

  /** A child stands in no other list. */
  has(child: N): boolean {
    return child === this.#first || child.older !== undefined;
  }

  add(child: N): void {
    assert(!this.has(child), "a child is added once");
    if (this.#last) this.#last.younger = child;
    else this.#first = child;
    child.older = this.#last;
    this.#last = child;
    this.#size += 1;
    for (const gone of this.#gone) gone.younger ??= child;
  }

  delete(child: N): void {
    if (!this.has(child)) return;
    const { older, younger } = child;
    if (older) older.younger = younger;
    else this.#first = younger;
    if (younger) younger.older = older;
    else this.#last = older;
    child.older = undefined;
    this.#size -= 1;
    if (this.#walks > 0) this.#gone.push(child);
    else child.younger = undefined;
  }

  *[Symbol.iterator](): Generator<N, void> {
    this.#walks += 1;
    try {
      for (let child = this.#first; child; child = child.younger) if (this.has(child)) yield child;
    } finally {
      this.#walks -= 1;
      if (this.#walks === 0) this.#leave();
    }
  }

  /** Nobody stands at those who have gone: one that is remembered for long must not hold all that came after it. */
  #leave(): void {
    for (const gone of this.#gone) gone.younger = undefined;
    if (this.#gone.length > 0) this.#gone = [];
  }
}

/** The children of a node that has none yet; nobody may write to it. */
export const NO_SIBLINGS: Siblings<never> = new SiblingList<never>();

/** The node's children with this one at the end. */
export function withSibling<N extends Sibling<N>>(children: Siblings<N>, child: N): Siblings<N> {
  const own = children === NO_SIBLINGS ? new SiblingList<N>() : (children as SiblingList<N>);
  own.add(child);
  return own;
}

/** The node's children without this one. */
export function withoutSibling<N extends Sibling<N>>(children: Siblings<N>, child: N): Siblings<N> {
  if (children !== NO_SIBLINGS) (children as SiblingList<N>).delete(child);
  return children;
}
