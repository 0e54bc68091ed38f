/**
 * The allowance: what of a received grant calls may hold that are answered before their record is synced. It follows from the limit and
 * needs no record of its own. Only a power cut hides such holds. When the machine has started again, all that may be hidden counts as
 * unconfirmed, as a hold that has lapsed; whoever had a hidden hold settles its true cost, which is taken from there.
 */
import { LIMITS } from "#std";
import { type Amount, isAmount } from "./amount.ts";
import type { CommandOf } from "./command.ts";
import { type Draft, effectKey, emit } from "./draft.ts";
import { bookableOf, drawable } from "./free.ts";
import { type Amounts, amountsOf, CONSUMABLES, isNothing, leastAmounts, monusAmounts, NOTHING } from "./resource.ts";
import type { Allocation, Hold } from "./state.ts";
import { sightOfCalls } from "./tranche-draw.ts";

/** Between the id of the allocation and what tells its hidden holds apart; ids of other holds are minted without it. */
const MARK = "/power-cut/";

/**
 * What calls of the node may hold of it unsynced, all together; at most LIMITS.aheadCallsMax of them. Nothing at a node whose calls draw on
 * others, and nothing of held resources. Where nothing limits tool calls, as many as calls.
 */
export function allowanceOf(node: Allocation): Amounts {
  if (node.side !== "received" || node.state !== "open" || node.pooled.length > 0) return NOTHING;
  const { credits, toolCalls } = node.books;
  const part = (limit: Amount) => Math.floor(limit / LIMITS.aheadLimitParts);
  const calls = toolCalls.elastic ? LIMITS.aheadCallsMax : Math.min(LIMITS.aheadCallsMax, part(toolCalls.limit));
  return amountsOf({
    credits: (credits.elastic ? 0 : part(credits.limit)) as Amount,
    toolCalls: calls as Amount,
  });
}

/** The machine has started again since the last life: what that may have answered and lost is unconfirmed now. */
export function countAllowances(draft: Draft): void {
  const { state } = draft;
  for (const node of state.roots) {
    const amounts = leastAmounts(allowanceOf(node), drawable(node, sightOfCalls(node)));
    if (!isNothing(amounts)) placeHidden(draft, node, amounts, `${state.lives}/0`);
  }
}

/**
 * A settle of a hold that nobody knows: when the node has hidden ones, it is one of them, and found again as the lapsed hold that it would
 * be, of what it costs so far. Undefined when it cannot be one.
 */
export function findHidden(draft: Draft, command: CommandOf<"settle">): Hold | undefined {
  const { allocationId, holdId, credits, toolCalls } = command;
  const { state, nowMs } = draft;
  const node = state.allocations.get(allocationId);
  const hidden = node && hiddenHoldOf(node);
  if (!hidden || !isAmount(credits) || !isAmount(toolCalls) || holdId.includes(MARK)) return undefined;
  const [life = "", found = ""] = hidden.id.slice(`${node.id}${MARK}`.length).split("/");
  if (Number(found) >= LIMITS.aheadCallsMax) return undefined;
  if (CONSUMABLES.some((resource) => command[resource] > bookableOf(node, resource))) return undefined;
  const amounts = leastAmounts(hidden.amounts, amountsOf({ credits, toolCalls }));
  const rest = monusAmounts(hidden.amounts, amounts);
  const nothing = { credits: NOTHING.credits, toolCalls: NOTHING.toolCalls };
  const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
  emit(draft, { type: "hold_charged", atMs: nowMs, holdId: hidden.id, ...nothing, final: true, ...facts }, hidden);
  place(draft, node, { holdId, name: UNKNOWN, amounts });
  placeHidden(draft, node, rest, `${life}/${Number(found) + 1}`);
  return state.holds.get(holdId);
}

/** What was called under a hidden hold is lost with it. */
const UNKNOWN = "unknown";

function hiddenHoldOf(node: Allocation): Hold | undefined {
  for (const hold of node.holds) if (hold.id.startsWith(`${node.id}${MARK}`)) return hold;
  return undefined;
}

/** `which`: the life that began after the power cut, and how many holds were found again. It stands for no call: it has no name. */
function placeHidden(draft: Draft, node: Allocation, amounts: Amounts, which: string): void {
  place(draft, node, { holdId: `${node.id}${MARK}${which}`, name: "", amounts });
}

/** Places a hold that has lapsed. */
function place(
  draft: Draft,
  node: Allocation,
  { holdId, name, amounts }: Pick<Hold, "name" | "amounts"> & { holdId: string },
): void {
  const atMs = draft.nowMs;
  const effect = { key: effectKey(node.id, holdId), fingerprint: 0, partial: false };
  const about = { holdId, allocationId: node.id, what: "code", name, amounts, clamped: false } as const;
  emit(draft, { type: "hold_placed", atMs, ...about, expiresAtMs: atMs, effect }, node);
  emit(draft, { type: "hold_lapsed", atMs, holdId });
}
