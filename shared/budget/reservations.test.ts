/** Budget reserved for later: what is set aside when, who may use it, how it ends, and what stands in nobody's way. */
import { describe, expect, test } from "vitest";
import { conflictWords } from "./refusal-words.ts";
import { missingOf } from "./reservation.ts";
import { Reserver } from "./reserving.test-support.ts";
import { conflictOf, limits, refusalOf, some } from "./scenario.test-support.ts";

describe("credits and tool calls", () => {
  test("are set aside at once, and come out for whoever names the reservation after its beginning", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100, toolCalls: 10 });
    s.ahead(top, "r", { credits: 60, toolCalls: 4 }, { startsInMs: 1_000, lastsMs: 1_000 });
    expect(conflictOf(s.want(top, "big", { credits: 41 }))).toMatchObject({ available: 40 });
    expect(s.want(top, "small", { credits: 40 }).type).toBe("opened");
    s.wait(1_000);
    expect(s.want(top, "user", { credits: 50, toolCalls: 4 }, { reservationId: "r" }).type).toBe("opened");
    expect(s.left("r")).toEqual(some({ credits: 10 }));
    expect(refusalOf(s.want(top, "other", { credits: 1 }))).toMatchObject({ code: "conflict" });
    s.wait(1_000);
    expect(s.past("r")).toBe("lapsed");
    expect(s.want(top, "other", { credits: 10 }).type).toBe("opened");
  });

  test("are never taken from others: all or nothing", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100, toolCalls: 1 });
    s.open(top, { limits: { credits: 50 } });
    const refused = conflictOf(s.tryAhead(top, "r", { credits: 50, toolCalls: 2 }));
    expect(refused).toMatchObject({ conflict: "TOOL_LIMIT_REACHED", never: true });
    expect(conflictOf(s.tryAhead(top, "r", { credits: 51, toolCalls: 1 }))).toMatchObject({
      conflict: "INSUFFICIENT_CREDITS",
      available: 50,
      holders: [{ amount: 50 }],
    });
    s.ahead(top, "r", { credits: 50, toolCalls: 1 });
  });

  test("stand behind those who wait already and come before", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    s.open(top, { limits: { credits: 50 } });
    expect(s.want(top, "waits", { credits: 60 }, { waitMs: 60_000 }).type).toBe("queued");
    expect(s.tryAhead(top, "r", { credits: 10 }).type).toBe("refused");
  });

  test("an overrun that eats them is seen, and is made up for by what comes free next, before those who wait", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    const step = s.open(top, { limits: { credits: 40 } });
    s.ahead(top, "r", { credits: 60 });
    const hold = s.reserve(step, { wanted: { credits: 40 } });
    s.settle(hold, { credits: 70 });
    expect(s.missing("r")).toEqual(some({ credits: 30 }));
    expect(s.want(top, "waits", { credits: 5 }, { waitMs: 60_000 }).type).toBe("queued");
    s.raiseAccount(top, { credits: 120 });
    expect(s.missing("r")).toEqual(some({ credits: 10 }));
    s.raiseAccount(top, { credits: 135 });
    expect(s.missing("r")).toEqual(some());
    expect(s.told("waits")).toMatchObject({ type: "opened" });
  });
});

