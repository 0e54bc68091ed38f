/** For tests: a snapshot with a part of each kind, all its numbers different; its bytes on disk, and what the contract says they mean. */
import type { AllocationPart, Amount, EffectPart, SnapshotPart } from "#budget";

const n = (value: number) => value as Amount;
const amountsFrom = (first: number) => ({
  credits: n(first),
  toolCalls: n(first + 1),
  branches: n(first + 2),
  memoryBytes: n(first + 3),
});

function bookFrom(first: number) {
  return {
    elastic: false,
    limit: n(first),
    debt: n(first + 1),
    available: n(first + 2),
    reserved: n(first + 3),
    unconfirmed: n(first + 4),
    granted: n(first + 5),
    inDoubt: n(first + 6),
    spent: n(first + 7),
    overrun: n(first + 8),
    usage: n(first + 9),
  };
}

const allocation: AllocationPart = {
  type: "allocation",
  id: "a-1",
  forgotten: true,
  parent: 0,
  name: "step",
  path: "there/step",
  depth: 2,
  kind: "step",
  side: "delegated",
  priority: "HIGH",
  weight: 3,
  openedAtMs: 4,
  deadlineAtMs: 5,
  peer: "holder",
  token: "secret",
  pooled: ["toolCalls"],
  priorityBonus: n(6),
  emergencyReserve: n(7),
  policy: { strategy: "QUEUE_AND_WAIT", queueLengthMax: 8 },
  state: "closed",
  closingReason: "finished",
  closedAtMs: 9,
  epoch: 10,
  leaseTtlMs: 11,
  leaseEndsAtMs: 12,
  doubtful: true,
  grantedTotal: amountsFrom(20),
  returnedTotal: amountsFrom(24),
  usageSequence: 30,
  corrections: 31,
  uncorrected: 32,
  writtenOff: { credits: n(33), toolCalls: n(34), standing: "awaiting" },
  books: { credits: bookFrom(40), toolCalls: bookFrom(50) },
  held: {
    branches: { elastic: true, limit: n(60), inUse: n(61), peak: n(62) },
    memoryBytes: { elastic: false, limit: n(63), inUse: n(64), peak: n(65) },
  },
  tally: { networkBytes: 70, diskBytes: 71, gpuMs: 72, memoryPeakBytes: 73 },
  callsPerTool: [["search", 74]],
  holders: [["daemon", 75]],
  effectKeys: ["client\nr-1"],
};

const opening = { policy: {}, limits: { credits: n(80), durationMs: 81 }, grantedTotal: amountsFrom(82) };
const lease = { epoch: 86, leaseTtlMs: 87, partial: true };
const raising = { epoch: 90, by: amountsFrom(91), grantedTotal: amountsFrom(95), partial: false };

const effects: readonly EffectPart[] = [
  { type: "effect", kind: "call", fingerprint: 100, hold: 0, expiresAtMs: undefined },
  { type: "effect", kind: "opening", key: 0, fingerprint: 101, allocation: 0, answer: { ...opening, ...lease } },
  { type: "effect", kind: "raising", key: "client\nr-2", fingerprint: 102, allocation: 1, answer: raising },
  { type: "effect", kind: "waiting", waiter: 0 },
];

/** One of each kind but the end. */
export const ONE_OF_EACH: readonly SnapshotPart[] = [
  { type: "header", engineTimeMs: 70_000, waiterSequence: 1, lives: 2, uncorrected: 3, bootId: undefined },
  allocation,
  {
    type: "hold",
    id: "h-1",
    allocation: 0,
    what: "tool",
    name: "search",
    amounts: amountsFrom(110),
    clamped: true,
    state: "lapsed",
    expiresAtMs: 114,
    charged: { credits: n(115), toolCalls: n(116) },
    requestId: "r-3",
    effectKey: undefined,
  },
  {
    type: "waiter",
    parent: 0,
    effectKey: "client\nr-4",
    fingerprint: 120,
    untilMs: 121,
    request: {
      type: "raise",
      caller: "client",
      requestId: "r-4",
      allocationId: "a-1",
      epoch: 122,
      by: amountsFrom(123),
      min: amountsFrom(127),
      waitMs: 131,
      strategy: undefined,
    },
    // Not written when this was: then they came first.
    arrivedAtMs: 0,
    deadlineAtMs: undefined,
    sequence: 1,
  },
  { type: "ended", forgetAtMs: 140, hold: 0, allocation: undefined, id: undefined, effectKeys: [] },
  { type: "effect_keys", of: { allocation: 0 }, keys: ["client\nr-5"] },
  { type: "closed_children", allocation: 0, children: [1, 300] },
  {
    type: "reclaim",
    allocation: 0,
    ended: true,
    preemptionId: "p-1",
    mode: "SHRINK",
    reason: "more urgent",
    wanted: amountsFrom(150),
    reclaimed: amountsFrom(154),
  },
  { type: "note", allocation: 0, key: "routine", value: "…" },
  { type: "final_account", acknowledged: true, allocations: [2, 0] },
  ...effects,
  { type: "due", index: "leases", items: [1, 0, 2] },
];

const amountsJson = (first: number) => ({
  credits: `${first}`,
  toolCalls: `${first + 1}`,
  branches: `${first + 2}`,
  memoryBytes: `${first + 3}`,
});

