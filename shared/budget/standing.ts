/** How things stand with a request or an allocation at this moment, computed from the state: true also when its history is forgotten. */
import { accessText } from "./access.ts";
import { owingBelow, pendingOf } from "./asked.ts";
import { doubtShare } from "./book.ts";
import { NO_LIST } from "./collections.ts";
import type { GrantWish } from "./command.ts";
import { doubtWords, preemptedWords, wishWords } from "./explain.ts";
import { strategyInForce } from "./find-strategy.ts";
import { freeOf, isConsumable, isLimited } from "./free.ts";
import { bookOf, heldBookOf } from "./ledger.ts";
import type { Conflict } from "./outcome.ts";
import { whyNobody } from "./preempt-for.ts";
import { isToGoOn, standing } from "./queue.ts";
import { conflictWords, resourceName } from "./refusal-words.ts";
import { reservationStanding, reservationWords } from "./reservation-words.ts";
import { amountsOf, CONSUMABLES, RESOURCES, type Resource } from "./resource.ts";
import { atRate, type ServedEvery } from "./served-rate.ts";
import { type Allocation, type BudgetState, rootOf, type Waiter } from "./state.ts";
import { strategyWords } from "./strategy-in-force.ts";

export interface Listing {
  readonly nowMs: number;
  /** Of several of a kind, at most. */
  readonly listed: number;
  /** Default: it is known of no node. */
  readonly servedEveryMs?: ServedEvery | undefined;
}

/** One sentence for each thing that is to be known of the allocation now; the first says its state. Of what it holds at most `listed`. */
export function allocationStanding(
  state: BudgetState,
  node: Allocation,
  { nowMs, listed, servedEveryMs }: Listing,
): string[] {
  if (node.state === "closed") {
    return [`closed ${nowMs - (node.closedAtMs ?? nowMs)} ms ago: ${node.closingReason ?? "no reason was given"}`];
  }
  const raises = node.parent?.waiters.raisesOf(node.id) ?? [];
  return [
    stateWords(node, nowMs),
    ...lackWords(node, nowMs),
    ...namesWords(state, node),
    ...[...node.reclaims.values()].slice(0, listed).map((reclaim) => {
      const { preemptionId, mode, reason, reclaimed } = reclaim;
      const waitingOn = node.side === "delegated" ? 0 : owingBelow({ node, reclaim }).length;
      return preemptedWords({ preemptionId, mode, reason, reclaimed, pending: pendingOf(reclaim), waitingOn });
    }),
    ...raises.slice(0, listed).map((waiter) => requestStanding(state, waiter, { nowMs, servedEveryMs })),
    ...(node.waiters.size === 0 ? [] : [queueWords(node)]),
    ...[...node.waiters.reservations.values()].slice(0, listed).map((one) => reservationWords(one, node, nowMs)),
  ];
}

/** Of a request that waits: what it asked for, and why it has not got it yet. */
function requestStanding(
  state: BudgetState,
  waiter: Waiter,
  { nowMs, servedEveryMs }: Pick<Listing, "nowMs" | "servedEveryMs">,
): string {
  const looking = { state, nowMs, events: NO_LIST, messages: NO_LIST };
  const conflict = atRate(standing(looking, waiter).conflict, servedEveryMs?.(waiter.parentId));
  const waited = nowMs - waiter.arrivedAtMs;
  const { request } = waiter;
  if (isToGoOn(request))
    return `paused for the sake of others, waits to go on with ${wishWords(request)}: ${conflictWords(conflict)}`;
  const nobody = whyNobody(looking, waiter);
  const told = nobody === undefined ? conflict : { ...conflict, preemption: nobody };
  return `request ${request.requestId} for ${wishWords(request)}, waiting for ${waited} ms: ${conflictWords(told)}`;
}

/** One who waits at a node, as it stands. */
export interface Waiting {
  readonly request: GrantWish;
  /** What is short, its place and its expected wait. */
  readonly conflict: Conflict;
  readonly waitedMs: number;
}

/** The first who wait at the node, in the order of their turns, at most `listed`. */
export function waitingAt(
  state: BudgetState,
  { id, waiters }: Pick<Allocation, "id" | "waiters">,
  { nowMs, listed, servedEveryMs }: Listing,
): Waiting[] {
  const found: Waiting[] = [];
  if (waiters.size === 0) return found;
  const looking = { state, nowMs, events: NO_LIST, messages: NO_LIST };
  for (const waiter of waiters) {
    if (found.length >= listed) break;
    const conflict = atRate(standing(looking, waiter).conflict, servedEveryMs?.(id));
    found.push({ request: waiter.request, conflict, waitedMs: nowMs - waiter.arrivedAtMs });
  }
  return found;
}