describe("branches and memory", () => {
  test("may be used until the beginning by work that has surely ended by then, and by no other", () => {
    const s = new Reserver();
    const top = s.account({ branches: 4 });
    s.ahead(top, "r", { branches: 3 }, { startsInMs: 10_000, lastsMs: 5_000 });
    expect(s.want(top, "forever", {}).type).toBe("opened");
    const refused = conflictOf(s.want(top, "too-long", {}, { limits: limits({ durationMs: 10_001 }) }));
    expect(refused).toMatchObject({ conflict: "CONCURRENCY_LIMIT_REACHED", reserved: { id: "r", amount: 3 } });
    expect(conflictWords(refused)).toContain("3 are reserved as name-r (r) from in 10000 ms on, for 5000 ms");
    expect(s.want(top, "short", {}, { limits: limits({ durationMs: 10_000 }) }).type).toBe("opened");
    s.wait(10_000);
    expect(s.node("short").state).toBe("closed");
    expect(s.want(top, "late", {}).type).toBe("refused");
    for (const name of ["a", "b", "c"]) expect(s.want(top, name, {}, { reservationId: "r" }).type).toBe("opened");
    expect(s.past("r")).toBe("used_up");
  });

  test("work that is there and runs past the beginning counts; the refusal says from when on there would be room", () => {
    const s = new Reserver();
    const top = s.account({ branches: 4 });
    s.open(top, { limits: { branches: 1, durationMs: 20_000 } });
    const refused = conflictOf(s.tryAhead(top, "r", { branches: 3 }, { startsInMs: 10_000 }));
    expect(refused).toMatchObject({ fitsInMs: 20_000, retryAfterMs: 20_000 });
    expect(conflictWords(refused)).toContain("it would fit if it began in 20000 ms");
    s.ahead(top, "r", { branches: 3 }, { startsInMs: 20_000 });
  });

  test("add up over time: what one has until its end another may have from then on", () => {
    const s = new Reserver();
    const top = s.account({ branches: 4 });
    s.ahead(top, "first", { branches: 3 }, { startsInMs: 1_000, lastsMs: 1_000 });
    s.ahead(top, "second", { branches: 3 }, { startsInMs: 2_000, lastsMs: 1_000 });
    expect(s.tryAhead(top, "third", { branches: 2 }, { startsInMs: 1_500, lastsMs: 100 }).type).toBe("refused");
    s.ahead(top, "third", { branches: 1 }, { startsInMs: 1_500, lastsMs: 1_000 });
    s.ahead(top, "fourth", { branches: 4 }, { startsInMs: 3_000, lastsMs: 1_000 });
    s.wait(1_000);
    // Who uses the first may run on only as long as it hurts nobody.
    const refused = conflictOf(s.want(top, "runs-on", { branches: 2 }, { reservationId: "first" }));
    expect(refused.resource).toBe("branches");
    const use = { reservationId: "first", limits: limits({ branches: 2, durationMs: 1_000 }) };
    expect(s.want(top, "ends", {}, use).type).toBe("opened");
  });

  test("what has not come back in time is missing, and goes there first", () => {
    const s = new Reserver();
    const top = s.account({ branches: 2 }, { strategy: "QUEUE_AND_WAIT" });
    const slow = s.open(top, { limits: { durationMs: 1_000 }, holder: "elsewhere" });
    s.ahead(top, "r", { branches: 2 }, { startsInMs: 1_000, lastsMs: 10_000 });
    s.wait(1_000);
    expect(s.node(slow).state).toBe("closing");
    expect(s.missing("r")).toEqual(some({ branches: 1 }));
    expect(s.want(top, "waits", {}, { waitMs: 60_000 }).type).toBe("queued");
    s.finish(slow);
    expect(s.missing("r")).toEqual(some());
    expect(s.told("waits")).toBeUndefined();
  });

  test("a deadline does not move into a reservation", () => {
    const s = new Reserver();
    const top = s.account({ branches: 1 });
    const node = s.open(top, { limits: { branches: 0, durationMs: 1_000 } });
    s.ahead(top, "r", { branches: 1 }, { startsInMs: 2_000 });
    expect(s.move(node, 2_000).type).toBe("updated");
    expect(refusalOf(s.move(node, 2_001))).toMatchObject({
      code: "invalid",
      violations: [{ field: "overrides.max_duration_ms", message: expect.stringContaining("reserved as name-r (r)") }],
    });
  });

  test("shrinking a limit stops at what is reserved", () => {
    const s = new Reserver();
    const top = s.account({ branches: 4, credits: 100 });
    s.ahead(top, "r", { branches: 3, credits: 60 }, { startsInMs: 2_000 });
    expect(s.raiseAccount(top, { branches: 2 }).type).toBe("refused");
    expect(s.raiseAccount(top, { credits: 59 }).type).toBe("refused");
    expect(s.raiseAccount(top, { branches: 3, credits: 60 }).type).toBe("updated");
  });
});

