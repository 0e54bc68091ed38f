/**
 * A state from its parts; the counterpart of snapshotParts. Checked here is that the parts fit together: nothing twice, nothing that refers
 * to what did not come, nothing missing at the end. That the books are true is for assertInvariants.
 */
import { unreachable } from "#std";
import { countAsked, owedChanged } from "./asked.ts";
import { withEntry, withLast, withText } from "./collections.ts";
import { NOTHING } from "./resource.ts";
import { SnapshotError } from "./snapshot-error.ts";
import {
  type ClosedChildrenPart,
  type DuePart,
  type EffectKeysPart,
  type FinalAccountPart,
  type HeaderPart,
  type NotePart,
  PART_TYPES,
  type PartType,
  type ReclaimPart,
  type SnapshotPart,
} from "./snapshot-part.ts";
import { restoreClaim, restoreEarmark, restoreHistory, restoreReservation } from "./snapshot-restore-claims.ts";
import { allDue, restoreDue } from "./snapshot-restore-due.ts";
import { restoreEffect } from "./snapshot-restore-effects.ts";
import { endedAt, rememberEnded, restoreEnded, restoreRemembered } from "./snapshot-restore-ended.ts";
import {
  createRestoring,
  nodeAt,
  type Restoring,
  restoreAllocation,
  restoreHold,
  restoreNames,
  restoreWaiter,
} from "./snapshot-restore-nodes.ts";
import { restoreMakeUp, restoreTranches } from "./snapshot-restore-tranches.ts";
import type { BudgetState } from "./state.ts";

/**
 * The state that these parts tell. Throws SnapshotError, which names what does not fit. Takes all parts, to the last. `hashSeed`: see
 * createState.
 */
export function restoreState(parts: Iterable<SnapshotPart>, hashSeed = 0): BudgetState {
  const restoring = createRestoring(hashSeed);
  let count = 0;
  let last: PartType | undefined;
  for (const part of parts) {
    checkOrder(last, part.type);
    if (part.type === "end") checkEnd(restoring, part.parts, count);
    else takePart(restoring, part);
    last = part.type;
    count += 1;
  }
  if (last !== "end") {
    throw new SnapshotError(last === undefined ? "it is empty" : `it ends after ${count} parts, before its end`);
  }
  return restoring.state;
}

const RANK = Object.fromEntries(PART_TYPES.map((type, rank) => [type, rank])) as Readonly<Record<PartType, number>>;

function checkOrder(last: PartType | undefined, type: PartType): void {
  if (last === undefined && type !== "header") throw new SnapshotError(`it begins with ${type}, not with its header`);
  if (last === "end") throw new SnapshotError(`${type} comes after its end`);
  if (last !== undefined && type === "header") throw new SnapshotError("it has two headers");
  if (last !== undefined && RANK[type] < RANK[last]) throw new SnapshotError(`${type} comes after ${last}`);
}

function checkEnd(restoring: Restoring, said: number, count: number): void {
  if (said !== count) throw new SnapshotError(`its end says that ${said} parts came before it, not ${count}`);
  rememberEnded(restoring);
  allDue(restoring);
}

function takePart(restoring: Restoring, part: Exclude<SnapshotPart, { readonly type: "end" }>): void {
  switch (part.type) {
    case "header":
      takeHeader(restoring.state, part);
      break;
    case "allocation":
      restoreAllocation(restoring, part);
      break;
    case "names":
      restoreNames(restoring, part);
      break;
    case "hold":
      restoreHold(restoring, part);
      break;
    case "tranches":
      restoreTranches(restoring, part);
      break;
    case "make_up":
      restoreMakeUp(restoring, part);
      break;
    case "waiter":
      restoreWaiter(restoring, part);
      break;
    case "claim":
      restoreClaim(restoring, part);
      break;
    case "reservation":
      restoreReservation(restoring, part);
      break;
    case "earmark":
      restoreEarmark(restoring, part);
      break;
    case "history":
      restoreHistory(restoring, part);
      break;
    case "ended":
      restoreEnded(restoring, part);
      break;
    case "effect_keys":
      takeEffectKeys(restoring, part);
      break;
    case "closed_children":
      takeClosedChildren(restoring, part);
      break;
    case "reclaim":
      takeReclaim(restoring, part);
      break;
    case "note":
      takeNote(restoring, part);
      break;
    case "final_account":
      takeFinalAccount(restoring, part);
      break;
    case "effect":
      restoreEffect(restoring, part);
      break;
    case "remembered":
      restoreRemembered(restoring, part);
      break;
    case "due":
      takeDue(restoring, part);
      break;
    default:
      unreachable(part);
  }
}

function takeHeader(
  state: BudgetState,
  { engineTimeMs, waiterSequence, lives, uncorrected, bootId }: HeaderPart,
): void {
  state.engineTimeMs = engineTimeMs;
  state.waiterSequence = waiterSequence;
  state.lives = lives;
  state.uncorrected = uncorrected;
  state.bootId = bootId;
}

function takeEffectKeys(restoring: Restoring, { of, keys }: EffectKeysPart): void {
  const owner = "ended" in of ? endedAt(restoring, of.ended) : nodeAt(restoring, of.allocation);
  for (const key of keys) owner.effectKeys = withText(owner.effectKeys, key);
}

function takeClosedChildren(restoring: Restoring, { allocation, children }: ClosedChildrenPart): void {
  const parent = nodeAt(restoring, allocation);
  for (const place of children) {
    const child = nodeAt(restoring, place);
    if (child.parent !== parent || child.state !== "closed") {
      throw new SnapshotError(`${child.id} is no closed child of ${parent.id}`);
    }
    parent.closedChildren = withLast(parent.closedChildren, child);
  }
}

function takeReclaim(restoring: Restoring, { type, allocation, ended, ...reclaim }: ReclaimPart): void {
  const node = nodeAt(restoring, allocation);
  const { preemptionId } = reclaim;
  if ((ended ? node.endedReclaims : node.reclaims).has(preemptionId)) {
    throw new SnapshotError(`preemption ${preemptionId} stands twice at ${node.id}`);
  }
  if (ended) node.endedReclaims = withEntry(node.endedReclaims, preemptionId, reclaim);
  else {
    node.reclaims = withEntry(node.reclaims, preemptionId, reclaim);
    owedChanged(node, preemptionId, NOTHING);
    countAsked({ node, reclaim });
  }
}

function takeNote(restoring: Restoring, { allocation, key, value }: NotePart): void {
  const node = nodeAt(restoring, allocation);
  if (node.notes.has(key)) throw new SnapshotError(`note ${key} stands twice at ${node.id}`);
  node.notes = withEntry(node.notes, key, value);
}

function takeFinalAccount(restoring: Restoring, { acknowledged, allocations }: FinalAccountPart): void {
  const { state } = restoring;
  for (const place of allocations) {
    const node = nodeAt(restoring, place);
    if (node.side !== "received" || node.state !== "closed") {
      throw new SnapshotError(`${node.id} has a final account and is no closed grant of another daemon`);
    }
    if (state.acknowledged.has(node) || state.unacknowledged.has(node)) {
      throw new SnapshotError(`the final account of ${node.id} stands twice`);
    }
    (acknowledged ? state.acknowledged : state.unacknowledged).add(node);
  }
}

function takeDue(restoring: Restoring, { index, items }: DuePart): void {
  for (const place of items) restoreDue(restoring, index, place);
}
