/** A7: the state of one daemon as its durable commits make it, beside the one it works with and the one it recovers. */
import { type BudgetState, createState, describeState, evolve } from "#budget";
import type { Commit } from "#ports";
import { Violation } from "./violation.ts";

export class Shadow {
  readonly state: BudgetState = createState();
  readonly #owner: string;
  #commits = 0;

  constructor(owner: string) {
    this.#owner = owner;
  }

  /** How many commits are durable. */
  get commits(): number {
    return this.#commits;
  }

  durable({ events }: Commit): void {
    for (const event of events) evolve(this.state, event);
    this.#commits += 1;
  }

  /** `live`: what the daemon works with at a moment when nothing of it waits to become durable. */
  compare(live: BudgetState, when: string): void {
    const [is, must] = [textOf(live), textOf(this.state)];
    if (is === must) return;
    const at = firstDifference(is, must);
    const message = `${this.#owner} ${when} has …${is.slice(at, at + 160)}… where its ${this.#commits} durable commits make …${must.slice(at, at + 160)}…`;
    throw new Violation("A7.recovery", message, [this.#owner]);
  }
}

/** Plain text in which the order of an object's fields says nothing. */
function textOf(state: BudgetState): string {
  return JSON.stringify(describeState(state), (_key, value: unknown) => {
    if (value instanceof Map || value instanceof Set) return [...value];
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return Math.max(0, at - 60);
}
