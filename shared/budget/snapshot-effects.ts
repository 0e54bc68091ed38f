/** The kept answers of a state as parts: what the hold or the allocation of an answer says just so is not said again. */
import { assert } from "#std";
import { waiterOf } from "./evolve-queue.ts";
import type { KeptOpening, OutcomeOf } from "./outcome.ts";
import type { Amounts, Consumable } from "./resource.ts";
import type { AnswerEffect, EffectPart, KeyPlace, Place } from "./snapshot-part.ts";
import type { Places } from "./snapshot-places.ts";
import type { Allocation, BudgetState, Effect, Waiter } from "./state.ts";

type Answer = Exclude<Effect["answer"], Waiter>;

export function* effectParts(state: BudgetState, places: Places): Generator<EffectPart, void> {
  const keys = new KeyFinder(places);
  for (const [key, effect] of state.effects) {
    const waiter = waiterOf(effect);
    if (waiter) yield waitingPart(places, key, effect, waiter);
    else yield answerPart({ state, places, keys, key, print: effect.fingerprint }, effect.answer as Answer);
  }
}

function waitingPart(places: Places, key: string, { fingerprint }: Effect, waiter: Waiter): EffectPart {
  const place = places.waiters.get(waiter);
  assert(place !== undefined, `${key} waits and stands in no queue`);
  assert(waiter.effectKey === key && waiter.fingerprint === fingerprint, `what waits under ${key} is another request`);
  return { type: "effect", kind: "waiting", waiter: place };
}

interface Kept {
  readonly state: BudgetState;
  readonly places: Places;
  readonly keys: KeyFinder;
  readonly key: string;
  readonly print: number;
}

function answerPart(kept: Kept, { repeated, ...answer }: Answer): EffectPart {
  assert(!repeated, `the answer kept under ${kept.key} is a repeated one`);
  if (answer.type === "held") return callPart(kept, answer);
  const node = kept.state.allocations.get(answer.allocationId);
  const allocation = node && kept.places.allocations.get(node);
  if (!node || allocation === undefined) return inFull(kept, answer);
  const key = kept.keys.find(node, allocation, kept.key);
  if (answer.type === "written_off") return inFull(kept, answer);
  const common = { type: "effect", key, fingerprint: kept.print, allocation } as const;
  if (answer.type === "raised") {
    const { type, allocationId, ...rest } = answer;
    return { ...common, kind: "raising", answer: rest };
  }
  if (!isOpeningOf(node, answer)) return inFull(kept, answer);
  const { policy, limits, grantedTotal, epoch, leaseTtlMs, partial } = answer;
  return { ...common, kind: "opening", answer: { policy, limits, grantedTotal, epoch, leaseTtlMs, partial } };
}

function inFull({ key, print: fingerprint }: Kept, answer: AnswerEffect["answer"]): EffectPart {
  return { type: "effect", kind: "answer", key, fingerprint, answer };
}

function callPart(kept: Kept, answer: Omit<OutcomeOf<"held">, "repeated">): EffectPart {
  const hold = kept.state.holds.get(answer.holdId);
  const place = hold && kept.places.holds.get(hold);
  const isOfHold =
    hold?.effectKey === kept.key && answer.clamped === hold.clamped && isSame(answer.granted, hold.amounts);
  if (place === undefined || !isOfHold) return inFull(kept, answer);
  const expiresAtMs = answer.expiresAtMs === hold.expiresAtMs ? undefined : answer.expiresAtMs;
  return { type: "effect", kind: "call", fingerprint: kept.print, hold: place, expiresAtMs };
}

function isSame(a: Amounts, b: Amounts): boolean {
  if (a === b) return true;
  const { credits, toolCalls, branches, memoryBytes } = a;
  return credits === b.credits && toolCalls === b.toolCalls && branches === b.branches && memoryBytes === b.memoryBytes;
}

/** True when everything of the answer that an opening leaves out is what the allocation says. */
function isOpeningOf(node: Allocation, answer: Omit<KeptOpening, "repeated">): boolean {
  return (
    answer.path === node.path &&
    answer.depth === node.depth &&
    answer.name === node.name &&
    answer.kind === node.kind &&
    answer.priority === node.priority &&
    answer.weight === node.weight &&
    answer.token === node.token &&
    answer.deadlineAtMs === node.deadlineAtMs &&
    isSameList(answer.pooled, node.pooled)
  );
}

function isSameList(a: readonly Consumable[], b: readonly Consumable[]): boolean {
  return a === b || (a.length === b.length && a.every((resource, index) => resource === b[index]));
}

/** Finds keys among those of their allocations: effects are kept in the order in which the keys were added there. */
class KeyFinder {
  readonly #next: Int32Array;

  constructor({ allocations }: Places) {
    this.#next = new Int32Array(allocations.size);
  }

  find({ effectKeys }: Allocation, allocation: Place, key: string): KeyPlace {
    const index = this.#next[allocation] as number;
    if (effectKeys[index] !== key) return key;
    this.#next[allocation] = index + 1;
    return index;
  }
}
