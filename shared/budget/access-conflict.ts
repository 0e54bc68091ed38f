/** Why a wish, or a call, cannot have a name now: EXCLUSIVE_ACCESS_REQUIRED, with who holds it or has its turn before. */
import { LIMITS } from "#std";
import type { Access, AccessMode } from "./access.ts";
import { circleThrough, type Newcomer } from "./access-circle.ts";
import type { NameGroup, Wanted } from "./access-names.ts";
import { placeIn } from "./access-order.ts";
import type { CommandOf, GrantWish } from "./command.ts";
import { retryAfterMs } from "./conflict.ts";
import { strategyInForce } from "./find-strategy.ts";
import type { Conflict, OutcomeOf, Refusal } from "./outcome.ts";
import type { Under } from "./policy.ts";
import type { Allocation, BudgetState, Waiter } from "./state.ts";
import { orderAt } from "./strategies/index.ts";
import { turnOf } from "./turn.ts";

/** A wish that cannot have all of its names now; `circle`: to wait for them would never end, or nobody can say that it would. */
export interface NamesLacking {
  readonly conflict: Conflict;
  readonly circle: Refusal | undefined;
}

interface Asking {
  readonly parent: Allocation;
  readonly wish: GrantWish;
  readonly nowMs: number;
  /** Requests that have their turn before it at its node. */
  readonly rank: number;
  /** Whose strategy is told; absent: that of the policies. Turns for a name are as they are, whatever is tried. */
  readonly under?: Under | undefined;
}

/** Undefined: the wish can have all names that it wants. */
export function namesLacking(
  state: BudgetState,
  { parent, wish, nowMs, rank, under }: Asking,
): NamesLacking | undefined {
  if (wish.type !== "open" || wish.access === undefined) return undefined;
  const place = placeIn(orderAt(parent), turnOf(state, parent, wish, nowMs));
  const newcomer: Newcomer = { parent, path: `${parent.path}/${wish.name}`, access: wish.access, place };
  for (const wanted of wish.access) {
    const group = state.names.groupFor(parent, wanted.name);
    if (!group) continue;
    const [inTurn] = group.before(place, wanted.mode);
    if (group.leaves(wanted.mode) && !inTurn) continue;
    const before = group.leaves(wanted.mode) ? inTurn?.waiter : undefined;
    const found = conflictOver(state, { group, mode: wanted.mode, before, nowMs });
    const conflict = { ...found, strategy: strategyInForce(parent, wish.strategy, under), position: rank + 1 };
    return { conflict, circle: circleRefusal(state, newcomer, conflict) };
  }
  return undefined;
}

function circleRefusal(state: BudgetState, newcomer: Newcomer, conflict: Conflict): Refusal | undefined {
  const circle = circleThrough(state.names, newcomer);
  if (circle === undefined) return undefined;
  if (circle === "unknown") {
    const message = `more than ${LIMITS.accessWaitsScanMax} requests wait for names under ${conflict.ancestorPath}; whether one more would wait for itself cannot be seen`;
    return { code: "too_many", message, retryAfterMs: LIMITS.retryAfterMs };
  }
  if (!conflict.access) return undefined;
  return { code: "conflict", conflict: { ...conflict, position: 0, access: { ...conflict.access, circle } } };
}

/** Why one who waits, and is shut out, cannot have a name; undefined: it can have all of them. */
export function namesAwaitedBy(state: BudgetState, waiter: Waiter, nowMs: number): Conflict | undefined {
  if (waiter.shut !== true) return undefined;
  const lacking = state.names.wantsOf(waiter).find(({ one }) => !one.open);
  return lacking && conflictOver(state, { ...lackingOf(lacking), nowMs });
}

function lackingOf({ group, one }: Wanted<Allocation>): Pick<Over, "group" | "mode" | "before"> {
  const [inTurn] = group.before(one.place, one.mode);
  return { group, mode: one.mode, before: group.leaves(one.mode) ? inTurn?.waiter : undefined };
}

interface Over {
  readonly group: NameGroup<Allocation>;
  readonly mode: AccessMode;
  /** One who has its turn before, where nobody who holds the name is in the way. */
  readonly before: Waiter | undefined;
  readonly nowMs: number;
}

function conflictOver(state: BudgetState, { group, mode, before, nowMs }: Over): Conflict {
  const { scope, name, holders } = group;
  const waitMs = before ? 0 : untilFreeMs(group, nowMs);
  const access = { name, mode, ...(before ? { before: pathOf(state, before) } : { held: group.mode ?? mode }) };
  return {
    conflict: "EXCLUSIVE_ACCESS_REQUIRED",
    resource: "access",
    ancestorId: scope.id,
    ancestorPath: scope.path,
    wanted: 1,
    available: before ? 1 : 0,
    debt: 0,
    holders: before ? [] : firstOf(holders.keys()),
    never: false,
    retryAfterMs: retryAfterMs(waitMs),
    position: 0,
    expectedWaitMs: waitMs,
    access,
  };
}

function firstOf(holders: Iterable<Allocation>): Conflict["holders"] {
  const first: { id: string; path: string; amount: number }[] = [];
  for (const { id, path } of holders) {
    if (first.length === LIMITS.conflictHoldersMax) break;
    first.push({ id, path, amount: 1 });
  }
  return first;
}

/** By the deadlines of those who hold it, at least 1; 0: these do not say. */
function untilFreeMs({ holders }: NameGroup<Allocation>, nowMs: number): number {
  let latest = nowMs;
  for (const { deadlineAtMs, state } of holders.keys()) {
    if (deadlineAtMs === undefined || state !== "open") return 0;
    latest = Math.max(latest, deadlineAtMs);
  }
  return Math.max(latest - nowMs, 1);
}

function pathOf({ allocations }: BudgetState, { parentId, request }: Waiter): string {
  const parent = allocations.get(parentId)?.path ?? parentId;
  return request.type === "open" ? `${parent}/${request.name}` : parent;
}

/** A call of a tool whose name somebody else under the same root holds EXCLUSIVE. */
export function toolInUse(
  state: BudgetState,
  node: Allocation,
  { what, name, nowMs }: CommandOf<"reserve">,
): Refusal | undefined {
  if (what !== "tool") return undefined;
  const group = state.names.groupFor(node, name);
  if (group?.mode !== "EXCLUSIVE") return undefined;
  return { code: "conflict", conflict: conflictOver(state, { group, mode: "SHARED", before: undefined, nowMs }) };
}

/** The answer that opened an allocation, with the names that its holder must know of. */
export function withAccess(state: BudgetState, answer: OutcomeOf<"opened">): OutcomeOf<"opened"> {
  if (state.names.size === 0) return answer;
  const node = state.allocations.get(answer.allocationId);
  const access = node && accessTold(state, node);
  return access ? { ...answer, access } : answer;
}

/** What it holds, and what those above it hold; undefined: nothing. */
function accessTold({ names }: BudgetState, node: Allocation): readonly Access[] | undefined {
  if (names.size === 0) return undefined;
  const told = new Map<string, Access>();
  for (let at: Allocation | undefined = node; at; at = at.parent) {
    for (const access of names.heldBy(at) ?? []) if (!told.has(access.name)) told.set(access.name, access);
  }
  return told.size === 0 ? undefined : [...told.values()];
}