describe("using one", () => {
  test("before its beginning it is refused with the time until then, or waits for it, in nobody's way", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    s.ahead(top, "r", { credits: 60 }, { startsInMs: 5_000 });
    const refused = conflictOf(s.want(top, "now", { credits: 60 }, { reservationId: "r" }));
    expect(refused).toMatchObject({ retryAfterMs: 5_000, reserved: { own: true, startsInMs: 5_000 } });
    expect(conflictWords(refused)).toContain("its reservation name-r (r) begins in 5000 ms");
    expect(s.want(top, "waits", { credits: 60 }, { reservationId: "r", waitMs: 10_000 }).type).toBe("queued");
    expect(s.want(top, "other", { credits: 40 }, { waitMs: 10_000 }).type).toBe("opened");
    s.wait(5_000);
    expect(s.told("waits")).toMatchObject({ type: "opened", partial: false });
  });

  test("what it does not have is taken of what is free", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100, branches: 2 });
    s.ahead(top, "r", { credits: 60 });
    expect(s.want(top, "more", { credits: 101 }, { reservationId: "r" }).type).toBe("refused");
    const answer = s.want(top, "user", { credits: 150 }, { reservationId: "r", min: some({ credits: 70 }) });
    expect(answer).toMatchObject({ type: "opened", limits: { credits: 100 }, partial: true });
    expect(s.past("r")).toBe("used_up");
  });

  test("only at its node, in its time, by those of its priority", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 });
    const swarm = s.open(top, { kind: "swarm", limits: { credits: 10 } });
    s.ahead(top, "r", { credits: 60 }, { priority: "HIGH", lastsMs: 1_000 });
    const field = (outcome: ReturnType<Reserver["want"]>) => refusalOf(outcome);
    const said = (message: string) => ({
      code: "invalid",
      violations: [{ field: "reservation_id", message: expect.stringContaining(message) }],
    });
    const own = { reservationId: "r", priority: "HIGH" } as const;
    expect(field(s.want(swarm, "a", { credits: 1 }, own))).toMatchObject(said("is one of"));
    expect(field(s.want(top, "b", { credits: 1 }, { reservationId: "r" }))).toMatchObject(
      said("priority HIGH and above"),
    );
    expect(field(s.want(top, "c", { credits: 1 }, { reservationId: "none" }))).toMatchObject({ code: "not_found" });
    expect(s.want(top, "d", { credits: 1 }, own).type).toBe("opened");
    s.wait(1_000);
    expect(field(s.want(top, "e", { credits: 1 }, own))).toMatchObject(said("its time is over"));
  });

  test("an open allocation is raised out of it", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 });
    const node = s.open(top, { limits: { credits: 40 } });
    s.ahead(top, "r", { credits: 60 });
    expect(s.grant(s.raiseWish(node, { by: { credits: 60 } })).type).toBe("refused");
    expect(s.grant(s.raiseWish(node, { by: { credits: 60 }, reservationId: "r" })).type).toBe("raised");
  });

  test("the same request twice has one effect; with another reservation it is another request", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 });
    s.ahead(top, "r", { credits: 60 });
    const wish = s.openWish(top, { limits: { credits: 20 }, reservationId: "r" });
    expect(s.grant(wish)).toMatchObject({ type: "opened", repeated: false });
    expect(s.grant(wish)).toMatchObject({ type: "opened", repeated: true });
    const { reservationId, ...plain } = wish;
    expect(refusalOf(s.grant(plain)).code).toBe("request_reused");
    expect(s.left("r")).toEqual(some({ credits: 40 }));
  });
});

describe("its end", () => {
  test("those who wait for it are refused, and what it had goes to those who wait otherwise", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
    s.ahead(top, "r", { credits: 60 }, { startsInMs: 5_000, lastsMs: 5_000 });
    s.want(top, "early", { credits: 60 }, { reservationId: "r", waitMs: 60_000 });
    s.want(top, "other", { credits: 90 }, { waitMs: 60_000 });
    expect(s.cancel("r")).toMatchObject({ type: "done", changed: true });
    expect(refusalOf(s.told("early"))).toMatchObject({
      code: "invalid",
      violations: [{ message: "reservation r is over: it was cancelled" }],
    });
    expect(s.told("other")).toMatchObject({ type: "opened" });
    expect(s.cancel("r")).toMatchObject({ type: "done", changed: false });
    expect(refusalOf(s.cancel("unknown")).code).toBe("not_found");
  });

  test("it ends with its node", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100, branches: 2 });
    const swarm = s.open(top, { kind: "swarm", limits: { credits: 50, branches: 1 } });
    s.ahead(swarm, "r", { credits: 50, branches: 1 }, { startsInMs: 5_000 });
    s.close(swarm);
    expect(s.past("r")).toBe("closed");
    expect(s.credits(top)).toMatchObject({ available: 100 });
  });

  test("one answer for one request, as long as its effect is remembered", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 });
    const same = { requestId: "same", name: "n", lastsMs: 1_000 } as const;
    const first = s.tryAhead(top, "r", { credits: 60 }, same);
    expect(first).toMatchObject({ type: "reserved_ahead", reservationId: "r", repeated: false });
    const again = s.tryAhead(top, "minted-anew", { credits: 60 }, same);
    expect(again).toMatchObject({ type: "reserved_ahead", reservationId: "r", repeated: true });
    expect(refusalOf(s.tryAhead(top, "r", { credits: 61 }, same)).code).toBe("request_reused");
    s.wait(1_000);
    expect(s.tryAhead(top, "anew", { credits: 60 }, same)).toMatchObject({
      reservationId: "r",
      repeated: true,
    });
    s.wait(600_000);
    expect(s.tryAhead(top, "anew", { credits: 60 }, same)).toMatchObject({
      reservationId: "anew",
      repeated: false,
    });
  });
});

