/** The kept answers of what goes on as parts: what the hold or the allocation of an answer says just so is not said again. */
import { assert } from "#std";
import type { Answer, KeptAnswer } from "./kept-answer.ts";
import { limitsWith } from "./limits-of.ts";
import type { EffectPart, KeyPlace } from "./snapshot-part.ts";
import { type Places, placeOf } from "./snapshot-places.ts";
import type { Allocation, BudgetState, Hold, KeptOpening, Waiter } from "./state.ts";

export function* effectParts(state: BudgetState, places: Places): Generator<EffectPart, void> {
  const keys = new KeyFinder(places);
  for (const [key, effect] of state.effects) {
    if (effect.kind === "waiting") yield waitingPart(places, key, effect);
    else if (effect.kind === "opening") yield openingPart({ places, keys, key }, effect);
    else if (effect.kind === "call") yield callPart(places, key, effect);
    else yield answerPart(state, { places, keys, key }, effect);
  }
}

function waitingPart(places: Places, key: string, waiter: Waiter): EffectPart {
  const place = places.waiters.get(waiter);
  assert(place !== undefined, `${key} waits and stands in no queue`);
  assert(waiter.effectKey === key, `what waits under ${key} is another request`);
  return { type: "effect", kind: "waiting", waiter: place };
}

function openingPart({ places, keys, key }: Finding, opening: KeptOpening): EffectPart {
  const { fingerprint, node, policy, grantedTotal, epoch, leaseTtlMs, partial } = opening;
  const answer = { policy, limits: limitsWith(node, grantedTotal), grantedTotal, epoch, leaseTtlMs, partial };
  const allocation = placeOf(places, node);
  return { type: "effect", kind: "opening", key: keys.find(places, node, key), fingerprint, allocation, answer };
}

function inFull(key: string, fingerprint: number, { repeated, ...answer }: Answer): EffectPart {
  assert(!repeated, `the answer kept under ${key} is a repeated one`);
  return { type: "effect", kind: "answer", key, fingerprint, answer };
}

function callPart(places: Places, key: string, hold: Hold): EffectPart {
  const { fingerprint, answeredUntilMs } = hold;
  const place = places.holds.get(hold);
  assert(place !== undefined && hold.effectKey === key, `the call that ${key} placed is not known`);
  const expiresAtMs = answeredUntilMs === hold.expiresAtMs ? undefined : answeredUntilMs;
  return { type: "effect", kind: "call", fingerprint, hold: place, expiresAtMs };
}

/** A key, and where it may stand already. */
interface Finding {
  readonly places: Places;
  readonly keys: KeyFinder;
  readonly key: string;
}

function answerPart(
  state: BudgetState,
  { places, keys, key }: Finding,
  { fingerprint, answer }: KeptAnswer,
): EffectPart {
  const node = answer.type === "held" ? undefined : state.allocations.get(answer.allocationId);
  if (!node) return inFull(key, fingerprint, answer);
  const place = keys.find(places, node, key);
  if (answer.type !== "raised") return inFull(key, fingerprint, answer);
  const { type, allocationId, repeated, ...rest } = answer;
  assert(!repeated, `the answer kept under ${key} is a repeated one`);
  return { type: "effect", kind: "raising", key: place, fingerprint, allocation: placeOf(places, node), answer: rest };
}

/** Finds keys among those of their allocations: effects are kept in the order in which the keys were added there. */
class KeyFinder {
  readonly #next: Int32Array;

  constructor({ allocations }: Places) {
    this.#next = new Int32Array(allocations.size);
  }

  find(places: Places, node: Allocation, key: string): KeyPlace {
    const allocation = placeOf(places, node);
    const { effectKeys } = node;
    const index = this.#next[allocation] as number;
    const expected = typeof effectKeys === "string" ? (index === 0 ? effectKeys : undefined) : effectKeys[index];
    if (expected !== key) return key;
    this.#next[allocation] = index + 1;
    return index;
  }
}
