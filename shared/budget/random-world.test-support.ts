/**
 * A world of random commands for the property tests. An instruction is a name and three numbers that are read against the state as it
 * then is, so that most commands make sense and every sequence can be shrunk.
 */
import type { Access } from "./access.ts";
import { amount } from "./amount.ts";
import { freeAt } from "./nothing-stuck.test-support.ts";
import { type Policy, PRIORITIES, STRATEGIES } from "./policy.ts";
import { acknowledge, lateAccount, report, returned, writeOff, writeOffBelow } from "./random-holders.test-support.ts";
import { type Consumable, RESOURCES, type Resource } from "./resource.ts";
import { type LimitNumbers, limits, some } from "./scenario.test-support.ts";
import type { Allocation } from "./state.ts";
import { type Op, part, pick, type World } from "./world.test-support.ts";

export { World } from "./world.test-support.ts";

const POLICIES: readonly Policy[] = [
  {},
  { strategy: "QUEUE_AND_WAIT" },
  { strategy: "QUEUE_AND_WAIT", queueLengthMax: 4 },
  { strategy: "QUEUE_AND_WAIT", agingStepMs: 200 },
  { strategy: "PRIORITY_BASED" },
  { strategy: "PRIORITY_BASED", agingStepMs: 5_000 },
  { strategy: "PREEMPTION_ALLOWED" },
  { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0, coolDownMs: 2_000, graceMs: 1_000 } },
  { strategy: "PREEMPTION_ALLOWED", preemption: { worst: "SHRINK", protectMs: 0, victimsPerRoundMax: 1 } },
  { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0, coolDownMs: 0, victimsPerRoundMax: 1 } },
  { strategy: "PROPORTIONAL_SHARING" },
  { strategy: "PROPORTIONAL_SHARING", requestMayChoose: true },
  { requestMayChoose: true },
  {
    strategy: "PREEMPTION_ALLOWED",
    preemption: { worst: "PAUSE", protectMs: 0, coolDownMs: 0, victimsPerRoundMax: 2 },
  },
  { strategy: "PREEMPTION_ALLOWED", preemption: { worst: "PAUSE", protectMs: 0, coolDownMs: 2_000, graceMs: 0 } },
  {
    strategy: "PREEMPTION_ALLOWED",
    preemption: { worst: "STOP", protectMs: 0, coolDownMs: 0, worthPercentMin: 0 },
    requestMayChoose: true,
  },
  { strategy: "PRIORITY_BASED", shadow: { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0 } } },
  {
    strategy: "PREEMPTION_ALLOWED",
    preemption: { protectMs: 0, worst: "PAUSE" },
    shadow: { strategy: "PROPORTIONAL_SHARING" },
  },
  { strategy: "QUEUE_AND_WAIT", shadow: { strategy: "PRIORITY_BASED", agingStepMs: 100 } },
  { strategy: "PROPORTIONAL_SHARING", shadow: { strategy: "QUEUE_AND_WAIT", queueLengthMax: 1 } },
];
const CHOSEN = ["QUEUE_AND_WAIT", "PREEMPTION_ALLOWED", "PRIORITY_BASED"] as const;
const somePolicy = (n: number): Policy => pick(POLICIES, n) ?? {};
const WAITS_MS = [0, 60, 8_000, 35_000, 700_000, 700_000];
const someWaitMs = (n: number): number => pick(WAITS_MS, n) ?? 0;

const ACCESS: readonly (readonly Access[])[] = [
  [{ name: "browser", mode: "EXCLUSIVE" }],
  [{ name: "browser", mode: "SHARED" }],
  [
    { name: "db", mode: "EXCLUSIVE" },
    { name: "browser", mode: "SHARED" },
  ],
  [{ name: "db", mode: "SHARED" }],
  [{ name: "t", mode: "EXCLUSIVE" }],
];

const POOLED: readonly (readonly Consumable[])[] = [["credits"], ["toolCalls"], ["credits", "toolCalls"]];
const somePooled = (n: number): readonly Consumable[] => POOLED[n] ?? [];

