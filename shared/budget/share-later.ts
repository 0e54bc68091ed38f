/** Nodes that divide by weight are looked at once all else of a decision is done. */
import type { Draft } from "./draft.ts";
import type { Allocation } from "./state.ts";
import { strategyAt } from "./strategies/index.ts";

/** Has the node looked at when all else of the decision is done, if it divides by weight. */
export function shareLater(draft: Draft, node: Allocation): void {
  if (strategyAt(node) !== "PROPORTIONAL_SHARING") return;
  draft.toShare ??= new Set();
  draft.toShare.add(node);
}
