/**
 * What has ended and is remembered for a while: calls and kept answers as records in bytes, found by their keys, and allocations whose time
 * to be forgotten comes. In the order in which they are forgotten, which is that of their ends. By the hundred thousand they would
 * otherwise be objects that every garbage collection looks at.
 */
import {
  assert,
  type HashSlots,
  type RecordDraft,
  type RecordPlace,
  RecordQueue,
  type TextHash,
  type TextMap,
} from "#std";
import type { Amount } from "./amount.ts";
import {
  amountsAt,
  answerAt,
  isAnswerRecord,
  isReleasing,
  type Kept,
  OPENED_ID,
  type OpeningToKeep,
  packAnswer,
  packOpening,
} from "./ended-answer.ts";
import type { Answer, Charged, KeptAnswer } from "./kept-answer.ts";
import type { OutcomeOf } from "./outcome.ts";
import { type Amounts, RESOURCES } from "./resource.ts";

/** Kinds of records that are no answers; see ended-answer.ts for the others. */
const CALL = 1;
const NODE = 5;

/** Numbers of a call: when it is forgotten, its fingerprint, until when it was answered to be held, its cost, flags, then its amounts. */
const NUMBER = {
  forgetAtMs: 0,
  fingerprint: 1,
  expiresAtMs: 2,
  credits: 3,
  toolCalls: 4,
  flags: 5,
  amounts: 6,
} as const;
/** What stands between caller and request id in a key. */
const KEY_SEPARATOR = "\n".charCodeAt(0);
/** Texts of a call; the allocation only where the key does not begin with it. */
const TEXT = { key: 0, holdId: 1, allocationId: 2 } as const;

/** A call that has ended, and what its request was answered. */
export interface CallToKeep {
  readonly id: string;
  readonly allocation: { readonly id: string };
  readonly effectKey: string;
  readonly fingerprint: number;
  readonly amounts: Amounts;
  readonly clamped: boolean;
  readonly answeredUntilMs: number;
  readonly charged: Charged;
}

/** What is left of a call that has ended. */
export interface EndedCall {
  readonly place: RecordPlace;
  readonly id: string;
  readonly allocationId: string;
  /** What was set aside, in credits. */
  readonly credits: Amount;
  readonly charged: Charged;
}

/** One thing that is remembered, as plain values. */
export type EndedItem =
  | { readonly forgetAtMs: number; readonly allocationId: string }
  | ({ readonly answer: Answer } & Kept)
  | ({ readonly call: OutcomeOf<"held">; readonly allocationId: string; readonly charged: Charged } & Kept);

/** Hashes of the keys of effects, and of the ids of holds and of allocations; others have tables by the same. */
export interface EndedHashes {
  readonly allocations: TextHash;
  readonly keys: TextHash;
  readonly holds: TextHash;
}

/** Those of the keys of effects and of the ids of holds; the even references are of those that go on. */
export interface EndedIndexes {
  readonly keys: HashSlots;
  readonly holds: HashSlots;
}

export class EndedMemory {
  readonly #records = new RecordQueue();
  readonly #hashes: EndedHashes;
  /** Their references are odd: twice the place and one. */
  readonly #keys: HashSlots;
  readonly #holds: HashSlots;
  #answers = 0;
  /** When the latest is forgotten. */
  #latestAtMs = 0;

  constructor(hashes: EndedHashes, { keys, holds }: EndedIndexes) {
    this.#hashes = hashes;
    this.#keys = keys;
    this.#holds = holds;
  }

  /** How many answers are kept, those of calls among them. */
  get answers(): number {
    return this.#answers;
  }

  addCall(call: CallToKeep, forgetAtMs: number): void {
    const { id, allocation, effectKey, fingerprint, answeredUntilMs, charged, clamped, amounts } = call;
    const { credits, toolCalls, branches, memoryBytes } = amounts;
    const own = allocation.id.length;
    const isOwn = effectKey.charCodeAt(own) === KEY_SEPARATOR && effectKey.startsWith(allocation.id);
    const flags = (isOwn ? 2 * own : 0) + (clamped ? 1 : 0);
    const record = this.#records.begin(CALL).number(forgetAtMs).number(fingerprint).number(answeredUntilMs);
    record.number(charged.credits).number(charged.toolCalls).number(flags).number(credits);
    if (toolCalls + branches + memoryBytes > 0) record.number(toolCalls).number(branches).number(memoryBytes);
    record.text(effectKey).text(id);
    if (!isOwn) record.text(allocation.id);
    const place = this.#add(forgetAtMs, record);
    this.#index(place, this.#hashes.keys.of(effectKey), this.#hashes.holds.of(id));
  }

  addAnswer(kept: Kept, answer: Answer): void {
    const place = this.#add(kept.forgetAtMs, packAnswer(this.#records, kept, answer));
    this.#index(place, this.#hashes.keys.of(kept.key), undefined);
  }

