/** Kept answers from the parts of a snapshot: what an answer left out is taken from its hold, its allocation or its waiter. */
import { unreachable } from "#std";
import { SnapshotError } from "./snapshot-error.ts";
import type { CallEffect, EffectPart, KeyPlace, OpeningEffect, RaisingEffect, WaitingEffect } from "./snapshot-part.ts";
import { holdAt, nodeAt, type Restoring, waiterAt } from "./snapshot-restore-nodes.ts";
import type { Allocation, Effect } from "./state.ts";

export function restoreEffect(restoring: Restoring, part: EffectPart): void {
  switch (part.kind) {
    case "call":
      restoreCall(restoring, part);
      break;
    case "opening":
      restoreOpening(restoring, part);
      break;
    case "raising":
      restoreRaising(restoring, part);
      break;
    case "waiting":
      restoreWaiting(restoring, part);
      break;
    case "answer":
      remember(restoring, part.key, {
        fingerprint: part.fingerprint,
        answer: { ...part.answer, repeated: false },
      });
      break;
    default:
      unreachable(part);
  }
}

function remember({ state: { effects } }: Restoring, key: string, effect: Effect): void {
  const known = effects.size;
  effects.set(key, effect);
  if (effects.size === known) throw new SnapshotError(`the answer to ${JSON.stringify(key)} stands twice`);
}

function keyAt({ id, effectKeys }: Allocation, key: KeyPlace): string {
  if (typeof key === "string") return key;
  const found = effectKeys[key];
  if (found === undefined) throw new SnapshotError(`${id} has no request ${key}`);
  return found;
}

function restoreCall(restoring: Restoring, part: CallEffect): void {
  const hold = holdAt(restoring, part.hold);
  const { id: holdId, amounts: granted, clamped } = hold;
  const expiresAtMs = part.expiresAtMs ?? hold.expiresAtMs;
  const answer = { type: "held", holdId, granted, clamped, expiresAtMs, repeated: false } as const;
  remember(restoring, hold.effectKey, { fingerprint: part.fingerprint, answer });
}

function restoreOpening(restoring: Restoring, { allocation, key, answer, fingerprint }: OpeningEffect): void {
  const node = nodeAt(restoring, allocation);
  remember(restoring, keyAt(node, key), {
    fingerprint,
    answer: {
      type: "opened",
      allocationId: node.id,
      path: node.path,
      depth: node.depth,
      name: node.name,
      kind: node.kind,
      priority: node.priority,
      weight: node.weight,
      policy: answer.policy,
      limits: answer.limits,
      pooled: node.pooled,
      grantedTotal: answer.grantedTotal,
      epoch: answer.epoch,
      leaseTtlMs: answer.leaseTtlMs,
      token: node.token,
      deadlineAtMs: node.deadlineAtMs,
      partial: answer.partial,
      repeated: false,
    },
  });
}

function restoreRaising(restoring: Restoring, part: RaisingEffect): void {
  const { epoch, by, partial, grantedTotal } = part.answer;
  const node = nodeAt(restoring, part.allocation);
  const answer = { type: "raised", allocationId: node.id, epoch, by, partial, repeated: false, grantedTotal } as const;
  remember(restoring, keyAt(node, part.key), { fingerprint: part.fingerprint, answer });
}

function restoreWaiting(restoring: Restoring, part: WaitingEffect): void {
  const waiter = waiterAt(restoring, part.waiter);
  remember(restoring, waiter.effectKey, { fingerprint: waiter.fingerprint, answer: waiter });
}
