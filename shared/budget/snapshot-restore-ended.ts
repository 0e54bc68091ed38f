/**
 * What has ended and is remembered, from the parts of a snapshot: records as they are, or, in a snapshot of the first format, one by one,
 * each with the hold or the allocation that it was. These are made into records when everything has come.
 */
import { listOf, NO_LIST } from "./collections.ts";
import { endEffect } from "./retention.ts";
import { SnapshotError } from "./snapshot-error.ts";
import type { EndedPart, Place, RememberedPart } from "./snapshot-part.ts";
import { found, holdAt, nodeAt, type RestoredSubject, type Restoring, textsOf } from "./snapshot-restore-nodes.ts";
import type { BudgetState, Hold } from "./state.ts";

export function restoreRemembered({ state }: Restoring, { bytes }: RememberedPart): void {
  const wrong = state.ended.addSlice(bytes);
  if (wrong !== undefined) throw new SnapshotError(wrong);
}

export function restoreEnded(restoring: Restoring, part: EndedPart): void {
  const ended = endedOf(restoring, part);
  const before = restoring.ended.at(-1);
  if (before && before.forgetAtMs > ended.forgetAtMs) {
    throw new SnapshotError(`${ended.id} is to be forgotten out of turn`);
  }
  restoring.ended.push(ended);
}

function endedOf(restoring: Restoring, part: EndedPart): RestoredSubject {
  const { forgetAtMs } = part;
  const nothing = { forgetAtMs, hold: undefined, node: undefined, effectKeys: NO_LIST };
  if (part.hold !== undefined) {
    const hold = holdAt(restoring, part.hold);
    if (hold.state !== "ended") throw new SnapshotError(`hold ${hold.id} is to be forgotten and ${hold.state}`);
    return { ...nothing, id: hold.id, hold };
  }
  if (part.allocation !== undefined) {
    const node = nodeAt(restoring, part.allocation);
    return { ...nothing, id: node.id, node };
  }
  if (part.id === undefined) throw new SnapshotError("something is to be forgotten and nobody says what");
  return { ...nothing, id: part.id, effectKeys: textsOf(part.effectKeys) };
}

export function endedAt({ ended }: Restoring, place: Place): RestoredSubject {
  return found(ended, place, "ended subject");
}

/** Makes records of what came one by one; to be called when everything has come. */
export function rememberEnded({ state, holds, ended }: Restoring): void {
  for (const { id, hold, node, effectKeys, forgetAtMs } of ended) {
    if (hold) {
      rememberCall(state, hold, forgetAtMs);
      continue;
    }
    for (const key of listOf(node?.effectKeys ?? effectKeys)) rememberAnswer(state, key, forgetAtMs);
    if (node?.state === "closed") node.effectKeys = NO_LIST;
    state.ended.addAllocation(id, forgetAtMs);
  }
  for (const { id, state: at } of holds) {
    if (at === "ended" && !state.ended.hasCall(id))
      throw new SnapshotError(`hold ${id} has ended and is never forgotten`);
  }
}

function rememberCall(state: BudgetState, hold: Hold, forgetAtMs: number): void {
  if (state.holds.has(hold.id) || state.ended.hasCall(hold.id)) throw new SnapshotError(`hold ${hold.id} stands twice`);
  if (state.effects.get(hold.effectKey) !== hold) throw new SnapshotError(`hold ${hold.id} has no answer`);
  state.effects.delete(hold.effectKey);
  state.ended.addCall(hold, forgetAtMs);
}

function rememberAnswer(state: BudgetState, key: string, forgetAtMs: number): void {
  const effect = state.effects.get(key);
  if (!effect || effect.kind === "waiting") {
    throw new SnapshotError(`the answer to ${JSON.stringify(key)} is to be forgotten and not kept`);
  }
  endEffect(state, key, forgetAtMs);
}
