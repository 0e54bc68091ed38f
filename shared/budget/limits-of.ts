/** The limits of a node, an absent resource being unlimited. */
import type { Amounts, Limits } from "./resource.ts";
import type { Allocation } from "./state.ts";

/** As they stand. */
export function limitsOf(node: Allocation): Limits {
  const { credits, toolCalls } = node.books;
  const { branches, memoryBytes } = node.held;
  return limitsWith(node, {
    credits: credits.limit,
    toolCalls: toolCalls.limit,
    branches: branches.limit,
    memoryBytes: memoryBytes.limit,
  });
}

/** As they are with these amounts; which of them are limited never changes. */
export function limitsWith(node: Allocation, amounts: Amounts): Limits {
  const { priorityBonus, emergencyReserve, wrapUpReserve, books, held } = node;
  // Without any members at first V8 keeps room for four of them in the object, and most have four.
  const limits: { -readonly [L in keyof Limits]: Limits[L] } = {};
  limits.priorityBonus = priorityBonus;
  limits.emergencyReserve = emergencyReserve;
  if (!books.credits.elastic) limits.credits = amounts.credits;
  if (!books.toolCalls.elastic) limits.toolCalls = amounts.toolCalls;
  if (!held.branches.elastic) limits.branches = amounts.branches;
  if (!held.memoryBytes.elastic) limits.memoryBytes = amounts.memoryBytes;
  if (wrapUpReserve > 0) limits.wrapUpReserve = wrapUpReserve;
  return limits;
}
