/**
 * What of the policies above a grant holds inside it, at the daemon that holds it: the strategy, the aging step, the thresholds of a low
 * budget and the rules of preemption. It goes with the grant, and again when it changes; at both daemons it stands in the policy of the
 * grant, apart from what that says itself.
 */
import { type Draft, emit, say } from "./draft.ts";
import { revisionOf } from "./grant-revision.ts";
import type { InheritedPolicy } from "./policy.ts";
import { NOTHING_INHERITED, sameInherited } from "./shared-policy.ts";
import type { Allocation } from "./state.ts";

/** For what is granted under this node; undefined when no policy from here up says anything. */
export function inheritedUnder(node: Allocation): InheritedPolicy | undefined {
  let found: { -readonly [K in keyof InheritedPolicy]: InheritedPolicy[K] } | undefined;
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    const { policy } = at;
    const { strategy, agingStepMs, lowBudgetPercents, preemption, inherited } = policy;
    if (strategy !== undefined && found?.strategy === undefined) {
      found = { ...found, strategy, strategyPath: at.path };
    }
    if (agingStepMs !== undefined) found = { agingStepMs, ...found };
    if (lowBudgetPercents !== undefined) found = { lowBudgetPercents, ...found };
    if (preemption !== undefined) found = { preemption, ...found };
    if (inherited && !at.parent)
      found = found?.strategy === undefined ? { ...inherited, ...found } : under(inherited, found);
  }
  return found;
}

/** The nearer strategy goes with its own path. */
function under(inherited: InheritedPolicy, found: InheritedPolicy): InheritedPolicy {
  const { strategy, strategyPath, ...rest } = inherited;
  return { ...rest, ...found };
}

/** The policy of a node is another one by now: whoever holds something below it elsewhere is told what holds there, where that has changed. */
export function tellInherited(draft: Draft, node: Allocation): void {
  for (const child of [...node.children]) {
    if (child.side !== "delegated") tellInherited(draft, child);
    else if (child.state === "open") tellHolder(draft, node, child);
  }
}

function tellHolder(draft: Draft, parent: Allocation, child: Allocation): void {
  const inherited = inheritedUnder(parent) ?? NOTHING_INHERITED;
  const { id: allocationId, policy } = child;
  if (sameInherited(policy.inherited, inherited)) return;
  emit(draft, { type: "policy_set", atMs: draft.nowMs, allocationId, policy: { ...policy, inherited } }, child);
  const revision = revisionOf(child, { inherited });
  if (revision) say(draft, revision);
}

/** Child side: what the tier above says. True when it changes something. */
export function takeInherited(draft: Draft, node: Allocation, inherited: InheritedPolicy | undefined): boolean {
  const { id: allocationId, policy } = node;
  if (inherited === undefined || node.state !== "open" || sameInherited(policy.inherited, inherited)) return false;
  emit(draft, { type: "policy_set", atMs: draft.nowMs, allocationId, policy: { ...policy, inherited } }, node);
  tellInherited(draft, node);
  return true;
}