/** Limits of which some are absent, that is unlimited where the parent allows it. */
function someLimits(a: number, b: number, times = 1): Partial<Record<Resource | "durationMs", number>> {
  const branches = part(a, 100, 3) * times;
  const all = { credits: (a % 100) * times, toolCalls: (b % 8) * times, branches, memoryBytes: part(b, 8, 60) * times };
  const kept = Object.entries(all).filter((_, i) => part(a + b, 3 ** i, 6) !== 0);
  return { ...Object.fromEntries(kept), ...(part(b, 7, 19) === 0 ? { durationMs: part(a, 5, 40_000) } : {}) };
}

/** Parts carved inside the credits; most carve none, and some too much. */
function someCarve(n: number, credits: number | undefined): LimitNumbers {
  if (n % 3 > 0) return {};
  const carved = (at: number, of: number) => Math.floor(((credits ?? 0) * part(n, at, of)) / 9);
  return { priorityBonus: carved(3, 4), emergencyReserve: carved(12, 4), wrapUpReserve: carved(48, 3) };
}

/** Most want no names. */
function someAccess(n: number): { readonly access?: readonly Access[] } {
  const wanted = ACCESS[n];
  return wanted ? { access: wanted } : {};
}

function atLeast(numbers: { readonly [R in Resource]?: number }, c: number) {
  return { credits: Math.floor(((numbers.credits ?? 0) * (c % 4)) / 3), toolCalls: numbers.toolCalls ?? 0 };
}

const account: Op = (w, a, b, c) => {
  if (w.s.state.roots.size >= 3) return;
  const allocationId = w.s.id("account");
  const { durationMs, ...numbers } = someLimits(a, b, 12);
  const carve = numbers.credits === undefined ? {} : someCarve(part(c, 13, 600), numbers.credits);
  const whole = limits({ ...numbers, ...carve });
  w.run({ type: "open_root", allocationId, name: allocationId, limits: whole, policy: somePolicy(c) });
};

const receive: Op = (w, a, b, c) => {
  if (w.s.state.roots.size >= 3) return;
  const { durationMs, ...stated } = someLimits(a, b, 12);
  const numbers = { ...stated, ...(stated.credits === undefined ? {} : someCarve(part(b, 17, 600), stated.credits)) };
  const leaseMs = (c % 3 === 0 ? 50 : 3_000_000) * (1 + part(c, 3, 100));
  w.run(w.s.receiving(numbers, { leaseMs, policy: somePolicy(c) }));
};

const open: Op = (w, a, b, c) => {
  const parent = w.one("keeper", c);
  if (!parent) return;
  const asked = someLimits(a, b);
  const delegated = part(c, 8, 3) === 0;
  const opening = {
    kind: part(c, 24, 5) === 0 ? "account" : "run",
    limits: { ...asked, ...someCarve(part(b, 23, 600), asked.credits) },
    min: atLeast(asked, part(c, 3, 4)),
    policy: somePolicy(part(c, 120, 8)),
    waitMs: someWaitMs(part(a, 11, 7)),
    priority: pick(PRIORITIES, part(b, 5, 11)) ?? "NORMAL",
    byHolder: delegated && part(c, 5, 4) === 0,
    pooled: somePooled(part(a, 17, 12)),
    strategy: part(b, 13, 6) === 0 ? pick(CHOSEN, part(b, 91, 3)) : undefined,
    ...someAccess(part(a, 29, 24)),
    ...someAttempt(w, part(c, 37, 4), a),
    ...(parent.wrapUpReserve > 0 && part(c, 31, 2) === 0 ? { wrapUp: true as const } : {}),
  } as const;
  const holder = delegated ? { holder: "holder", caller: "holder" } : {};
  const reserved = someReservation(parent, part(b, 17, 3));
  w.run({ type: "grant", wish: w.s.openWish(parent.id, { ...opening, ...holder, ...reserved }) });
};