const bookJson = (first: number) => ({
  limit: `${first}`,
  debt: `${first + 1}`,
  available: `${first + 2}`,
  reserved: `${first + 3}`,
  unconfirmed: `${first + 4}`,
  granted: `${first + 5}`,
  inDoubt: `${first + 6}`,
  spent: `${first + 7}`,
  overrun: `${first + 8}`,
  usage: `${first + 9}`,
});

export const ALLOCATION_JSON = {
  id: "a-1",
  parent: "0",
  name: "step",
  path: "there/step",
  depth: "2",
  kind: "ALLOCATION_KIND_STEP",
  side: "SIDE_DELEGATED",
  priority: "EXECUTION_PRIORITY_HIGH",
  weight: "3",
  openedAtMs: "4",
  deadlineAtMs: "5",
  peer: "holder",
  token: "secret",
  pooledToolCalls: true,
  priorityBonus: "6",
  emergencyReserve: "7",
  policy: { strategy: "CONFLICT_STRATEGY_QUEUE_AND_WAIT", queueLengthMax: "8" },
  state: "ALLOCATION_STATE_CLOSED",
  closingReason: "finished",
  closedAtMs: "9",
  lease: { epoch: "10", ttlMs: "11", endsAtMs: "12", doubtful: true },
  grantedTotal: amountsJson(20),
  returnedTotal: amountsJson(24),
  usage: {
    sequence: "30",
    corrections: "31",
    uncorrected: "32",
    writeOff: { credits: "33", toolCalls: "34", standing: "WRITE_OFF_STANDING_AWAITING" },
    networkBytes: "70",
    diskBytes: "71",
    gpuMs: "72",
    memoryPeakBytes: "73",
    callsPerTool: [{ name: "search", count: "74" }],
  },
  books: {
    credits: bookJson(40),
    toolCalls: bookJson(50),
    branches: { elastic: true, limit: "60", inUse: "61", peak: "62" },
    memoryBytes: { limit: "63", inUse: "64", peak: "65" },
  },
  holders: [{ name: "daemon", count: "75" }],
  effectKeys: ["client\nr-1"],
  forgotten: true,
};

export const EFFECTS_JSON = [
  { fingerprint: "100", hold: "0" },
  {
    fingerprint: "101",
    keyIndex: "0",
    opening: {
      policy: {},
      limits: { credits: "80", durationMs: "81" },
      grantedTotal: amountsJson(82),
      epoch: "86",
      leaseTtlMs: "87",
      partial: true,
    },
  },
  {
    fingerprint: "102",
    keyText: "client\nr-2",
    raising: { allocation: "1", epoch: "90", by: amountsJson(91), grantedTotal: amountsJson(95) },
  },
  { waiter: "0" },
];

/** What a snapshot has in the second format beside these: what has ended, as records of the engine. */
export const REMEMBERED: SnapshotPart = { type: "remembered", bytes: Uint8Array.of(3, 0, 0, 0, 5, 1, 0, 0) };

/** Parts that came later, when others gave way to those who wait. */
export const OF_CLAIMS: readonly SnapshotPart[] = [
  {
    type: "claim",
    waiter: 0,
    round: 2,
    givers: [{ allocationId: "a-1", preemptionId: "claim-1.2", mode: "STOP" }],
    lookAtMs: 160,
  },
  { type: "earmark", allocation: 0, key: "client\nr-4", amounts: amountsFrom(161) },
  { type: "history", allocationId: "a-2", arrivedAtMs: 165, preemptedAtMs: 166 },
];

/** Those on disk. */
export const OF_CLAIMS_BYTES =
  "8a011910021a120a03612d311209636c61696d2d312e32180320a00192011a120a636c69656e740a722d341a0c08a10110a20118a30120a4019a010b0a03612d3210a50118a601";

/** Such a part on disk. */
export const REMEMBERED_BYTES = "82010a0a080300000005010000";

/** The bytes of ONE_OF_EACH with its end, as any release reads them. */
export const FORMAT_1 = [
  "080110011a0a08f0a20410011802200322fb010a03612d3110001a0473746570220a74686572652f737465702802300538034003",
  "4803500458056206686f6c6465726a06736563726574780180010688010792010408051808980103a2010866696e6973686564a8",
  "0109b20108080a100b180c2001ba01080814101518162017c2010808181019181a201bca0122081e101f18202206082110221801",
  "28463047384840494a0a0a06736561726368104ad2013e0a1410281829202a282b302c382d402e482f5030583112141032183320",
  "3428353036383740384839503a583b1a080801103c183d203e2206103f18402041da010a0a066461656d6f6e104be2010a636c69",
  "656e740a722d31e801012a280a03682d31180222067365617263682a08086e106f187020713001380240724a03722d3358736074",
  "3242120a636c69656e740a722d3418782079322e0a06636c69656e741203722d341a03612d31207a2a08087b107c187d207e320b",
  "087f10800118810120820138830138013a05088c011000420e08001a0a636c69656e740a722d354a05120301ac02523210011a03",
  "702d3120012a0b6d6f726520757267656e74320c0896011097011898012099013a0c089a01109b01189c01209d015a0e1207726f",
  "7574696e651a03e280a662060801120202006a04086428006a1e08651800321812001a0408502851220808521053185420552856",
  "305738016a280866120a636c69656e740a722d323a180801105a1a08085b105c185d205e2208085f1060186120626a0240007207",
  "080212030100027a02080f",
].join("");
