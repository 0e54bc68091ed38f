/** For tests: arbitrary parts of a snapshot of every type. They need not fit together. */
import fc from "fast-check";
import {
  ALLOCATION_KINDS,
  type AllocationPart,
  type AnswerEffect,
  type EffectPart,
  NO_WRITE_OFF,
  PART_TYPES,
  type PartType,
  PREEMPTION_MODES,
  PRIORITIES,
  RESERVATION_ENDS,
  type SnapshotPart,
} from "#budget";
import {
  access,
  amount,
  amounts,
  count,
  givers,
  limits,
  maybe,
  parts,
  policy,
  pooled,
  shareWish,
  text,
  wish,
} from "./events.fixture.ts";

type ContentOf<T extends PartType> = Omit<Extract<SnapshotPart, { readonly type: T }>, "type">;

const counts = fc.array(fc.tuple(text, count), { maxLength: 3 });
const texts = fc.array(text, { maxLength: 3 });
const places = fc.array(count, { maxLength: 20 });
const kind = fc.constantFrom(...ALLOCATION_KINDS);
const priority = fc.constantFrom(...PRIORITIES);

const book = fc.record({
  elastic: fc.boolean(),
  limit: amount,
  debt: amount,
  available: amount,
  reserved: amount,
  unconfirmed: amount,
  granted: amount,
  inDoubt: amount,
  spent: amount,
  overrun: amount,
  usage: amount,
});
const heldBook = fc.record({ elastic: fc.boolean(), limit: amount, inUse: amount, peak: amount });
const writtenOff = fc.oneof(
  fc.constant(NO_WRITE_OFF),
  fc.record({ credits: amount, toolCalls: amount, standing: fc.constantFrom("awaiting", "corrected") }),
);

const plainAllocation: fc.Arbitrary<Omit<AllocationPart, "type" | "wish">> = fc.record({
  id: text,
  forgotten: fc.boolean(),
  parent: maybe(count),
  name: text,
  path: maybe(text),
  depth: count,
  kind,
  side: fc.constantFrom("local", "received", "delegated"),
  priority,
  weight: count,
  openedAtMs: count,
  deadlineAtMs: maybe(count),
  peer: maybe(text),
  token: maybe(text),
  pooled,
  priorityBonus: amount,
  emergencyReserve: amount,
  policy,
  state: fc.constantFrom("open", "closing", "closed"),
  closingReason: maybe(text),
  closedAtMs: maybe(count),
  epoch: count,
  leaseTtlMs: count,
  leaseEndsAtMs: maybe(count),
  doubtful: fc.boolean(),
  grantedTotal: amounts,
  returnedTotal: amounts,
  usageSequence: count,
  corrections: count,
  writtenOff,
  uncorrected: count,
  books: fc.record({ credits: book, toolCalls: book }),
  held: fc.record({ branches: heldBook, memoryBytes: heldBook }),
  tally: fc.record({
    networkBytes: count,
    diskBytes: count,
    gpuMs: count,
    memoryPeakBytes: count,
  }),
  callsPerTool: counts,
  holders: counts,
  effectKeys: texts,
});
const allocation: fc.Arbitrary<Omit<AllocationPart, "type">> = fc
  .tuple(plainAllocation, shareWish)
  .map(([plain, wish]) => ({ ...plain, ...wish }));

const opening = {
  policy,
  limits,
  grantedTotal: amounts,
  epoch: count,
  leaseTtlMs: count,
  partial: fc.boolean(),
};
const raising = { epoch: count, by: amounts, grantedTotal: amounts, partial: fc.boolean() };

const answer: fc.Arbitrary<AnswerEffect["answer"]> = fc.oneof(
  fc.record({
    type: fc.constant("opened" as const),
    allocationId: text,
    path: text,
    depth: count,
    name: text,
    kind,
    priority,
    weight: count,
    pooled,
    token: maybe(text),
    deadlineAtMs: maybe(count),
    ...opening,
  }),
  fc.record({ type: fc.constant("raised" as const), allocationId: text, ...raising }),
  fc.record({
    type: fc.constant("held" as const),
    holdId: text,
    granted: amounts,
    clamped: fc.boolean(),
    expiresAtMs: count,
  }),
  fc.record({ type: fc.constant("written_off" as const), allocationId: text, amounts }),
  fc.record({
    type: fc.constant("reserved_ahead" as const),
    reservationId: text,
    allocationId: text,
    amounts,
    startsAtMs: count,
    endsAtMs: count,
  }),
  fc.record({ type: fc.constant("updated" as const), allocationId: text, before: limits, after: limits }),
);

const key = fc.oneof(text, count);
const fingerprint = count;
const is = <K extends EffectPart["kind"]>(name: K) => fc.constant(name);

const NO_SUBJECT = { hold: undefined, allocation: undefined, id: undefined };

