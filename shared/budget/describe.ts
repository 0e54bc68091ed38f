/** The whole state as plain, ordered data: two states are the same when their descriptions are. For tests, snapshots and doctors. */
import { listOf } from "./collections.ts";
import { answerOf } from "./effect.ts";
import type { Allocation, BudgetState, Effect, Hold } from "./state.ts";

/** Plain data of everything that the events decide. */
export function describeState(state: BudgetState): unknown {
  return {
    engineTimeMs: state.engineTimeMs,
    waiterSequence: state.waiterSequence,
    allocations: [...state.allocations.values()].map(describeAllocation),
    roots: idsOf(state.roots),
    lives: state.lives,
    uncorrected: state.uncorrected,
    unacknowledged: idsOf(state.unacknowledged),
    acknowledged: idsOf(state.acknowledged),
    holds: [...state.holds.values()].map(describeHold),
    effects: [...state.effects].map(([key, effect]) => [key, describeEffect(effect)]),
    ended: [...state.ended.items()],
    due: describeDue(state),
    histories: state.victims.histories(),
    wishes: wishesOf(state),
  };
}

/**
 * What will become due, as far as something comes of it: looking for what is due takes out of the index the lease of a received grant,
 * whose holder only learns of its end, and the deadline of a node that is closing already, without an event.
 */
function describeDue({ due: { holds, leases, deadlines, waiters, claims } }: BudgetState): unknown {
  return {
    holds: idsOf(holds.items()),
    leases: idsOf([...leases.items()].filter(({ side }) => side === "delegated")),
    deadlines: idsOf([...deadlines.items()].filter(({ state }) => state === "open")),
    waiters: [...waiters.items()].map(({ effectKey }) => effectKey),
    claims: [...claims.items()].map(({ effectKey }) => effectKey),
  };
}

/** In the order of the allocations. */
function wishesOf({ allocations, sharing }: BudgetState): unknown {
  return [...allocations.values()].flatMap((node) => {
    const wish = sharing.wishes.get(node);
    return wish ? [{ id: node.id, ...wish }] : [];
  });
}

function describeEffect(effect: Effect): unknown {
  return effect.kind === "waiting" ? effect : { fingerprint: effect.fingerprint, answer: answerOf(effect) };
}

function idsOf(items: Iterable<{ readonly id: string }>): string[] {
  return [...items].map(({ id }) => id);
}

function describeHold({ allocation, ...hold }: Hold): unknown {
  return { ...hold, allocationId: allocation.id };
}

function describeAllocation(node: Allocation): unknown {
  const { older, younger, ...own } = node;
  return {
    ...own,
    path: node.path,
    parent: node.parent?.id,
    children: idsOf(node.children),
    holders: [...node.holders],
    closedChildren: idsOf(node.closedChildren),
    effectKeys: listOf(node.effectKeys),
    holds: idsOf(node.holds),
    tally: { ...node.tally, callsPerTool: [...node.tally.callsPerTool] },
    reclaims: [...node.reclaims.values()],
    endedReclaims: [...node.endedReclaims.values()],
    waiters: [...node.waiters],
    claims: [...node.waiters.claims.values()].map(({ waiter, ...claim }) => ({ ...claim, key: waiter.effectKey })),
    earmarks: node.waiters.earmarks.entries(),
    notes: [...node.notes],
  };
}