/** One of three uses what is reserved at its parent, where something is. */
function someReservation(parent: Allocation, n: number): { readonly reservationId?: string } {
  const [reservationId] = parent.waiters.reservations.keys();
  return n > 0 || reservationId === undefined ? {} : { reservationId };
}

/** One of four is the next attempt of something that was preempted, where something was. */
function someAttempt(w: World, n: number, a: number): { readonly attemptOf?: string } {
  const [attemptOf] = pick(w.s.state.victims.histories(), a) ?? [];
  return n > 0 || attemptOf === undefined ? {} : { attemptOf };
}

const reserveAhead: Op = (w, a, b, c) => {
  const node = w.one("keeper", c);
  if (!node) return;
  const asked = { credits: a % 40, toolCalls: b % 3, branches: part(a, 40, 3), memoryBytes: part(b, 3, 20) };
  const limited = RESOURCES.filter((resource) => Number.isFinite(freeAt(node, resource)));
  const amounts = some(Object.fromEntries(limited.map((resource) => [resource, asked[resource]])));
  const [first] = node.waiters.reservations.keys();
  w.run({
    type: "reserve_ahead",
    caller: "person",
    requestId: w.s.id("ahead"),
    reservationId: w.s.id("reservation"),
    allocationId: node.id,
    name: `n${a % 3}`,
    amounts,
    startsInMs: pick([0, 0, 60, 5_000, 30_000], part(c, 7, 5)) ?? 0,
    lastsMs: pick([1, 60, 5_000, 40_000], part(c, 35, 4)) ?? 1,
    priority: part(b, 60, 5) === 0 ? "HIGH" : "LOW",
    ...(first !== undefined && part(a, 120, 4) === 0 && { afterId: first }),
  });
};

const cancelReservation: Op = (w, a) => {
  const { reservations } = w.s.state;
  const one = pick([...reservations.standing()], a) ?? pick([...reservations.over()], a)?.reservation;
  if (one) w.run({ type: "cancel_reservation", reservationId: one.id });
};

const raise: Op = (w, a, b, c) => {
  const node = w.one("child", c);
  if (!node) return;
  const by = { credits: a % 60, toolCalls: b % 4, branches: part(a, 60, 2), memoryBytes: part(b, 4, 30) };
  const caller = node.side === "delegated" && part(c, 7, 9) > 0 ? "holder" : "client";
  const waitMs = someWaitMs(part(b, 11, 7));
  const reserved = node.parent ? someReservation(node.parent, part(b, 17, 3)) : {};
  w.run({ type: "grant", wish: w.s.raiseWish(node.id, { by, min: atLeast(by, c), caller, waitMs, ...reserved }) });
};

const setLimits: Op = (w, a, b, c) => {
  const node = w.one("local", c);
  if (!node) return;
  const { durationMs, ...numbers } = someLimits(a, b, 8);
  const all = { credits: 300, toolCalls: 20, branches: 6, memoryBytes: 200, ...numbers };
  const limited = RESOURCES.filter((resource) => Number.isFinite(freeAt(node, resource)));
  const plain = Object.fromEntries(limited.map((resource) => [resource, all[resource]]));
  const set = { ...plain, ...someCarve(part(c, 29, 600), limited.includes("credits") ? all.credits : undefined) };
  const policy = part(c, 6, 3) === 0 ? somePolicy(c) : node.policy;
  w.run({ type: "set_limits", allocationId: node.id, limits: limits(set), policy });
};

const updateLimits: Op = (w, a, b, c) => {
  const node = w.one("any", c);
  if (!node) return;
  const asked = Object.entries(someLimits(a, b, part(c, 5, 3) === 0 ? 8 : 1)).filter(
    (_, i) => part(c, 2 ** i, 2) === 0,
  );
  const wanted =
    part(b, 5, 3) === 0
      ? { ...Object.fromEntries(asked), durationMs: 1 + part(a, 3, 90_000) }
      : Object.fromEntries(asked);
  const requestId = w.s.id("update");
  const all = limits({ ...wanted, ...someCarve(part(b, 29, 600), node.books.credits.limit) });
  const strategy = part(c, 41, 4) === 0 ? ([...STRATEGIES, "INHERITED"] as const)[part(c, 37, 6)] : undefined;
  const policy = strategy === undefined ? {} : { strategy };
  w.run({ type: "update_limits", caller: "person", requestId, allocationId: node.id, limits: all, ...policy });
};