const contents: { readonly [T in PartType]: fc.Arbitrary<ContentOf<T>> } = {
  header: fc.record({
    engineTimeMs: count,
    waiterSequence: count,
    lives: count,
    uncorrected: count,
    bootId: maybe(text),
  }),
  allocation,
  tranches: fc.record({ allocation: count, carve: parts, left: parts, finalStep: maybe(count) }),
  make_up: fc.record({
    allocation: count,
    of: fc.oneof(fc.record({ child: count }), fc.record({ hold: count })),
    drawn: parts,
  }),
  hold: fc
    .tuple(
      fc.record({
        id: text,
        allocation: count,
        what: fc.constantFrom("model", "tool", "code"),
        name: text,
        amounts,
        clamped: fc.boolean(),
        state: fc.constantFrom("live", "lapsed", "ended"),
        expiresAtMs: count,
        charged: fc.record({ credits: amount, toolCalls: amount }),
      }),
      fc.oneof(
        fc.record({ requestId: text, effectKey: fc.constant(undefined) }),
        fc.record({ requestId: fc.constant(undefined), effectKey: text }),
      ),
    )
    .map(([hold, request]) => ({ ...hold, ...request })),
  waiter: fc.record({
    parent: count,
    effectKey: text,
    fingerprint,
    untilMs: count,
    request: wish,
    arrivedAtMs: count,
    deadlineAtMs: maybe(count),
    sequence: count,
  }),
  names: fc.record({ allocation: count, access }),
  claim: fc.record({ waiter: count, round: count, givers, lookAtMs: count }),
  reservation: fc
    .tuple(
      fc.record({
        id: text,
        allocationId: text,
        path: text,
        name: text,
        caller: text,
        priority,
        amounts,
        left: amounts,
        startsAtMs: count,
        endsAtMs: count,
        effectKey: text,
        begun: fc.boolean(),
      }),
      maybe(fc.record({ cause: fc.constantFrom(...RESERVATION_ENDS), overAtMs: count })),
    )
    .map(([said, over]) => (over ? { ...said, over } : said)),
  earmark: fc.record({ allocation: count, key: text, amounts }),
  history: fc.tuple(text, maybe(count), maybe(count)).map(([allocationId, arrivedAtMs, preemptedAtMs]) => ({
    allocationId,
    ...(arrivedAtMs !== undefined && { arrivedAtMs }),
    ...(preemptedAtMs !== undefined && { preemptedAtMs }),
  })),
  ended: fc
    .tuple(
      count,
      fc.oneof(fc.record({ hold: count }), fc.record({ allocation: count }), fc.record({ id: text })),
      texts,
    )
    .map(([forgetAtMs, subject, effectKeys]) => ({ ...NO_SUBJECT, ...subject, forgetAtMs, effectKeys })),
  effect_keys: fc.record({
    of: fc.oneof(fc.record({ allocation: count }), fc.record({ ended: count })),
    keys: texts,
  }),
  closed_children: fc.record({ allocation: count, children: places }),
  reclaim: fc
    .record({
      allocation: count,
      ended: fc.boolean(),
      preemptionId: text,
      mode: fc.constantFrom(...PREEMPTION_MODES),
      reason: text,
      wanted: amounts,
      reclaimed: amounts,
    })
    .chain((part) => fc.boolean().map((forOthers) => (forOthers ? { ...part, forOthers: true as const } : part)))
    .chain((part) => fc.boolean().map((exhausted) => (exhausted ? { ...part, exhausted: true as const } : part))),
  note: fc.record({ allocation: count, key: text, value: text }),
  final_account: fc.record({ acknowledged: fc.boolean(), allocations: places }),
  effect: fc.oneof(
    fc.record({ kind: is("call"), fingerprint, hold: count, expiresAtMs: maybe(count) }),
    fc.record({ kind: is("opening"), key, fingerprint, allocation: count, answer: fc.record(opening) }),
    fc.record({ kind: is("raising"), key, fingerprint, allocation: count, answer: fc.record(raising) }),
    fc.record({ kind: is("waiting"), waiter: count }),
    fc.record({ kind: is("answer"), key: text, fingerprint, answer }),
  ),
  remembered: fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) }),
  due: fc.record({ index: fc.constantFrom("holds", "leases", "deadlines", "waiters", "claims"), items: places }),
  end: fc.record({ parts: count }),
};

/** Arbitrary parts of one type. */
export function partsOf(type: PartType): fc.Arbitrary<SnapshotPart> {
  const content: fc.Arbitrary<object> = contents[type];
  return content.map((fields) => ({ type, ...fields }) as SnapshotPart);
}

/** Arbitrary parts of all types but the end, in the order in which they come. */
export const someParts: fc.Arbitrary<SnapshotPart[]> = fc
  .array(fc.oneof(...PART_TYPES.filter((type) => type !== "end").map(partsOf)), { maxLength: 12 })
  .map((parts) => parts.sort((a, b) => PART_TYPES.indexOf(a.type) - PART_TYPES.indexOf(b.type)));
