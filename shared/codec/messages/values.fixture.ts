/** For tests: arbitrary values of the engine and of links, in the form in which the contract carries them. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import type { Amounts, Conflict, InheritedPolicy, Limits, Policy, ReportedUsage, StrategyInForce } from "#budget";
import {
  ALLOCATION_KINDS,
  type Amount,
  CONFLICT_TYPES,
  CONSUMABLES,
  NOTHING,
  PREEMPTION_MODES,
  PRIORITIES,
  STRATEGIES,
} from "#budget";
import { executionError, FaultError, RefusalError } from "#errors";
import { type Status, StatusSchema } from "#gen/google/rpc/status_pb.js";
import type {
  AllocationStanding,
  GrantAnswer,
  GrantAsk,
  GrantHandover,
  HeldAllocation,
  Hello,
  LowBudget,
  TraceContext,
  UsageAck,
  UsageItem,
  Welcome,
} from "#ports";
import { LIMITS } from "#std";
import { FieldCheck } from "../parse/field-check.ts";
import type { Parsed } from "../parse/parsed.ts";
import type { StatusCodec } from "./status-codec.ts";

/** The message as it comes out of its bytes. */
export function throughBytes<S extends DescMessage>(schema: S, message: MessageShape<S>): MessageShape<S> {
  return fromBinary(schema, toBinary(schema, message));
}

/** What a parser that is given a check makes of a message. */
export function parsedWith<T>(parse: (check: FieldCheck) => T): Parsed<T> {
  const check = new FieldCheck();
  return check.finish(parse(check));
}

const maybe = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined });

export const count = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 1, 2 ** 32, LIMITS.amountMax));
export const amount = count.map((value) => value as Amount);
const positive = fc.oneof(fc.integer({ min: 1 }), fc.constantFrom(LIMITS.amountMax)).map((value) => value as Amount);
export const uint32 = fc.oneof(fc.nat(), fc.constantFrom(0, 0xffff_ffff));
const durationMs = fc.oneof(fc.nat(), fc.constantFrom(0, LIMITS.durationMsMax));
export const id = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: LIMITS.idCharsMax });
export const name = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/);
const path = fc.array(name, { minLength: 1, maxLength: 5 }).map((names) => names.join("/"));
const text = fc.string({ unit: "grapheme", maxLength: 40 });

export const amounts: fc.Arbitrary<Amounts> = fc.record({
  credits: amount,
  toolCalls: amount,
  branches: amount,
  memoryBytes: amount,
});

export const limits: fc.Arbitrary<Limits> = fc.record(
  {
    credits: amount,
    toolCalls: amount,
    branches: amount,
    memoryBytes: amount,
    durationMs,
    priorityBonus: positive,
    emergencyReserve: positive,
  },
  { requiredKeys: [] },
);

/** Limits whose carved parts fit into their credits. */
export const wantedLimits: fc.Arbitrary<Limits> = limits.filter(
  ({ credits = 0, priorityBonus = 0, emergencyReserve = 0 }) =>
    BigInt(priorityBonus) + BigInt(emergencyReserve) <= BigInt(credits),
);

const preemption = fc.record(
  {
    worst: fc.constantFrom(...PREEMPTION_MODES),
    protectMs: fc.integer({ min: 0, max: LIMITS.victimTimesMsMax }),
    coolDownMs: fc.integer({ min: 0, max: LIMITS.victimTimesMsMax }),
    victimsPerRoundMax: fc.integer({ min: 1, max: LIMITS.victimScanMax }),
    worthPercentMin: fc.integer({ min: 0, max: 100 }),
    graceMs: fc.integer({ min: 0, max: LIMITS.graceMsMax }),
  },
  { requiredKeys: [] },
);
const tried = {
  strategy: fc.constantFrom(...STRATEGIES),
  requestMayChoose: fc.constant(true),
  queueLengthMax: fc.integer({ min: 1, max: 0xffff_ffff }),
  queueWaitMsMax: fc.integer({ min: 1, max: 0xffff_ffff }),
  agingStepMs: fc.integer({ min: LIMITS.agingStepMsMin, max: LIMITS.agingStepMsMax }),
  preemption,
};

export const policy: fc.Arbitrary<Policy> = fc.record(
  {
    ...tried,
    lowBudgetPercents: fc
      .uniqueArray(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: LIMITS.lowBudgetPercentsMax })
      .map((percents) => percents.sort((a, b) => a - b)),
    shadow: fc.record(tried, { requiredKeys: [] }).filter((shadow) => Object.keys(shadow).length > 0),
  },
  { requiredKeys: [] },
);

