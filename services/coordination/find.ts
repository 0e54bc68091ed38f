/** Finds accounts and swarms by what people call them. */
import type { Allocation, BudgetState } from "#budget";
import { RefusalError } from "#errors";
import { accountId } from "./account-entry.ts";

export function findAccount(state: BudgetState, account: string): Allocation | undefined {
  const node = state.allocations.get(account) ?? state.allocations.get(accountId(account));
  return node?.kind === "account" ? node : undefined;
}

/** True when `account` (a path or an id; empty: any) stands above the node. */
export function isUnder(node: Allocation, account: string): boolean {
  if (account === "") return true;
  for (let at = node.parent; at; at = at.parent) if (at.id === account || at.path === account) return true;
  return false;
}

export function notFound(message: string): RefusalError {
  return new RefusalError({ reason: "NOT_FOUND", message });
}