  /** The answer to the request that opened an allocation, out of what is kept of it; and for most the allocation with it. */
  addOpening(kept: Kept, opening: OpeningToKeep): void {
    const place = this.#add(kept.forgetAtMs, packOpening(this.#records, kept, opening));
    this.#index(place, this.#hashes.keys.of(kept.key), undefined);
    if (opening.releases) this.#records.setMark(place, 1, this.#hashes.allocations.of(opening.opening.node.id));
  }

  /** The allocation may be forgotten then, if nothing keeps it. */
  addAllocation(id: string, forgetAtMs: number): void {
    const place = this.#add(forgetAtMs, this.#records.begin(NODE).number(forgetAtMs).text(id));
    this.#records.setMark(place, 0, this.#hashes.allocations.of(id));
  }

  #add(forgetAtMs: number, record: RecordDraft): RecordPlace {
    assert(forgetAtMs >= this.#latestAtMs, "what ends later is forgotten later");
    this.#latestAtMs = forgetAtMs;
    return this.#records.addDraft(record);
  }

  #index(place: RecordPlace, key: number, hold: number | undefined): void {
    this.#records.setMark(place, 0, key);
    this.#keys.add(key, 2 * place + 1);
    this.#answers += 1;
    if (hold === undefined) return;
    this.#records.setMark(place, 1, hold);
    this.#holds.add(hold, 2 * place + 1);
  }

  #find(slots: HashSlots, hash: number, text: number, value: string): RecordPlace | undefined {
    for (let slot = slots.first(hash); slot >= 0; slot = slots.next(slot, hash)) {
      const ref = slots.refAt(slot);
      const place = (ref - 1) / 2;
      if (ref % 2 === 1 && this.#records.textIs(place, text, value)) return place;
    }
    return undefined;
  }

  has(key: string): boolean {
    return this.#find(this.#keys, this.#hashes.keys.of(key), TEXT.key, key) !== undefined;
  }

  hasCall(holdId: string): boolean {
    return this.#find(this.#holds, this.#hashes.holds.of(holdId), TEXT.holdId, holdId) !== undefined;
  }

  /** The kept answer to the request with this key. */
  answerTo(key: string): KeptAnswer | undefined {
    const place = this.#find(this.#keys, this.#hashes.keys.of(key), TEXT.key, key);
    if (place === undefined) return undefined;
    const fingerprint = this.#records.numberAt(place, NUMBER.fingerprint);
    const isCall = this.#records.kindAt(place) === CALL;
    return { kind: "answer", fingerprint, answer: isCall ? this.#heldAt(place) : answerAt(this.#records, place) };
  }

  /** The ended call of that id. */
  call(holdId: string): EndedCall | undefined {
    const place = this.#find(this.#holds, this.#hashes.holds.of(holdId), TEXT.holdId, holdId);
    if (place === undefined) return undefined;
    const credits = this.#records.numberAt(place, NUMBER.amounts) as Amount;
    return { place, id: holdId, allocationId: this.#allocationIdAt(place), credits, charged: this.#chargedAt(place) };
  }

  /** Notes what the call cost, as was told after its end. */
  recharge({ place }: EndedCall, { credits, toolCalls }: Charged): void {
    this.#records.setNumber(place, NUMBER.credits, credits);
    this.#records.setNumber(place, NUMBER.toolCalls, toolCalls);
  }

  #allocationIdAt(place: RecordPlace): string {
    const own = Math.floor(this.#records.numberAt(place, NUMBER.flags) / 2);
    return own > 0
      ? this.#records.textAt(place, TEXT.key).slice(0, own)
      : this.#records.textAt(place, TEXT.allocationId);
  }

  #chargedAt(place: RecordPlace): Charged {
    const credits = this.#records.numberAt(place, NUMBER.credits) as Amount;
    return { credits, toolCalls: this.#records.numberAt(place, NUMBER.toolCalls) as Amount };
  }

  #heldAt(place: RecordPlace): OutcomeOf<"held"> {
    return {
      type: "held",
      holdId: this.#records.textAt(place, TEXT.holdId),
      granted: amountsAt(this.#records, place, NUMBER.amounts),
      clamped: this.#records.numberAt(place, NUMBER.flags) % 2 === 1,
      expiresAtMs: this.#records.numberAt(place, NUMBER.expiresAtMs),
      repeated: false,
    };
  }

  /** When the next thing is to be forgotten; undefined when nothing is remembered. */
  nextAtMs(): number | undefined {
    const first = this.#records.first();
    return first === undefined ? undefined : this.#records.numberAt(first, NUMBER.forgetAtMs);
  }

  /** Forgets what is due up to `timeMs`, and hands over those of the allocations that may be forgotten now, if nothing keeps them. */
  forgetUpTo<A>(timeMs: number, allocations: TextMap<A>, take: (allocation: A) => void): void {
    for (let place = this.#records.first(); place !== undefined; place = this.#records.first()) {
      if (this.#records.numberAt(place, NUMBER.forgetAtMs) > timeMs) return;
      const kind = this.#records.kindAt(place);
      const released = kind === CALL ? undefined : this.#releasedAt(place, allocations);
      if (kind !== NODE) {
        this.#keys.remove(this.#records.markAt(place, 0), 2 * place + 1);
        this.#answers -= 1;
      }
      if (kind === CALL) this.#holds.remove(this.#records.markAt(place, 1), 2 * place + 1);
      this.#records.shift();
      if (released) take(released);
    }
  }

  /** The allocation that may be forgotten with the record; undefined when there is none any more. */
  #releasedAt<A>(place: RecordPlace, allocations: TextMap<A>): A | undefined {
    const isNode = this.#records.kindAt(place) === NODE;
    if (!isNode && !isReleasing(this.#records, place)) return undefined;
    // Most are gone already: as closed children there are only so many of a node.
    if (!allocations.mayHave(this.#records.markAt(place, isNode ? 0 : 1))) return undefined;
    return allocations.get(this.#records.textAt(place, isNode ? 0 : OPENED_ID));
  }

  /** Everything that is remembered, the next to be forgotten first. */
  *items(): Generator<EndedItem, void> {
    for (const place of this.#records.places()) {
      const forgetAtMs = this.#records.numberAt(place, NUMBER.forgetAtMs);
      const kind = this.#records.kindAt(place);
      const text = this.#records.textAt(place, 0);
      if (kind === NODE) {
        yield { forgetAtMs, allocationId: text };
        continue;
      }
      const kept = { forgetAtMs, fingerprint: this.#records.numberAt(place, NUMBER.fingerprint), key: text };
      if (kind !== CALL) {
        yield { ...kept, answer: answerAt(this.#records, place) };
        if (isReleasing(this.#records, place)) {
          yield { forgetAtMs, allocationId: this.#records.textAt(place, OPENED_ID) };
        }
      } else {
        const [allocationId, charged] = [this.#allocationIdAt(place), this.#chargedAt(place)];
        yield { ...kept, call: this.#heldAt(place), allocationId, charged };
      }
    }
  }

  /** Everything as bytes, in slices of about so many. */
  slices(bytes: number): Generator<Uint8Array<ArrayBuffer>, void> {
    return this.#records.slices(bytes);
  }

  /** Takes a slice of another memory; answers what is wrong with it, if something is. */
  addSlice(slice: Uint8Array): string | undefined {
    let wrong: string | undefined;
    const whole = this.#records.addSlice(slice, (place) => {
      wrong ??= this.#take(place);
    });
    return wrong ?? (whole ? undefined : "what is remembered of ended work is damaged");
  }

  #take(place: RecordPlace): string | undefined {
    const records = this.#records;
    if (!this.#isWhole(place)) return "something that is remembered of ended work is not known";
    const forgetAtMs = records.numberAt(place, NUMBER.forgetAtMs);
    if (forgetAtMs < this.#latestAtMs)
      return `${JSON.stringify(records.textAt(place, 0))} is to be forgotten out of turn`;
    this.#latestAtMs = forgetAtMs;
    const kind = records.kindAt(place);
    if (kind === NODE) {
      records.setMark(place, 0, records.hashAt(place, 0, this.#hashes.allocations));
      return undefined;
    }
    const key = records.hashAt(place, TEXT.key, this.#hashes.keys);
    if (this.#isTwice(this.#keys, key, place, TEXT.key)) {
      return `the answer to ${JSON.stringify(records.textAt(place, TEXT.key))} stands twice`;
    }
    const hold = kind === CALL ? records.hashAt(place, TEXT.holdId, this.#hashes.holds) : undefined;
    if (hold !== undefined && this.#isTwice(this.#holds, hold, place, TEXT.holdId)) {
      return `hold ${records.textAt(place, TEXT.holdId)} stands twice`;
    }
    this.#index(place, key, hold);
    if (isReleasing(records, place)) {
      records.setMark(place, 1, records.hashAt(place, OPENED_ID, this.#hashes.allocations));
    }
    return undefined;
  }

  #isTwice(slots: HashSlots, hash: number, place: RecordPlace, text: number): boolean {
    const found = slots.first(hash);
    return found >= 0 && this.#find(slots, hash, text, this.#records.textAt(place, text)) !== undefined;
  }

  /** Whether the record is one of ours, and all of it is there. */
  #isWhole(place: RecordPlace): boolean {
    const records = this.#records;
    const numbers = records.numbersAt(place);
    for (let index = 0; index < numbers; index += 1) {
      const number = records.numberAt(place, index);
      if (!Number.isSafeInteger(number) || number < 0) return false;
    }
    const kind = records.kindAt(place);
    if (kind === NODE) return numbers === 1 && records.textsAt(place) === 1;
    if (kind !== CALL) return isAnswerRecord(records, place);
    const own = Math.floor(records.numberAt(place, NUMBER.flags) / 2);
    if (numbers !== NUMBER.amounts + 1 && numbers !== NUMBER.amounts + RESOURCES.length) return false;
    return records.textsAt(place) === (own > 0 ? 2 : 3);
  }
}