export interface RequestStandingOptions extends Listing {
  /** Answers looked at, at most, to find that of a request that does not wait. */
  readonly scanned: number;
}

/** One sentence for each request with this id that waits, or whose answer is kept. Requests of several callers may have the same id. */
export function requestStandings(
  state: BudgetState,
  requestId: string,
  { nowMs, listed, scanned, servedEveryMs }: RequestStandingOptions,
): string[] {
  const reserved = reservationStanding(state, requestId, nowMs);
  const found: string[] = reserved === undefined ? [] : [reserved];
  const isWaiting = (waiter: Waiter) => state.effects.get(waiter.effectKey) === waiter;
  for (const waiter of state.due.waiters.items()) {
    if (found.length >= listed) return found;
    if (waiter.request.requestId === requestId && isWaiting(waiter)) {
      found.push(requestStanding(state, waiter, { nowMs, servedEveryMs }));
    }
  }
  let looked = 0;
  for (const [key, effect] of state.effects) {
    if (++looked > scanned || found.length >= listed) break;
    if (effect.kind === "opening" && key.endsWith(`\n${requestId}`)) {
      found.push(
        `request ${requestId} was granted ${effect.node.path} (${effect.node.id}), which is ${effect.node.state}`,
      );
    }
  }
  return found;
}

function stateWords(node: Allocation, nowMs: number): string {
  const held = node.side === "delegated" ? `, held by ${node.peer ?? "another daemon"}` : "";
  if (node.state === "closing") {
    const { holds, children } = node;
    return `closing: ${node.closingReason ?? "no reason was given"}; waits for what is below it to end: calls ${holds.size}, allocations ${children.size}${held}`;
  }
  const budget = RESOURCES.filter((resource) => isLimited(node, resource) && limitOf(node, resource) > 0).map(
    (resource) =>
      `${freeOf(node, resource)} of ${limitOf(node, resource)} ${resourceName(resource)} free${resource === "credits" ? keptWords(node) : ""}`,
  );
  const left = node.deadlineAtMs === undefined ? "" : `, ${Math.max(0, node.deadlineAtMs - nowMs)} ms left`;
  const rule = node.side === "delegated" ? "" : `; its children compete under ${ruleOf(node)}`;
  return `open (${node.priority}): ${budget.length === 0 ? "no limit of its own" : budget.join(", ")}${left}${held}${rule}`;
}

/** What of the credits is left for some alone: ", and 30 for HIGH and above". */
function keptWords({ tranches: { left } }: Allocation): string {
  const parts = [
    left.bonus > 0 ? `${left.bonus} for HIGH and above` : "",
    left.emergency > 0 ? `${left.emergency} for CRITICAL and above` : "",
    left.wrapUp > 0 ? `${left.wrapUp} for its final step` : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : ` and ${parts.join(", ")}`;
}

/** What keeps an open or closing allocation from spending. */
function lackWords(node: Allocation, nowMs: number): string[] {
  const root = rootOf(node);
  const ended = root.side === "received" && root.leaseEndsAtMs !== undefined && nowMs >= root.leaseEndsAtMs;
  const inDoubt = amountsOf({ credits: doubtShare(node, "credits"), toolCalls: doubtShare(node, "toolCalls") });
  return [
    ...(ended ? [`the lease of ${root.path} has ended: nothing new is spent until the tier above renews it`] : []),
    ...(node.doubtful ? [doubtWords(node.peer ?? "", inDoubt)] : []),
    ...CONSUMABLES.filter((resource) => bookOf(node, resource).debt > 0).map(
      (resource) => `owes ${bookOf(node, resource).debt} ${resourceName(resource)}, which must be paid first`,
    ),
    ...(node.deadlineAtMs !== undefined && nowMs >= node.deadlineAtMs ? ["its deadline has passed"] : []),
  ];
}

/** The names that it holds. */
function namesWords({ names }: BudgetState, node: Allocation): string[] {
  const access = names.size === 0 ? undefined : names.heldBy(node);
  return access ? [`holds ${accessText(access)} until it is closed`] : [];
}

function queueWords(node: Allocation): string {
  const { size } = node.waiters;
  return `${size === 1 ? "1 request waits" : `${size} requests wait`} here, under ${ruleOf(node)}`;
}

function ruleOf(node: Allocation): string {
  return strategyWords(strategyInForce(node, undefined));
}

function limitOf(node: Allocation, resource: Resource): number {
  return (isConsumable(resource) ? bookOf(node, resource) : heldBookOf(node, resource)).limit;
}