describe("every strategy honours it", () => {
  test("PREEMPTION_ALLOWED: a claim does not get what is reserved, and what is reserved makes nobody give way", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 }, { strategy: "PREEMPTION_ALLOWED" });
    s.want(top, "low", { credits: 40 }, { priority: "LOW" });
    s.ahead(top, "r", { credits: 60 });
    s.wait(10_000);
    const high = { priority: "HIGH", waitMs: 60_000 } as const;
    expect(s.want(top, "high", { credits: 100 }, high).type).toBe("queued");
    expect(s.missing("r")).toEqual(some());
    expect(s.want(top, "user", { credits: 61 }, { ...high, reservationId: "r", waitMs: 0 }).type).toBe("refused");
    expect(s.want(top, "user", { credits: 60 }, { ...high, reservationId: "r", waitMs: 0 }).type).toBe("opened");
  });

  test("PREEMPTION_ALLOWED: at the beginning claims make room out of what they have gathered", () => {
    const s = new Reserver();
    const top = s.account({ branches: 6 }, { strategy: "PREEMPTION_ALLOWED" });
    const low = { priority: "LOW", limits: limits({ branches: 1 }) } as const;
    s.want(top, "here", {}, low);
    s.want(top, "there", {}, { ...low, holder: "elsewhere" });
    s.want(
      top,
      "slow",
      {},
      { priority: "LOW", limits: limits({ branches: 0, durationMs: 20_000 }), holder: "elsewhere" },
    );
    s.ahead(top, "r", { branches: 2 }, { startsInMs: 20_000, lastsMs: 600_000 });
    s.wait(10_000);
    const wish = { priority: "HIGH", waitMs: 600_000, limits: limits({ branches: 3 }) } as const;
    expect(s.want(top, "high", {}, wish).type).toBe("queued");
    const claimed = () => s.node(top).waiters.earmarks.of("client\nhigh").branches;
    expect(claimed()).toBe(1);
    // Work that is to have ended by then may have what is reserved; but what holds it may be late.
    const short = {
      priority: "CRITICAL",
      limits: limits({ branches: 0, durationMs: 10_000 }),
      holder: "elsewhere",
    } as const;
    expect([s.want(top, "one", {}, short).type, s.want(top, "two", {}, short).type]).toEqual(["opened", "opened"]);
    s.wait(10_000);
    expect([s.missing("r").branches, claimed()]).toEqual([1, 0]);
    s.finish("one");
    expect([s.missing("r").branches, s.told("high")]).toEqual([0, undefined]);
    for (const name of ["two", "slow", "there"]) s.finish(name);
    expect(s.told("high")).toMatchObject({ type: "opened" });
    expect(s.missing("r")).toEqual(some());
  });

  test("PROPORTIONAL_SHARING divides what is not reserved; what comes out of a reservation is beside the shares", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 }, { strategy: "PROPORTIONAL_SHARING" });
    s.ahead(top, "r", { credits: 60 });
    const half = { min: some({ credits: 1 }) };
    expect(s.want(top, "one", { credits: 100 }, half)).toMatchObject({ type: "opened", limits: { credits: 40 } });
    expect(s.want(top, "user", { credits: 60 }, { reservationId: "r" })).toMatchObject({ limits: { credits: 60 } });
    expect(s.want(top, "two", { credits: 40 }, { ...half, waitMs: 60_000 }).type).not.toBe("refused");
    s.wait(1);
    expect(s.node("user").books.credits.limit).toBe(60);
  });

  test("QUEUE_AND_WAIT: backfill does not delay it, and it does not hold up those who wait beside it", () => {
    const s = new Reserver();
    const top = s.account({ branches: 4 }, { strategy: "QUEUE_AND_WAIT" });
    s.open(top, { limits: { durationMs: 10_000, branches: 1 } });
    s.ahead(top, "r", { branches: 4 }, { startsInMs: 20_000, lastsMs: 10_000 });
    const waits = { waitMs: 60_000 } as const;
    expect(s.want(top, "head", {}, { ...waits, limits: limits({ branches: 2 }) }).type).toBe("queued");
    expect(s.want(top, "fits", {}, { ...waits, limits: limits({ durationMs: 10_000 }) }).type).toBe("opened");
    expect(s.want(top, "long", {}, { ...waits, limits: limits({ durationMs: 20_001 }) }).type).toBe("queued");
    s.wait(20_000);
    expect(s.missing("r")).toEqual(some());
    expect(s.told("head")).toBeUndefined();
    s.wait(10_000);
    expect(s.told("head")).toMatchObject({ type: "opened" });
  });
});

