/** What a daemon remembers of its decisions: once they are durable, bounded, by subject; and the same words for everybody. */
import { describe, expect, it } from "vitest";
import {
  type Allocation,
  type BudgetState,
  type GrantWish,
  type Limits,
  type OpenWish,
  type Outcome,
  type Policy,
  placeWords,
  requestStandings,
  type ShadowVerdict,
  shadowWords,
  waitingAt,
  wordsOf,
} from "#budget";
import { FaultError } from "#errors";
import { MemoryDisk } from "#journal";
import { LIMITS } from "#std";
import type { Decision } from "./decision-log.ts";
import { ShadowCounts } from "./decision-shadows.ts";
import { errorOfOutcome } from "./refusal-error.ts";
import { some, Tier } from "./testing/tier.ts";
import { VirtualClock } from "./testing/virtual-clock.ts";

const CONTEXT = { tier: "coordination", errorId: "error-1", onOwn: false } as const;

async function tierWith(policy: Policy = {}, credits = 1_000): Promise<Tier> {
  const tier = new Tier(new VirtualClock(), new MemoryDisk({ journalId: "journal-1", syncs: "when-told" }), {
    checkInvariants: false,
  });
  tier.syncMs = 0;
  await tier.run({ type: "open_root", allocationId: "acme", name: "acme", limits: { credits } as Limits, policy });
  return tier;
}

function wish(requestId: string, credits: number, more: Partial<OpenWish> = {}): OpenWish {
  return {
    type: "open",
    caller: "ann",
    requestId,
    allocationId: `id-of-${requestId}`,
    token: undefined,
    parentId: "acme",
    name: requestId,
    kind: "run",
    limits: { credits } as Limits,
    min: some({ credits }),
    pooled: [],
    priority: "HIGH",
    weight: 1,
    policy: {},
    byHolder: false,
    holder: undefined,
    leaseTtlMs: 0,
    waitMs: 0,
    strategy: undefined,
    ...more,
  };
}

const grant = (of: GrantWish) => ({ type: "grant", wish: of }) as const;

function told({ loop: { decisions } }: Tier, text: string, allocationId?: string): string[] {
  return decisions.find({ text, allocationId }, 32).map(({ record }) => `${record.verdict.decided} ${wordsOf(record)}`);
}

it("one who waits is told how often one was served of late, where no deadline says when; in the same words everywhere", async () => {
  const tier = await tierWith({ strategy: "QUEUE_AND_WAIT" });
  const ask = (id: string) => tier.run(grant(wish(id, 1_000, { waitMs: 600_000 })));
  const placeOf = (outcome: Outcome) => (outcome.type === "queued" ? placeWords(outcome.conflict) : outcome.type);
  const queue = "under QUEUE_AND_WAIT (its own)";
  for (const id of ["r-0", "r-1", "r-2"]) await ask(id);
  expect(placeOf(await ask("r-3"))).toBe(`it waits at place 3 ${queue}; nobody knows when something changes`);
  for (const id of ["r-0", "r-1"]) {
    await tier.clock.advance(4_000);
    await tier.run({ type: "close", allocationId: `id-of-${id}`, reason: "over" });
  }
  const said = `it waits at place 2 ${queue}; of late one was served every 4 s: about 8 s at place 2`;
  const outcome = await ask("r-4");
  expect(placeOf(outcome)).toBe(said);
  expect(outcome).toMatchObject({ conflict: { expectedWaitMs: 8_000, servedEveryMs: 4_000, retryAfterMs: 1_000 } });
  expect(told(tier, "r-4")).toEqual([expect.stringContaining(said)]);
  const { loop } = tier;
  const reading = loop.read((state, nowMs) => {
    const listing = { nowMs, listed: 8, servedEveryMs: loop.decisions.servedEvery(nowMs) };
    const [, last] = waitingAt(state, acmeOf(state), listing);
    expect(last && placeWords(last.conflict)).toBe(said);
    return requestStandings(state, "r-4", { ...listing, scanned: 0 });
  });
  await tier.clock.settle();
  const [standing] = await reading;
  expect(standing).toContain(said);
  // What is counted is forgotten with this life of the daemon, and nothing of it is in the books.
  tier.restart();
  await tier.clock.settle();
  expect(placeOf(await ask("r-4"))).toBe(`it waits at place 2 ${queue}; nobody knows when something changes`);
});