const close: Op = (w, a) => {
  const node = w.one(a % 5 === 0 ? "any" : "child", a);
  if (node && (node.parent || a % 9 === 0)) w.run({ type: "close", allocationId: node.id, reason: "finished" });
};

const note: Op = (w, a, b) => {
  const node = w.one("any", a);
  if (node) w.run({ type: "attach_note", allocationId: node.id, key: `k${b % 20}`, value: `v${a % 3}` });
};

const cancelRequest: Op = (w, a) => {
  const command = pick([...w.queued.values()], a);
  if (command?.type !== "grant") return;
  w.run({ type: "cancel_request", caller: command.wish.caller, requestId: command.wish.requestId });
};

const reserve: Op = (w, a, b, c) => {
  const node = w.one("keeper", c);
  if (!node) return;
  const wanted = {
    credits: a % 30,
    toolCalls: b % 3,
    branches: part(a, 30, 8) === 0 ? 1 : 0,
    memoryBytes: part(b, 3, 15),
  };
  const min = part(c, 9, 2) === 0 ? wanted : atLeast(wanted, b);
  w.s.id("step");
  const [requestId, holdId] = [w.s.id("call"), w.s.id("hold")];
  const ids = {
    type: "reserve",
    allocationId: node.id,
    requestId,
    holdId,
    what: "tool",
    name: `tool${b % 3}`,
  } as const;
  w.run({ ...ids, wanted: some(wanted), min: some(min), ttlMs: 1 + part(a, 7, 20_000) });
};

/** A call in flight or over: whose it is, and what was set aside for it. */
function callOf(w: World, id = "") {
  const { holds, ended } = w.s.state;
  const hold = holds.get(id);
  if (hold) return { id, allocationId: hold.allocation.id, ...hold.amounts };
  const call = ended.call(id);
  return call && { id, allocationId: call.allocationId, credits: call.credits, toolCalls: call.charged.toolCalls };
}

const extend: Op = (w, a, b) => {
  const holdId = w.holdId(a);
  const allocationId = callOf(w, holdId)?.allocationId;
  if (holdId && allocationId) w.run({ type: "extend", allocationId, holdId, ttlMs: 1 + (b % 20_000) });
};

const settle: Op = (w, a, b, c) => {
  const hold = callOf(w, w.holdId(a));
  if (!hold) return;
  // A third each below, at and above what was set aside.
  const scale = (x: number, n: number) => Math.floor((x * [0, 1, 2, 3, 3, 5][n % 6]!) / 3) + (n % 7 === 6 ? 40 : 0);
  const [credits, toolCalls] = [amount(scale(hold.credits, b)), amount(scale(hold.toolCalls, c))];
  const facts = { networkBytes: b % 9, diskBytes: 0, gpuMs: 0, memoryPeakBytes: c % 900 };
  const which = { type: "settle", allocationId: hold.allocationId, holdId: hold.id, final: c % 3 > 0 } as const;
  w.run({ ...which, credits, toolCalls, ...facts });
};

const release: Op = (w, a) => {
  const hold = callOf(w, w.holdId(a));
  if (hold) w.run({ type: "release", allocationId: hold.allocationId, holdId: hold.id });
};

const receiveLimit: Op = (w, a, b, c) => {
  const node = w.one("received", a);
  if (!node) return;
  const { credits, toolCalls, branches, memoryBytes } = node.grantedTotal;
  const up = {
    credits: credits + (b % 90),
    toolCalls: toolCalls + (c % 4),
    branches: branches + (b % 3),
    memoryBytes: memoryBytes + (c % 40),
  };
  const grantedTotal = some(c % 4 === 0 ? { credits: Math.floor(credits / 2) } : up);
  const deadlineLeftMs = part(a, 13, 4) === 0 ? part(b, 9, 60_000) : undefined;
  w.run({ type: "receive_limit", allocationId: node.id, epoch: c % 19 === 0 ? 2 : 1, grantedTotal, deadlineLeftMs });
};