describe("bad input is refused by name with the field, and nothing changes", () => {
  const wrong = (field: string) => ({ code: "invalid", violations: [{ field }] });

  test.each([
    ["nothing", {}, {}, "amounts"],
    ["what is not limited", { memoryBytes: 1 }, {}, "amounts.memory_bytes"],
    ["no time", { credits: 1 }, { lastsMs: 0 }, "lasts_ms"],
    ["too long", { credits: 1 }, { lastsMs: 2_592_000_001 }, "lasts_ms"],
    ["the past", { credits: 1 }, { startsInMs: -1 }, "starts_in_ms"],
    ["too far ahead", { credits: 1 }, { startsInMs: 2_592_000_001 }, "starts_in_ms"],
    ["after the deadline of the node", { credits: 1 }, { startsInMs: 60_000 }, "starts_in_ms"],
    ["an id that is taken", { credits: 1 }, { reservationId: "taken" }, "reservation_id"],
    ["after one that is not known", { credits: 1 }, { afterId: "unknown" }, "after_reservation_id"],
    ["after itself", { credits: 1 }, { reservationId: "itself", afterId: "itself" }, "after_reservation_id"],
  ])("%s", (_, amounts, options, field) => {
    const s = new Reserver();
    const top = s.account({ credits: 100 });
    const node = s.open(top, { kind: "swarm", limits: { credits: 50, durationMs: 60_000 } });
    s.ahead(node, "taken", { credits: 1 });
    expect(refusalOf(s.tryAhead(node, "r", amounts, options))).toMatchObject(wrong(field));
  });

  test("a reservation after another begins at its end; a cycle is refused by name", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 });
    s.ahead(top, "first", { credits: 1 }, { startsInMs: 1_000, lastsMs: 2_000 });
    s.ahead(top, "second", { credits: 1 }, { afterId: "first", lastsMs: 1_000 });
    expect(s.state.reservations.get("second")).toMatchObject({ startsAtMs: 3_000, endsAtMs: 4_000 });
    const refused = refusalOf(s.tryAhead(top, "ring", { credits: 1 }, { afterId: "ring" }));
    expect(refused).toMatchObject({
      code: "invalid",
      violations: [{ field: "after_reservation_id", message: expect.stringContaining("a cycle") }],
    });
  });

  test("bounds", () => {
    const s = new Reserver();
    const top = s.account({ credits: 100 });
    for (let i = 0; i < 64; i += 1) s.ahead(top, `r${i}`, { credits: 1 });
    expect(refusalOf(s.tryAhead(top, "more", { credits: 1 }))).toMatchObject({ code: "too_many" });
  });
});

test("restart, snapshot and time: a reservation that began and ended while nobody looked", () => {
  const s = new Reserver();
  const top = s.account({ credits: 100, branches: 2 });
  s.ahead(top, "r", { credits: 60, branches: 1 }, { startsInMs: 1_000, lastsMs: 1_000 });
  s.restart();
  s.throughSnapshot();
  s.wait(1_050);
  expect(missingOf(s.reservation("r"), s.node(top).waiters.earmarks)).toEqual(some());
  s.throughSnapshot();
  s.restart();
  s.wait(10_000);
  expect(s.past("r")).toBe("lapsed");
  s.throughSnapshot();
  expect(s.want(top, "all", { credits: 100, branches: 1 }).type).toBe("opened");
});