function acmeOf(state: BudgetState): Allocation {
  const found = state.allocations.get("acme");
  if (!found) throw new Error("there is no acme");
  return found;
}

describe("a decision is remembered", () => {
  it("with what was asked, of whom, by which strategy, and when", async () => {
    const tier = await tierWith({ strategy: "QUEUE_AND_WAIT" });
    await tier.run(grant(wish("r-1", 400)));
    const [decision] = tier.loop.decisions.find({ text: "r-1", allocationId: undefined }, 1);
    expect(decision?.record).toMatchObject({
      requestId: "r-1",
      allocationId: "id-of-r-1",
      path: "acme/r-1",
      parentPath: "acme",
      priority: "HIGH",
      asked: "a run with 400 credits, HIGH",
      verdict: { decided: "GRANTED", strategy: { name: "QUEUE_AND_WAIT", from: "own" } },
    });
    expect(told(tier, "r-1")).toEqual([
      "GRANTED granted in full: 400 credits, out of acme under QUEUE_AND_WAIT (its own)",
    ]);
  });

  it("only once it is durable, and before its caller hears of it", async () => {
    const tier = await tierWith();
    tier.syncMs = "by hand";
    const seen: string[][] = [];
    tier.loop.submit(grant(wish("r-1", 400)), () => seen.push(told(tier, "r-1")));
    await tier.clock.settle();
    expect([tier.disk.waiting, told(tier, "r-1")]).toEqual([1, []]);
    tier.disk.sync();
    expect(seen).toEqual([
      ["GRANTED granted in full: 400 credits, out of acme under FIRST_COME_FIRST_SERVED (by default)"],
    ]);
  });

  it("in part, with what is lacking", async () => {
    const tier = await tierWith();
    await tier.run(grant(wish("r-1", 1_500, { min: some({ credits: 10 }) })));
    expect(told(tier, "acme/r-1")).toEqual([
      "GRANTED_IN_PART granted in part: 1000 credits, 500 credits less than wanted, out of acme under FIRST_COME_FIRST_SERVED (by default)",
    ]);
  });

  it("refused in the words of the error", async () => {
    const tier = await tierWith();
    await tier.run(grant(wish("r-1", 900)));
    const outcome = await tier.run(grant(wish("r-2", 200)));
    const { message } = errorOfOutcome(outcome, CONTEXT);
    expect(told(tier, "r-2")).toEqual([`REFUSED ${message}`]);
    // Nothing came of it, and yet its path finds it; so does the node that was asked.
    expect(told(tier, "acme/r-2")).toEqual([`REFUSED ${message}`]);
    expect(told(tier, "acme", "acme")).toHaveLength(2);
  });

  it("when it waited, with its place and then how long", async () => {
    const tier = await tierWith({ strategy: "QUEUE_AND_WAIT" });
    await tier.run(grant(wish("r-1", 900)));
    await tier.run(grant(wish("r-2", 200, { waitMs: 5_000 })));
    // The same request again is told its place, which is no new decision.
    await tier.run(grant(wish("r-2", 200, { waitMs: 5_000 })));
    await tier.clock.advance(300);
    await tier.run({ type: "close", allocationId: "id-of-r-1", reason: "over" });
    expect(told(tier, "r-2")).toEqual([
      expect.stringContaining("it waits at place 1 under QUEUE_AND_WAIT (its own)"),
      "GRANTED granted in full after waiting 300 ms: 200 credits, out of acme under QUEUE_AND_WAIT (its own)",
    ]);
    expect(tier.loop.decisions.latest("r-2")?.record.asked).toContain("willing to wait 5000 ms");
  });

  it("when it waited in vain", async () => {
    const tier = await tierWith({ strategy: "QUEUE_AND_WAIT" });
    await tier.run(grant(wish("r-1", 900)));
    await tier.run(grant(wish("r-2", 200, { waitMs: 500 })));
    await tier.clock.advance(1_000);
    expect(told(tier, "r-2").at(-1)).toMatch(
      /^REFUSED .*; it waited \d+ ms under QUEUE_AND_WAIT .*, and may not wait longer/,
    );
  });

  it("of calls only what is refused, and not where the allocation draws from above", async () => {
    const tier = await tierWith();
    const reserve = (allocationId: string, requestId: string, credits: number) => {
      const call = { what: "model", name: "gpt", ttlMs: 1_000, holdId: `hold-${requestId}` } as const;
      const wanted = some({ credits });
      return tier.run({ type: "reserve", allocationId, requestId, wanted, min: wanted, ...call });
    };
    await tier.run(grant(wish("r-1", 50)));
    await reserve("id-of-r-1", "c-1", 10);
    const outcome = await reserve("id-of-r-1", "c-2", 70);
    expect(told(tier, "c-1")).toEqual([]);
    expect(told(tier, "c-2")).toEqual([`REFUSED ${errorOfOutcome(outcome, CONTEXT).message}`]);
    await tier.run(grant(wish("r-2", 0, { limits: {}, min: some({}), pooled: ["credits"] })));
    await reserve("id-of-r-2", "c-3", 5_000);
    expect(told(tier, "c-3")).toEqual([]);
  });

  it("of people: limits, preemption", async () => {
    const tier = await tierWith();
    await tier.run(grant(wish("r-1", 500)));
    const allocationId = "id-of-r-1";
    const change = { caller: "bob", requestId: "u-1", allocationId, limits: { credits: 300 } as Limits } as const;
    await tier.run({ type: "update_limits", ...change });
    const reclaim = { preemptionId: "p-1", allocationId, epoch: undefined, amounts: some({ credits: 100 }) } as const;
    await tier.run({ type: "reclaim", ...reclaim, mode: "SHRINK", reason: "for the demo" });
    expect(told(tier, allocationId, allocationId).slice(1)).toEqual([
      "LIMITS_CHANGED limits changed: credits 500 → 300",
      "PREEMPTED preempted (SHRINK) by p-1: 100 credits came back, all that was wanted; for the demo",
    ]);
  });
});

