/** Kept answers as records: how each kind of answer is packed, found whole, and unpacked. */
import { assert, type RecordDraft, type RecordPlace, type RecordQueue } from "#std";
import type { Amount } from "./amount.ts";
import type { Answer } from "./kept-answer.ts";
import type { OpenedAnswer, OutcomeOf } from "./outcome.ts";
import { ALLOCATION_KINDS, isEmptyPolicy, type Policy, PRIORITIES } from "./policy.ts";
import { type Amounts, CONSUMABLES, type Consumable, type Limits, RESOURCES } from "./resource.ts";

/** The kinds of records of answers. */
const OPENING = 2;
const RAISING = 3;
/** Any other answer: there are few of these, and they are kept as JSON. */
const OTHER = 4;
const OTHERS: readonly string[] = [
  "held",
  "written_off",
  "updated",
  "reserved_ahead",
] satisfies readonly Answer["type"][];

/** What each record of an answer begins with: when it is forgotten, and the fingerprint; the key is its first text. */
export interface Kept {
  readonly forgetAtMs: number;
  readonly fingerprint: number;
  readonly key: string;
}

const LIMIT_NAMES = [...RESOURCES, "durationMs", "priorityBonus", "emergencyReserve"] as const;
type LimitName = (typeof LIMIT_NAMES)[number] | "wrapUpReserve";

/** Of an opening: one bit for each thing that may be there, from the lowest. */
const BITS = {
  partial: 1,
  token: 2,
  deadline: 4,
  policy: 8,
  pooled: 16,
  limits: 64,
  granted: 8_192,
  wrapUp: 131_072,
  /** Its allocation has ended with it, and may be forgotten with it. */
  releases: 262_144,
} as const;
const BITS_END = BITS.releases << 1;
/** Numbers of an opening that are always there, and its texts. */
const OPENED = { numbers: 8, texts: 4 } as const;
/** Its text that is the id of the allocation. */
export const OPENED_ID = 1;
const AMOUNTS = RESOURCES.length;

/** An opening as it was answered: what the allocation knows, and what may have changed there since. */
export interface Opened extends Pick<OpenedAnswer, "policy" | "grantedTotal" | "epoch" | "leaseTtlMs" | "partial"> {
  readonly node: { readonly id: string } & Pick<
    OpenedAnswer,
    "path" | "name" | "depth" | "kind" | "priority" | "weight" | "token" | "deadlineAtMs" | "pooled"
  >;
}

export interface OpeningToKeep {
  readonly opening: Opened;
  /** As they were answered. */
  readonly limits: Limits;
  /** The allocation has ended, and may be forgotten with the answer. */
  readonly releases: boolean;
}

/** The draft of the record of an answer. */
export function packAnswer(records: RecordQueue, kept: Kept, answer: Answer): RecordDraft {
  if (answer.type === "opened") {
    const node = { ...answer, id: answer.allocationId };
    return packOpening(records, kept, { opening: { ...answer, node }, limits: answer.limits, releases: false });
  }
  if (answer.type === "raised") {
    const record = begin(records, RAISING, kept).number(answer.epoch).number(Number(answer.partial));
    addAmounts(record, answer.by);
    addAmounts(record, answer.grantedTotal);
    return record.text(answer.allocationId);
  }
  assert(OTHERS.includes(answer.type), "every answer that is kept can be read again");
  return begin(records, OTHER, kept).text(JSON.stringify(answer));
}

function begin(records: RecordQueue, kind: number, { forgetAtMs, fingerprint, key }: Kept): RecordDraft {
  return records.begin(kind).number(forgetAtMs).number(fingerprint).text(key);
}

function addAmounts(record: RecordDraft, { credits, toolCalls, branches, memoryBytes }: Amounts): void {
  record.number(credits).number(toolCalls).number(branches).number(memoryBytes);
}

