/** What the policies in one daemon's journal say where: the auditor's own reading of what is inherited, down the tree and with a grant. */
import type { BudgetEvent, InheritedPolicy, Policy } from "#budget";

interface Fact {
  readonly parentId: string | undefined;
  readonly path: string;
  policy: Policy;
}

const STATED = ["strategy", "agingStepMs", "lowBudgetPercents", "preemption"] as const;

export class Policies {
  readonly #facts = new Map<string, Fact>();

  /** To be told every durable event, before those who ask. */
  read(event: BudgetEvent): void {
    if (event.type === "allocation_opened") {
      const { allocationId, parentId, path, policy } = event;
      this.#facts.set(allocationId, { parentId, path, policy });
    }
    const fact = event.type === "policy_set" ? this.#facts.get(event.allocationId) : undefined;
    if (fact && event.type === "policy_set") fact.policy = event.policy;
  }

  /** What counts at this node, and under it where nothing nearer says anything else. What nobody says is absent. */
  at(id: string | undefined): InheritedPolicy {
    let found: InheritedPolicy = {};
    for (let fact = this.#fact(id); fact; fact = this.#fact(fact.parentId)) {
      const { policy, path } = fact;
      found = { ...partsOf({ ...policy, strategyPath: path }), ...found };
      // A grant from another daemon is the top here, and carries what counts above it.
      if (fact.parentId === undefined) found = { ...partsOf(policy.inherited ?? {}), ...found };
    }
    return found;
  }

  /** What the node itself has been told of the policies above it, at another daemon. */
  told(id: string): InheritedPolicy {
    return this.#fact(id)?.policy.inherited ?? {};
  }

  #fact(id: string | undefined): Fact | undefined {
    return id === undefined ? undefined : this.#facts.get(id);
  }
}

/** Only what is stated; the path goes with the strategy. */
function partsOf(stated: InheritedPolicy): InheritedPolicy {
  const parts = STATED.filter((name) => stated[name] !== undefined).map((name) => [name, stated[name]]);
  const path = stated.strategy === undefined ? {} : { strategyPath: stated.strategyPath };
  return { ...Object.fromEntries(parts), ...path };
}

/** The same for the same rules, in whatever order they stand. */
export function wordsOf(stated: InheritedPolicy): string {
  return JSON.stringify(partsOf(stated), (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}