it("who is asked below to give back for somebody else finds by whom and why", async () => {
  const tier = await tierWith();
  await tier.run(grant(wish("swarm", 500)));
  const parentId = "id-of-swarm";
  await tier.run(grant(wish("r-1", 500, { parentId, holder: "process-1", leaseTtlMs: 5_000 })));
  const reclaim = { preemptionId: "p-1", allocationId: parentId, epoch: undefined, amounts: some({ credits: 60 }) };
  await tier.run({ type: "reclaim", ...reclaim, mode: "SHRINK", reason: "for the demo" });
  expect(told(tier, "swarm/r-1").at(-1)).toMatch(
    /^PREEMPTED preempted \(SHRINK\) by p-1\/.*: nothing came back, 60 credits still wanted; for the demo$/,
  );
  expect(told(tier, "p-1")).toEqual([
    "PREEMPTED preempted (SHRINK) by p-1: nothing came back, 60 credits still wanted, asked of 1 held elsewhere; for the demo",
  ]);
});

it("work that stands still for others, and goes on, finds both, with mode and reason", async () => {
  const tier = await tierWith({ strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0 } });
  await tier.run(grant(wish("low", 1_000, { priority: "LOW" })));
  const call = { what: "model", name: "gpt", ttlMs: 60_000, holdId: "hold" } as const;
  const wanted = some({ credits: 800 });
  await tier.run({ type: "reserve", allocationId: "id-of-low", requestId: "c", wanted, min: wanted, ...call });
  await tier.run(grant(wish("high", 600, { waitMs: 60_000 })));
  const why = "LOW below HIGH; paused, its 0 % done are kept";
  expect(told(tier, "low").at(-1)).toBe(
    `PREEMPTED preempted (PAUSE) by claim-1.1: 200 credits came back, 800 credits still wanted; ${why}`,
  );
  const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0, final: true };
  await tier.run({ type: "settle", allocationId: "id-of-low", holdId: "hold", ...some({ credits: 250 }), ...facts });
  expect(told(tier, "low").at(-1)).toBe(
    `PREEMPTED preempted (PAUSE) by claim-1.1: 750 credits came back, all that was wanted; ${why}`,
  );
  await tier.run({ type: "close", allocationId: "id-of-high", reason: "over" });
  expect(told(tier, "low").at(-1)).toBe("RESUMED goes on: 750 credits that it gave are back");
});