/** What a grant inherits; to be spread into what says it, if it does. */
export const inherited: fc.Arbitrary<{ readonly inherited?: InheritedPolicy }> = maybe(
  fc.record(
    {
      strategy: fc.constantFrom(...STRATEGIES),
      strategyPath: path,
      agingStepMs: tried.agingStepMs,
      lowBudgetPercents: fc.constantFrom([50], [10, 99]),
      preemption,
    },
    { requiredKeys: [] },
  ),
).map((found) => (found ? { inherited: found } : {}));

const hex = (length: number) => fc.stringMatching(new RegExp(`^[1-9a-f][0-9a-f]{${length - 1}}$`));
export const trace: fc.Arbitrary<TraceContext> = fc
  .record({ traceId: hex(32), spanId: hex(16), tracestate: maybe(fc.constantFrom("a=1", "vendor=x,b=2")) })
  .map(({ traceId, spanId, tracestate }) => ({
    traceparent: `00-${traceId}-${spanId}-01`,
    ...(tracestate === undefined ? {} : { tracestate }),
  }));

export const usage: fc.Arbitrary<ReportedUsage> = fc.record({
  credits: amount,
  toolCalls: amount,
  overrunCredits: amount,
  overrunToolCalls: amount,
  branchesPeak: amount,
  memoryPeakBytes: amount,
  networkBytes: count,
  diskBytes: count,
  gpuMs: count,
  callsPerTool: fc.array(fc.tuple(name, count), { maxLength: 4 }),
  corrections: count,
  provisional: fc.boolean(),
});

const strategyInForce: fc.Arbitrary<StrategyInForce> = fc.record({
  name: fc.constantFrom(...STRATEGIES),
  from: fc.constantFrom("request", "own", "inherited", "default"),
  path,
});

const plainConflict = fc.record({
  conflict: fc.constantFrom(...CONFLICT_TYPES),
  resource: fc.constantFrom("credits", "toolCalls", "branches", "memoryBytes", "duration", "access"),
  ancestorId: id,
  ancestorPath: path,
  wanted: count,
  available: count,
  debt: count,
  holders: fc.array(fc.record({ id, path, amount: count }), { maxLength: 5 }),
  never: fc.boolean(),
  retryAfterMs: uint32,
  position: uint32,
  expectedWaitMs: uint32,
});

export const conflict: fc.Arbitrary<Conflict> = fc
  .tuple(plainConflict, maybe(strategyInForce), uint32, maybe(fc.record({ least: count, most: count, weight: uint32 })))
  .map(([plain, strategy, waitedMs, share]) => ({
    ...plain,
    ...(share && { share }),
    ...(strategy && { strategy }),
    ...(waitedMs > 0 && { waitedMs }),
  }));

export const grant: fc.Arbitrary<GrantHandover> = fc.record({
  allocationId: id,
  path,
  depth: fc.nat({ max: LIMITS.treeDepthMax }),
  name,
  kind: fc.constantFrom(...ALLOCATION_KINDS),
  limits,
  pooled: fc.subarray([...CONSUMABLES]),
  priority: fc.constantFrom(...PRIORITIES),
  weight: fc.integer({ min: 1, max: LIMITS.weightMax }),
  policy: fc.tuple(policy, inherited).map(([own, from]) => ({ ...own, ...from })),
  token: maybe(id),
  epoch: count,
  leaseTtlMs: uint32,
  holderMarkMs: maybe(count),
  deadlineLeftMs: maybe(durationMs),
});

/** A least that fits into what is wanted. */
const minOf = ({ credits, toolCalls }: Limits, share: number): Amounts => ({
  ...NOTHING,
  credits: Math.floor((credits ?? LIMITS.amountMax) * share) as Amount,
  toolCalls: Math.floor((toolCalls ?? LIMITS.amountMax) * share) as Amount,
});

const target: fc.Arbitrary<GrantAsk["target"]> = fc.oneof(
  fc.record({
    type: fc.constant("open" as const),
    parentId: id,
    name,
    kind: maybe(fc.constantFrom(...ALLOCATION_KINDS)),
    limits: wantedLimits,
  }),
  fc.record({ type: fc.constant("raise" as const), allocationId: id, epoch: count, by: amounts }),
);

export const ask: fc.Arbitrary<GrantAsk> = fc
  .record({
    requestId: id,
    target,
    share: fc.constantFrom(0, 0.25, 0.5, 1),
    priority: fc.constantFrom(...PRIORITIES),
    weight: fc.integer({ min: 1, max: LIMITS.weightMax }),
    waitMs: uint32,
    strategy: maybe(fc.constantFrom(...STRATEGIES)),
    trace: maybe(trace),
    reservationId: maybe(id),
  })
  .map(({ share, reservationId, ...rest }) => ({
    ...rest,
    ...(reservationId !== undefined && { reservationId }),
    min: minOf(rest.target.type === "open" ? rest.target.limits : rest.target.by, share),
  }));

