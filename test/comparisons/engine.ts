/** One engine on virtual time, as the comparisons drive it: commands go in one by one, what is told comes out. No I/O, no waiting. */
import {
  type Amount,
  type Amounts,
  amountsOf,
  type BudgetEvent,
  type Command,
  createState,
  type Decision,
  decide,
  evolve,
  nextDueMs,
} from "#budget";

type WithoutTime<T> = T extends { readonly nowMs: number } ? Omit<T, "nowMs"> : never;
export type Untimed = WithoutTime<Command>;

/** Amounts from plain numbers; what is absent is zero. */
export function amounts(numbers: { readonly [R in keyof Amounts]?: number }): Amounts {
  return amountsOf(numbers as { readonly [R in keyof Amounts]?: Amount });
}

export class Engine {
  /** Milliseconds of engine time; set by whoever drives it, never back. */
  nowMs = 0;
  decisions = 0;
  state = createState();
  readonly #journal: BudgetEvent[] = [];

  run(command: Untimed): Decision {
    this.decisions += 1;
    const decision = decide(this.state, { ...command, nowMs: this.nowMs } as Command);
    this.#journal.push(...decision.events);
    return decision;
  }

  /** When time alone brings something about again; undefined: never, as things stand. */
  get dueMs(): number | undefined {
    return nextDueMs(this.state);
  }

  /** What a crash and a new start do: the state is made anew from its journal. */
  restart(): Decision {
    this.state = createState();
    for (const event of this.#journal) evolve(this.state, event);
    return this.run({ type: "start" });
  }
}