/** The draft of the record of an opening. `releases`: the allocation may be forgotten with it. */
export function packOpening(
  records: RecordQueue,
  kept: Kept,
  { opening, limits, releases }: OpeningToKeep,
): RecordDraft {
  const { node, grantedTotal, epoch, leaseTtlMs, partial } = opening;
  const policy = withoutInherited(opening.policy);
  const { token, deadlineAtMs, pooled } = node;
  const rank = ALLOCATION_KINDS.indexOf(node.kind) * PRIORITIES.length + PRIORITIES.indexOf(node.priority);
  const record = begin(records, OPENING, kept).number(0).number(rank).number(node.depth).number(node.weight);
  record.number(epoch).number(leaseTtlMs).text(node.id).text(node.path).text(node.name);
  let bits = (partial ? BITS.partial : 0) | (releases ? BITS.releases : 0);
  bits |= add(record, deadlineAtMs, BITS.deadline);
  if (token !== undefined) {
    bits |= BITS.token;
    record.text(token);
  }
  if (!isEmptyPolicy(policy)) {
    bits |= BITS.policy;
    record.text(JSON.stringify(policy));
  }
  for (let at = 0; at < CONSUMABLES.length && pooled.length > 0; at += 1) {
    if (pooled.includes(CONSUMABLES[at] as Consumable)) bits |= BITS.pooled << at;
  }
  bits |= addLimits(record, limits) | addGranted(record, grantedTotal);
  record.numbers[2] = bits | add(record, limits.wrapUpReserve, BITS.wrapUp);
  return record;
}

/** What it inherited is of no use to whoever asks for it again: it has ended. */
function withoutInherited(policy: Policy): Policy {
  if (policy.inherited === undefined) return policy;
  const { inherited: _, ...own } = policy;
  return own;
}

/** Whether the record is of an opening whose allocation may be forgotten with it. */
export function isReleasing(records: RecordQueue, place: RecordPlace): boolean {
  return records.kindAt(place) === OPENING && (records.numberAt(place, 2) & BITS.releases) !== 0;
}

/** Adds a number that is there; answers its bit, or none. */
function add(record: RecordDraft, value: number | undefined, bit: number): number {
  if (value === undefined) return 0;
  record.number(value);
  return bit;
}

/** In the order of LIMIT_NAMES. */
function addLimits(record: RecordDraft, limits: Limits): number {
  const bit = BITS.limits;
  let bits = add(record, limits.credits, bit) | add(record, limits.toolCalls, bit << 1);
  bits |= add(record, limits.branches, bit << 2) | add(record, limits.memoryBytes, bit << 3);
  bits |= add(record, limits.durationMs, bit << 4) | add(record, limits.priorityBonus, bit << 5);
  return bits | add(record, limits.emergencyReserve, bit << 6);
}

/** In the order of RESOURCES. */
function addGranted(record: RecordDraft, { credits, toolCalls, branches, memoryBytes }: Amounts): number {
  const bit = BITS.granted;
  const bits = add(record, credits || undefined, bit) | add(record, toolCalls || undefined, bit << 1);
  return bits | add(record, branches || undefined, bit << 2) | add(record, memoryBytes || undefined, bit << 3);
}

/** Whether the record, whose numbers are whole, is an answer of which everything is there. */
export function isAnswerRecord(records: RecordQueue, place: RecordPlace): boolean {
  const [numbers, texts] = [records.numbersAt(place), records.textsAt(place)];
  switch (records.kindAt(place)) {
    case OPENING:
      return isOpened(records, place);
    case RAISING:
      return numbers === 4 + 2 * AMOUNTS && texts === 2;
    case OTHER:
      return numbers === 2 && texts === 2 && OTHERS.includes(`${objectOf(records.textAt(place, 1))?.type}`);
    default:
      return false;
  }
}

function isOpened(records: RecordQueue, place: RecordPlace): boolean {
  const bits = records.numberAt(place, 2);
  if (bits >= BITS_END || records.numberAt(place, 3) >= ALLOCATION_KINDS.length * PRIORITIES.length) return false;
  const has = (bit: number): number => ((bits & bit) === 0 ? 0 : 1);
  let numbers = OPENED.numbers + has(BITS.deadline) + has(BITS.wrapUp);
  for (let at = 0; at < LIMIT_NAMES.length; at += 1) numbers += has(BITS.limits << at);
  for (let at = 0; at < AMOUNTS; at += 1) numbers += has(BITS.granted << at);
  if (records.numbersAt(place) !== numbers) return false;
  if (records.textsAt(place) !== OPENED.texts + has(BITS.token) + has(BITS.policy)) return false;
  return has(BITS.policy) === 0 || objectOf(records.textAt(place, OPENED.texts + has(BITS.token))) !== undefined;
}