export const itemError = fc.oneof(
  text.map((message) => new RefusalError({ reason: "NOT_FOUND", message })),
  text.map(
    (message) => new FaultError(executionError({ id: "e-1", type: "RESOURCE_EXHAUSTED", reach: "one", message })),
  ),
);

const preempted = fc.array(id, { minLength: 1, maxLength: 4 });

export const answer: fc.Arbitrary<GrantAnswer> = fc.oneof(
  fc.record(
    { type: fc.constant("opened" as const), grant, partial: fc.boolean(), preempted },
    { requiredKeys: ["type", "grant", "partial"] },
  ),
  fc.record(
    {
      type: fc.constant("raised" as const),
      allocationId: id,
      epoch: count,
      grantedTotal: amounts,
      partial: fc.boolean(),
      preempted,
    },
    { requiredKeys: ["type", "allocationId", "epoch", "grantedTotal", "partial"] },
  ),
  fc.record({ type: fc.constant("queued" as const), conflict }),
  fc.record({ type: fc.constant("denied" as const), error: itemError }),
);

export const held: fc.Arbitrary<HeldAllocation> = fc.record({
  allocationId: id,
  epoch: count,
  usage,
  grantedTotal: amounts,
  returnedTotal: amounts,
  final: fc.boolean(),
});

/** 0 is how a mark that was not said travels. */
export const clockMark = maybe(count.filter((ms) => ms > 0));
const lease = fc.record({ epoch: count, ttlMs: uint32 });

export const hello: fc.Arbitrary<Hello> = fc.record({
  instance: id,
  incarnation: id,
  journalId: id,
  address: fc.constantFrom("127.0.0.1:7601", "[::1]:7601", "exec-1.example:443"),
  tier: fc.constantFrom("process", "execution"),
  capacity: uint32,
  life: count,
  clockMarkMs: clockMark,
  allocations: fc.array(held, { maxLength: 3 }),
});

const state = fc.constantFrom("open", "closing", "closed");

const standing: fc.Arbitrary<AllocationStanding> = fc
  .tuple(
    inherited,
    fc.record({
      allocationId: id,
      epoch: count,
      state: maybe(state),
      grantedTotal: amounts,
      lease: maybe(lease),
      deadlineLeftMs: maybe(durationMs),
      pausesOver: maybe(fc.array(id, { minLength: 1, maxLength: 3 })),
    }),
  )
  .map(([from, one]) => ({ ...one, ...from }));

const lowBudget: fc.Arbitrary<LowBudget> = fc.record({
  allocationId: id,
  path,
  resource: fc.constantFrom(...CONSUMABLES),
  percent: fc.integer({ min: 1, max: 99 }),
  available: amount,
  limit: amount,
});

export const welcome: fc.Arbitrary<Welcome> = fc.record({
  welcomeId: id,
  instance: id,
  incarnation: id,
  allocations: fc.array(standing, { maxLength: 3 }),
});

export const report: fc.Arbitrary<UsageItem> = fc.record({
  allocationId: id,
  epoch: count,
  sequence: count,
  usage,
  state,
  final: fc.boolean(),
  returnedTotal: amounts,
  trace: maybe(trace),
});

export const ack: fc.Arbitrary<UsageAck> = fc.record({
  allocationId: id,
  sequence: count,
  lease: maybe(lease),
  directive: maybe(fc.constantFrom("THROTTLE", "PAUSE", "STOP", "LOW_BUDGET")),
  reason: text,
  final: fc.boolean(),
  error: maybe(itemError),
  lowBudget: maybe(lowBudget),
  stop: maybe(fc.record({ preemptionId: id, graceMs: fc.integer({ min: 0, max: LIMITS.graceMsMax }) })),
});

/** A status codec that keeps the errors it packed, by number. */
export function rememberingStatuses(): StatusCodec {
  const packed: ReturnType<StatusCodec["unpack"]>[] = [];
  return {
    pack: (error) => {
      packed.push(error);
      const message: Status = {
        $typeName: "google.rpc.Status",
        code: packed.length,
        message: error.message.toWellFormed(),
        details: [],
      };
      return throughBytes(StatusSchema, message);
    },
    unpack: ({ code }) => {
      const error = packed[code - 1];
      if (error === undefined) throw new Error(`status ${code} was never packed`);
      return error;
    },
  };
}
