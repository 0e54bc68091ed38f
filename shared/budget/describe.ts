/** The whole state as plain, ordered data: two states are the same when their descriptions are. For tests, snapshots and doctors. */
import { listOf } from "./collections.ts";
import { answerOf } from "./effect.ts";
import type { Allocation, BudgetState, Effect, Hold } from "./state.ts";
import { NO_TRANCHES } from "./tranches.ts";

/** Plain data of everything that the events decide. */
export function describeState(state: BudgetState): unknown {
  return {
    engineTimeMs: state.engineTimeMs,
    waiterSequence: state.waiterSequence,
    allocations: [...state.allocations.values()].map(describeAllocation),
    roots: idsOf(state.roots),
    openRoots: idsOf(state.openRoots),
    lives: state.lives,
    bootId: state.bootId,
    uncorrected: state.uncorrected,
    unacknowledged: idsOf(state.unacknowledged),
    acknowledged: idsOf(state.acknowledged),
    holds: [...state.holds.values()].map(describeHold),
    effects: [...state.effects].map(([key, effect]) => [key, describeEffect(effect)]),
    ended: [...state.ended.items()],
    due: describeDue(state),
    histories: state.victims.histories(),
    wishes: wishesOf(state),
    reservations: [...state.reservations.standing()],
    pastReservations: [...state.reservations.over()],
    names: namesOf(state),
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

/** Who holds which names, in the order of the allocations; and the lines of those who wait for them. */
function namesOf({ allocations, names }: BudgetState): unknown {
  const held = [...allocations.values()].flatMap((node) => {
    const access = names.heldBy(node);
    return access ? [{ id: node.id, access }] : [];
  });
  const lines = [...names.groups()]
    .filter(({ line }) => line.length > 0)
    .map(({ scope, name, line }) => ({
      scope: scope.id,
      name,
      line: line.map(({ waiter, mode, open }) => ({ key: waiter.effectKey, mode, open })),
    }))
    .sort((a, b) => (`${a.scope} ${a.name}` < `${b.scope} ${b.name}` ? -1 : 1));
  return { held, lines };
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

function describeTranches({ tranches }: Allocation): unknown {
  if (tranches === NO_TRANCHES) return undefined;
  const { carve, left, finalStep, drawers } = tranches;
  return { carve, left, finalStep: finalStep?.id, madeUp: [...drawers].map(([{ id }, parts]) => [id, parts]) };
}

function describeAllocation(node: Allocation): unknown {
  const { older, younger, tranches, ...own } = node;
  return {
    ...own,
    path: node.path,
    tranches: describeTranches(node),
    parent: node.parent?.id,
    doubtful: node.doubtful,
    corrections: node.corrections,
    writtenOff: node.writtenOff,
    uncorrected: node.uncorrected,
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
    reservations: [...node.waiters.reservations.keys()],
    neededAhead: node.waiters.earmarks.ahead,
    notes: [...node.notes],
  };
}
