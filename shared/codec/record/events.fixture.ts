/** For tests: arbitrary events and commits of every type, and one fixed event of each. */
import fc from "fast-check";
import {
  ACCESS_MODES,
  type Access,
  ALLOCATION_KINDS,
  type Amount,
  type BudgetEvent,
  CONSUMABLES,
  type EffectMark,
  type GrantWish,
  type Limits,
  type Parts,
  type Policy,
  PREEMPTION_MODES,
  PRIORITIES,
  RESERVATION_ENDS,
  type ShareWish,
  STRATEGIES,
} from "#budget";
import type { Commit } from "#ports";
import { EVENT_FIELD, type EventType } from "./event-fields.ts";

/** Whole numbers over the whole range, the edges of varints and of 2^53 among them. */
export const count = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 52, Number.MAX_SAFE_INTEGER),
);
export const amount = count.map((value) => value as Amount);
export const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "grapheme-ascii", minLength: 60, maxLength: 300 }),
  fc.constantFrom("", "\u0000", "\uFFFD", "é".repeat(64), "\uFEFFmark", "𝄞"),
);
export const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined });

export const amounts = fc.record({ credits: amount, toolCalls: amount, branches: amount, memoryBytes: amount });
/** To be spread into what may have a wish. */
export const shareWish: fc.Arbitrary<{ readonly wish?: ShareWish }> = maybe(
  fc.record({ min: amounts, max: amounts }),
).map((wish) => (wish ? { wish } : {}));
export const access: fc.Arbitrary<Access[]> = fc.array(
  fc.record({ name: text, mode: fc.constantFrom(...ACCESS_MODES) }),
  { minLength: 1, maxLength: 4 },
);
/** To be spread into what may have names. */
const named: fc.Arbitrary<{ readonly access?: readonly Access[] }> = maybe(access).map((names) =>
  names ? { access: names } : {},
);
export const parts: fc.Arbitrary<Parts> = fc.record({ bonus: amount, emergency: amount, wrapUp: amount });
/** To be spread into what may be a final step. */
const wrappedUp: fc.Arbitrary<{ readonly wrapUp?: true }> = fc.constantFrom({}, { wrapUp: true });
export const limits: fc.Arbitrary<Limits> = fc.record(
  {
    credits: amount,
    toolCalls: amount,
    branches: amount,
    memoryBytes: amount,
    durationMs: count,
    priorityBonus: amount,
    emergencyReserve: amount,
    wrapUpReserve: amount,
  },
  { requiredKeys: [] },
);
const preemption = fc.record(
  {
    worst: fc.constantFrom(...PREEMPTION_MODES),
    protectMs: count,
    coolDownMs: count,
    victimsPerRoundMax: count,
    worthPercentMin: count,
    graceMs: count,
  },
  { requiredKeys: [] },
);
const tried = {
  strategy: fc.constantFrom(...STRATEGIES),
  requestMayChoose: fc.boolean(),
  queueLengthMax: count,
  queueWaitMsMax: count,
  agingStepMs: count,
  preemption,
};
export const policy: fc.Arbitrary<Policy> = fc.record(
  {
    ...tried,
    lowBudgetPercents: fc.array(count, { minLength: 1, maxLength: 4 }),
    shadow: fc.record(tried, { requiredKeys: [] }),
    inherited: fc.record(
      {
        strategy: fc.constantFrom(...STRATEGIES),
        strategyPath: text.filter((path) => path !== ""),
        agingStepMs: count,
        lowBudgetPercents: fc.array(count, { minLength: 1, maxLength: 4 }),
        preemption,
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
);
const effect: fc.Arbitrary<EffectMark> = fc.record({ key: text, fingerprint: count, partial: fc.boolean() });
export const pooled = fc.subarray([...CONSUMABLES]);
const kind = fc.constantFrom(...ALLOCATION_KINDS);
const priority = fc.constantFrom(...PRIORITIES);
const strategy = maybe(fc.constantFrom(...STRATEGIES));

const arrivedNow: fc.Arbitrary<GrantWish> = fc.oneof(
  fc.record({
    type: fc.constant("open" as const),
    caller: text,
    requestId: text,
    allocationId: text,
    token: maybe(text),
    parentId: text,
    name: text,
    kind,
    limits,
    min: amounts,
    priority,
    weight: count,
    policy,
    pooled,
    byHolder: fc.boolean(),
    holder: maybe(text),
    leaseTtlMs: count,
    waitMs: count,
    strategy,
  }),
  fc.record({
    type: fc.constant("raise" as const),
    caller: text,
    requestId: text,
    allocationId: text,
    epoch: maybe(count),
    by: amounts,
    min: amounts,
    waitMs: count,
    strategy,
  }),
);

export const wish: fc.Arbitrary<GrantWish> = fc
  .tuple(arrivedNow, maybe(count), maybe(text), named, maybe(text))
  .map(([plain, arrivedAtMs, other, access, reservationId]) => {
    const one = reservationId === undefined ? plain : { ...plain, reservationId };
    const arrived = arrivedAtMs === undefined ? one : { ...one, arrivedAtMs };
    const wish = arrived.type === "open" ? { ...arrived, ...access } : arrived;
    if (other === undefined) return wish;
    return wish.type === "open" ? { ...wish, attemptOf: other } : { ...wish, resumes: other };
  });

const reported = fc.record({
  allocationId: text,
  sequence: count,
  credits: amount,
  toolCalls: amount,
  overrunCredits: amount,
  overrunToolCalls: amount,
  branchesPeak: amount,
  memoryPeakBytes: amount,
  networkBytes: count,
  diskBytes: count,
  gpuMs: count,
  callsPerTool: fc.array(fc.tuple(text, count), { maxLength: 5 }),
  corrections: count,
  provisional: fc.boolean(),
});

export const givers = fc.array(
  fc.record({ allocationId: text, preemptionId: text, mode: fc.constantFrom(...PREEMPTION_MODES) }),
  { maxLength: 4 },
);

type ContentOf<T extends EventType> = Omit<Extract<BudgetEvent, { readonly type: T }>, "type" | "atMs">;

function withNames<T extends object>(
  content: fc.Arbitrary<T>,
): fc.Arbitrary<T & { readonly access?: readonly Access[] }> {
  return fc.tuple(content, named, wrappedUp).map(([plain, names, last]) => ({ ...plain, ...names, ...last }));
}

function withWish<T extends object>(content: fc.Arbitrary<T>): fc.Arbitrary<T & { readonly wish?: ShareWish }> {
  return fc.tuple(content, shareWish).map(([plain, wish]) => ({ ...plain, ...wish }));
}

const contents: { readonly [T in EventType]: fc.Arbitrary<ContentOf<T>> } = {
  allocation_opened: withNames(
    withWish(
      fc.record({
        allocationId: text,
        parentId: maybe(text),
        name: text,
        path: text,
        depth: count,
        kind,
        side: fc.constantFrom("local", "received", "delegated"),
        limits,
        priority,
        weight: count,
        policy,
        deadlineAtMs: maybe(count),
        peer: maybe(text),
        token: maybe(text),
        epoch: count,
        leaseTtlMs: count,
        leaseEndsAtMs: maybe(count),
        effect: maybe(effect),
        pooled,
      }),
    ),
  ),
  limit_raised: withWish(fc.record({ allocationId: text, by: amounts, effect: maybe(effect) })),
  limit_lowered: fc.record({ allocationId: text, by: amounts, preemptionId: maybe(text) }),
  policy_set: fc.record({ allocationId: text, policy }),
  hold_placed: fc.record({
    holdId: text,
    allocationId: text,
    what: fc.constantFrom("model", "tool", "code"),
    name: text,
    amounts,
    clamped: fc.boolean(),
    expiresAtMs: count,
    effect,
  }),
  hold_extended: fc.record({ holdId: text, expiresAtMs: count }),
  hold_charged: fc.record({
    holdId: text,
    credits: amount,
    toolCalls: amount,
    final: fc.boolean(),
    networkBytes: count,
    diskBytes: count,
    gpuMs: count,
    memoryPeakBytes: count,
  }),
  hold_lapsed: fc.record({ holdId: text }),
  late_settle_recorded: fc.record({ holdId: text, credits: amount, toolCalls: amount }),
  usage_reported: reported,
  lease_renewed: fc.record({ allocationId: text, endsAtMs: count }),
  lease_ended: fc.record({ allocationId: text }),
  allocation_closing: fc.record({ allocationId: text, reason: text }),
  allocation_closed: fc.record({ allocationId: text }),
  request_queued: fc.record({ parentId: text, effectKey: text, fingerprint: count, request: wish, untilMs: count }),
  request_dequeued: fc.record({
    effectKey: text,
    cause: fc.constantFrom("granted", "timed_out", "cancelled", "refused"),
  }),
  reclaim_requested: fc
    .record({
      preemptionId: text,
      allocationId: text,
      mode: fc.constantFrom(...PREEMPTION_MODES),
      reason: text,
      wanted: amounts,
    })
    .chain((event) =>
      fc.option(count, { nil: undefined }).map((graceMs) => (graceMs === undefined ? event : { ...event, graceMs })),
    )
    .chain((event) => fc.boolean().map((forOthers) => (forOthers ? { ...event, forOthers: true as const } : event)))
    .chain((event) => fc.boolean().map((exhausted) => (exhausted ? { ...event, exhausted: true as const } : event))),
  reclaim_ended: fc.record({
    preemptionId: text,
    allocationId: text,
    cause: fc.constantFrom("met", "cancelled", "closed", "resumed"),
  }),
  claim_planned: fc.record({ parentId: text, effectKey: text, round: count, givers, lookAtMs: count }),
  room_reserved: fc.record({ parentId: text, effectKey: text, by: amounts, fromEffectKey: maybe(text) }),
  reservation_made: fc.record({
    reservationId: text,
    allocationId: text,
    name: text,
    caller: text,
    priority,
    amounts,
    startsAtMs: count,
    endsAtMs: count,
    effect,
  }),
  reservation_filled: fc.record({ reservationId: text, by: amounts, begins: fc.boolean() }),
  reservation_used: fc.record({ reservationId: text, by: amounts }),
  reservation_ended: fc.record({ reservationId: text, cause: fc.constantFrom(...RESERVATION_ENDS) }),
  note_attached: fc.record({ allocationId: text, key: text, value: text }),
  memory_released: fc.record({ upToMs: count }),
  daemon_started: fc.oneof(fc.constant({}), fc.record({ bootId: text })),
  written_off: fc.record({
    allocationId: text,
    epoch: count,
    credits: amount,
    toolCalls: amount,
    reason: text,
    effect,
  }),
  account_corrected: reported,
  final_acknowledged: fc.record({ allocationId: text }),
  tranches_set: fc.record({ allocationId: text, carve: parts }),
  limits_updated: fc.record({ allocationId: text, before: limits, after: limits, effect }),
  deadline_moved: fc.record({ allocationId: text, deadlineAtMs: count }),
};

export const EVENT_TYPES = Object.keys(EVENT_FIELD) as EventType[];

/** Arbitrary events of one type. */
export function eventsOf(type: EventType): fc.Arbitrary<BudgetEvent> {
  const content: fc.Arbitrary<object> = contents[type];
  return fc.tuple(count, content).map(([atMs, fields]) => ({ type, atMs, ...fields }) as BudgetEvent);
}

/** Arbitrary commits with events of all types. */
export const commits: fc.Arbitrary<Commit> = fc.record({
  engineTimeMs: count,
  events: fc.array(fc.oneof(...EVENT_TYPES.map(eventsOf)), { maxLength: 8 }),
});