it("what is reserved ahead, refused and taken back is found by its id, its request and its node", async () => {
  const tier = await tierWith();
  const reserve = (reservationId: string, credits: number) =>
    tier.run({
      type: "reserve_ahead",
      caller: "ann",
      requestId: `request-${reservationId}`,
      reservationId,
      allocationId: "acme",
      name: "nightly",
      amounts: some({ credits }),
      startsInMs: 60_000,
      lastsMs: 5_000,
      priority: "NORMAL",
    });
  await reserve("v-1", 700);
  await reserve("v-1", 700);
  const refused = await reserve("v-2", 400);
  await tier.run({ type: "cancel_reservation", reservationId: "v-1" });
  expect(told(tier, "v-1")).toEqual([
    "RESERVED reserved as nightly (v-1): 700 credits from in 60000 ms on, for 5000 ms",
    "RESERVATION_ENDED reservation v-1 is over: it was cancelled, and 700 credits of it are free again",
  ]);
  expect(told(tier, "v-2")).toEqual([`REFUSED ${errorOfOutcome(refused, CONTEXT).message}`]);
  expect(told(tier, "request-v-2")).toHaveLength(1);
  const [, second] = tier.loop.decisions.find({ text: "acme", allocationId: "acme" }, 9);
  expect(second?.record.asked).toBe("a reservation nightly of 400 credits, in 60000 ms, for 5000 ms");
  await reserve("v-3", 400);
  await tier.clock.advance(70_000);
  expect(told(tier, "v-3").at(-1)).toMatch(/^RESERVATION_ENDED .*: its time is over, and 400 credits of it/);
});

it("who is topped up where budget is divided by weight finds with how much", async () => {
  const tier = await tierWith({ strategy: "PROPORTIONAL_SHARING" });
  await tier.run(grant(wish("one", 1_000, { min: some({ credits: 10 }) })));
  await tier.run(grant(wish("two", 1_000, { min: some({ credits: 10 }) })));
  await tier.run({ type: "close", allocationId: "id-of-two", reason: "over" });
  expect(told(tier, "one").at(-1)).toBe("TOPPED_UP topped up: 500 credits more, for its share of acme is larger now");
});

describe("the memory is bounded", () => {
  it("one who is refused again and again makes nobody forget the others", async () => {
    const tier = await tierWith();
    await tier.run(grant(wish("r-1", 900)));
    await tier.run(grant(wish("small", 101)));
    for (let n = 0; n < 100; n += 1) await tier.run(grant(wish(`again-${n}`, 200, { name: "stubborn" })));
    expect(told(tier, "stubborn")).toHaveLength(LIMITS.refusalsPerSubjectKept);
    expect(told(tier, "small")).toHaveLength(1);
    const { noted, forgotten } = tier.loop.decisions.memory;
    expect({ noted, forgotten }).toEqual({ noted: 102, forgotten: 100 - LIMITS.refusalsPerSubjectKept });
  });

  it("the oldest grants go first, and the latest are found", async () => {
    const tier = await tierWith({}, 1_000_000);
    const many = LIMITS.decisionsKept + 10;
    const commands = Array.from({ length: many }, (_, n) => grant(wish(`r-${n}`, 1)));
    tier.loop.submitAll(commands, () => undefined);
    await tier.clock.settle();
    expect(tier.loop.decisions.memory).toEqual({ noted: many, forgotten: 10 });
    expect(told(tier, "r-9")).toEqual([]);
    expect(told(tier, "r-10")).toHaveLength(1);
    expect(tier.loop.decisions.latest(`r-${many - 1}`)?.record.path).toBe(`acme/r-${many - 1}`);
  });

  it("a restart forgets it", async () => {
    const tier = await tierWith();
    await tier.run(grant(wish("r-1", 900)));
    tier.restart();
    await tier.clock.settle();
    expect(told(tier, "r-1")).toEqual([]);
    expect(tier.loop.decisions.memory.noted).toBe(0);
  });
});