const returnSurplus: Op = (w, a, b) => {
  const node = w.one("received", a);
  if (node) w.run({ type: "return_surplus", allocationId: node.id, keep: some({ credits: b % 100, branches: b % 2 }) });
};

const renew: Op = (w, a, b) => {
  const node = w.one("received", a);
  if (node) w.run({ type: "renew_lease", allocationId: node.id, epoch: 1, endsAtMs: w.s.nowMs + (b % 30_000) });
};

const reclaim: Op = (w, a, b, c) => {
  const node = w.one(a % 3 === 0 ? "received" : "child", a);
  if (!node) return;
  const known = c % 5 === 0 ? pick(w.preemptions, b) : undefined;
  const { preemptionId, allocationId } = known ?? { preemptionId: w.s.id("preemption"), allocationId: node.id };
  w.preemptions.push({ preemptionId, allocationId });
  const amounts =
    c % 4 === 0 ? undefined : some({ credits: b % 200, toolCalls: c % 3, branches: b % 2, memoryBytes: c % 50 });
  const mode = c % 23 === 0 ? "STOP" : c % 7 === 0 ? "PAUSE" : "SHRINK";
  const graceMs = (b * 100) % 5_000;
  w.run({ type: "reclaim", preemptionId, allocationId, epoch: undefined, amounts, mode, reason: "test", graceMs });
};

/** Of a node that is paused, if there is one. */
const goOn: Op = (w, a) => {
  const paused = [...w.s.state.allocations.values()].filter(({ reclaims }) =>
    [...reclaims.values()].some(({ mode }) => mode === "PAUSE"),
  );
  const node = pick(paused, a);
  if (!node) return;
  const { id: allocationId, grantedTotal, reclaims } = node;
  if (node.side !== "received") {
    w.run({ type: "resume", caller: "person", requestId: w.s.id("resume"), allocationId });
    return;
  }
  const pausesOver = [...reclaims.keys()].slice(0, 1 + (a % 2));
  w.run({ type: "receive_limit", allocationId, epoch: 1, grantedTotal, pausesOver });
};

const cancelReclaim: Op = (w, a) => {
  const known = pick(w.preemptions, a);
  if (known) w.run({ type: "cancel_reclaim", ...known });
};

const wait: Op = (w, a) => {
  w.s.nowMs += pick([1, 30, 60, 60, 500, 500, 2_000, 6_000, 6_000, 33_000, 610_000], a) ?? 0;
  if (a % 5 > 0) w.run({ type: "tick" });
};

const restart: Op = (w, a) => {
  w.s.restart();
  if (a % 3 > 0) w.run({ type: "start" });
};

/** Each operation as often as it should come. */
export const OPS: readonly (readonly [Op, number])[] = [
  [account, 2],
  [receive, 2],
  [open, 14],
  [raise, 6],
  [reserveAhead, 4],
  [cancelReservation, 1],
  [setLimits, 2],
  [updateLimits, 4],
  [close, 4],
  [note, 1],
  [cancelRequest, 2],
  [reserve, 9],
  [extend, 1],
  [settle, 8],
  [release, 1],
  [report, 7],
  [writeOffBelow, 3],
  [writeOff, 5],
  [lateAccount, 4],
  [acknowledge, 2],
  [returned, 3],
  [receiveLimit, 1],
  [returnSurplus, 1],
  [renew, 1],
  [reclaim, 4],
  [goOn, 2],
  [cancelReclaim, 1],
  [wait, 6],
  [restart, 1],
];
const WEIGHTED = OPS.flatMap(([op, weight]) => Array.from({ length: weight }, () => op));

export interface Instruction {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export function follow(world: World, { op, a, b, c }: Instruction): void {
  pick(WEIGHTED, op)?.(world, a, b, c);
}