/** What was written as an object; undefined where that is none. */
function objectOf(text: string): { readonly [name: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    // Not what was written: the caller says so.
    return undefined;
  }
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The answer in a record that is one. */
export function answerAt(records: RecordQueue, place: RecordPlace): Answer {
  if (records.kindAt(place) === OPENING) return openedAt(records, place);
  if (records.kindAt(place) === RAISING) return raisedAt(records, place);
  // Written by the same words from an answer of such a type; damage on the way is noticed by the checksums around it.
  return JSON.parse(records.textAt(place, 1)) as Answer;
}

export function amountsAt(records: RecordQueue, place: RecordPlace, index: number): Amounts {
  const amount = (at: number): Amount => records.numberAt(place, index + at) as Amount;
  return { credits: amount(0), toolCalls: amount(1), branches: amount(2), memoryBytes: amount(3) };
}

function raisedAt(records: RecordQueue, place: RecordPlace): OutcomeOf<"raised"> {
  return {
    type: "raised",
    allocationId: records.textAt(place, 1),
    epoch: records.numberAt(place, 2),
    by: amountsAt(records, place, 4),
    partial: records.numberAt(place, 3) !== 0,
    repeated: false,
    grantedTotal: amountsAt(records, place, 4 + AMOUNTS),
  };
}

function openedAt(records: RecordQueue, place: RecordPlace): OpenedAnswer {
  const [bits, rank] = [records.numberAt(place, 2), records.numberAt(place, 3)];
  let number: number = OPENED.numbers;
  let text: number = OPENED.texts;
  const next = (bit: number): number | undefined =>
    (bits & bit) === 0 ? undefined : records.numberAt(place, number++);
  const nextText = (bit: number): string | undefined =>
    (bits & bit) === 0 ? undefined : records.textAt(place, text++);
  const token = nextText(BITS.token);
  const deadlineAtMs = next(BITS.deadline);
  const policyText = nextText(BITS.policy);
  const limits: { -readonly [L in LimitName]?: Amount } = {};
  for (const [at, name] of LIMIT_NAMES.entries()) {
    const limit = next(BITS.limits << at);
    if (limit !== undefined) limits[name] = limit as Amount;
  }
  const [credits, toolCalls, branches, memoryBytes] = RESOURCES.map(
    (_, at) => (next(BITS.granted << at) ?? 0) as Amount,
  ) as [Amount, Amount, Amount, Amount];
  const wrapUpReserve = next(BITS.wrapUp);
  if (wrapUpReserve !== undefined) limits.wrapUpReserve = wrapUpReserve as Amount;
  return {
    type: "opened",
    allocationId: records.textAt(place, 1),
    path: records.textAt(place, 2),
    depth: records.numberAt(place, 4),
    name: records.textAt(place, 3),
    // The rank was proven to be one of them.
    kind: ALLOCATION_KINDS[Math.floor(rank / PRIORITIES.length)] as OpenedAnswer["kind"],
    priority: PRIORITIES[rank % PRIORITIES.length] as OpenedAnswer["priority"],
    weight: records.numberAt(place, 5),
    policy: policyText === undefined ? {} : (JSON.parse(policyText) as Policy),
    limits,
    pooled: CONSUMABLES.filter((_, at) => (bits & (BITS.pooled << at)) !== 0),
    grantedTotal: { credits, toolCalls, branches, memoryBytes },
    epoch: records.numberAt(place, 6),
    leaseTtlMs: records.numberAt(place, 7),
    token,
    deadlineAtMs,
    partial: (bits & BITS.partial) !== 0,
    repeated: false,
  };
}