it("a follower is told every decision, closings included, until it leaves", async () => {
  const tier = await tierWith();
  const heard: string[] = [];
  const hear = ({ record }: Decision) => heard.push(`${record.path} ${record.verdict.decided}`);
  const leave = tier.loop.decisions.follow(hear);
  await tier.run(grant(wish("r-1", 900)));
  await tier.run(grant(wish("r-2", 900)));
  await tier.run({ type: "close", allocationId: "id-of-r-1", reason: "over" });
  leave();
  await tier.run(grant(wish("r-3", 900)));
  expect(heard).toEqual(["acme/r-1 GRANTED", "acme/r-2 REFUSED", "acme/r-1 CLOSING", "acme/r-1 CLOSED"]);
});

describe("a policy that is tried", () => {
  const policy: Policy = { strategy: "FIRST_COME_FIRST_SERVED", shadow: { strategy: "QUEUE_AND_WAIT" } };

  it("is told beside the decision, in the words of the error's details", async () => {
    const tier = await tierWith(policy);
    await tier.run(grant(wish("r-1", 900)));
    const outcome = await tier.run(grant(wish("r-2", 200, { waitMs: 5_000 })));
    const error = errorOfOutcome(outcome, CONTEXT);
    const [decision] = tier.loop.decisions.find({ text: "r-2", allocationId: undefined }, 1);
    const words = decision?.record.shadow && shadowWords(decision.record.shadow);
    expect(words).toBe(
      "shadow QUEUE_AND_WAIT (its own): would have waited at place 1: INSUFFICIENT_CREDITS: acme has 100 credits free of the 200 wanted; held by acme/r-1 (900); nobody knows when something changes",
    );
    expect(error instanceof FaultError && error.error.shadow).toBe(words);
    expect(error.message).not.toContain("shadow");
  });

  it("is counted where it was asked, by what it was and would have been", async () => {
    const tier = await tierWith(policy);
    const { decisions } = tier.loop;
    expect(decisions.shadowAt("acme")).toBeUndefined();
    await tier.run(grant(wish("r-1", 900)));
    for (const id of ["r-2", "r-3"]) await tier.run(grant(wish(id, 200, { waitMs: 5_000 })));
    await tier.run(grant(wish("r-4", 200)));
    expect(decisions.shadowAt("acme")).toBe(
      "shadow QUEUE_AND_WAIT (its own): of 4 requests decided here since this daemon started 2 would have been as they were, 2 otherwise: 2 refused that it would have queued",
    );
    // Another one that is tried is counted anew.
    const tried = { ...policy, shadow: { strategy: "PRIORITY_BASED" } } as const;
    await tier.run({ type: "set_limits", allocationId: "acme", limits: { credits: 1_000 } as Limits, policy: tried });
    await tier.run(grant(wish("r-5", 10)));
    expect(decisions.shadowAt("acme")).toBe(
      "shadow PRIORITY_BASED (its own): of 1 request decided here since this daemon started 1 would have been as it was, 0 otherwise",
    );
  });

  it("of so many nodes", async () => {
    const counts = new ShadowCounts();
    const verdict = { would: "QUEUED", was: "REFUSED", agrees: false } as unknown as ShadowVerdict;
    const strategy = { name: "QUEUE_AND_WAIT", from: "own", path: "" } as const;
    for (let n = 0; n <= LIMITS.shadowNodesKept; n += 1) counts.note(`node-${n}`, { ...verdict, strategy });
    expect(counts.wordsAt("node-0")).toBeUndefined();
    expect(counts.wordsAt("node-1")).toBeDefined();
  });
});
