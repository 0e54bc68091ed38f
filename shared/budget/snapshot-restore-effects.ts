/** Kept answers from the parts of a snapshot: what an answer left out is taken from its hold, its allocation or its waiter. */
import { unreachable } from "#std";
import { listOf } from "./collections.ts";
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
        kind: "answer",
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
  const found = listOf(effectKeys)[key];
  if (found === undefined) throw new SnapshotError(`${id} has no request ${key}`);
  return found;
}

function restoreCall(restoring: Restoring, part: CallEffect): void {
  const hold = holdAt(restoring, part.hold);
  hold.fingerprint = part.fingerprint;
  hold.answeredUntilMs = part.expiresAtMs ?? hold.expiresAtMs;
  remember(restoring, hold.effectKey, hold);
}

function restoreOpening(restoring: Restoring, { allocation, key, answer, fingerprint }: OpeningEffect): void {
  const node = nodeAt(restoring, allocation);
  const { policy, grantedTotal, epoch, leaseTtlMs, partial } = answer;
  const kept = { kind: "opening", fingerprint, node, policy, grantedTotal, epoch, leaseTtlMs, partial } as const;
  remember(restoring, keyAt(node, key), kept);
}

function restoreRaising(restoring: Restoring, part: RaisingEffect): void {
  const { epoch, by, partial, grantedTotal } = part.answer;
  const node = nodeAt(restoring, part.allocation);
  const answer = { type: "raised", allocationId: node.id, epoch, by, partial, repeated: false, grantedTotal } as const;
  remember(restoring, keyAt(node, part.key), { kind: "answer", fingerprint: part.fingerprint, answer });
}

function restoreWaiting(restoring: Restoring, part: WaitingEffect): void {
  const waiter = waiterAt(restoring, part.waiter);
  remember(restoring, waiter.effectKey, waiter);
}
