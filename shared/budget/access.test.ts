/** Access to named tools and resources, by example. */
import { describe, expect, test } from "vitest";
import type { Access } from "./access.ts";
import { wishWords } from "./explain.ts";
import { alone, Names, shared } from "./naming.test-support.ts";
import { conflictWords, refusalWords } from "./refusal-words.ts";
import { conflictOf, refusalOf, usage } from "./scenario.test-support.ts";
import { allocationStanding, requestStandings } from "./standing.ts";

describe("who may hold a name", () => {
  test("one alone, or many who share it", () => {
    const n = new Names({});
    n.hold(n.account, "a", shared("db"));
    n.hold(n.account, "b", shared("db", "browser"));
    expect(conflictOf(n.ask(n.account, "c", alone("db")))).toMatchObject({
      conflict: "EXCLUSIVE_ACCESS_REQUIRED",
      resource: "access",
      access: { name: "db", mode: "EXCLUSIVE", held: "SHARED" },
      holders: [{ id: "a" }, { id: "b" }],
      never: false,
      position: 0,
    });
    n.close("a");
    expect(n.ask(n.account, "c2", alone("db")).type).toBe("refused");
    n.close("b");
    n.hold(n.account, "d", alone("db"));
    expect(n.ask(n.account, "e", shared("db")).type).toBe("refused");
    n.hold(n.account, "f", alone("browser"));
  });

  test("the refusal says by whom, and when it ends", () => {
    const n = new Names({});
    n.hold(n.account, "a", alone("browser"), { limits: { credits: 1, durationMs: 400 } });
    const conflict = conflictOf(n.ask(n.account, "b", shared("browser")));
    expect(conflictWords(conflict)).toBe(
      "EXCLUSIVE_ACCESS_REQUIRED: browser under account-1 is held EXCLUSIVE by account-1/a, and cannot be had SHARED beside that; FIRST_COME_FIRST_SERVED (by default) denies what does not fit now; try again in 400 ms",
    );
    n.s.wait(400);
    n.hold(n.account, "b", shared("browser"));
  });

  test("what an allocation holds covers those below it, who share it among themselves", () => {
    const n = new Names({});
    n.hold(n.account, "run", alone("browser"), { kind: "run" });
    n.hold("run", "one", alone("browser"));
    expect(conflictOf(n.ask("run", "two", alone("browser")))).toMatchObject({
      ancestorId: "run",
      holders: [{ id: "one" }],
    });
    n.hold("one", "deep", shared("browser"));
    n.close("deep");
    n.close("one");
    n.hold("run", "two", alone("browser"));
    expect(n.ask(n.account, "other", alone("browser")).type).toBe("refused");
  });

  test("below a shared hold nobody has the name alone", () => {
    const n = new Names({});
    n.hold(n.account, "run", shared("db"), { kind: "run" });
    n.hold("run", "one", shared("db"));
    expect(refusalOf(n.ask("run", "two", [...alone("browser"), ...alone("db")]))).toEqual({
      code: "invalid",
      violations: [
        {
          field: "access.exclusive[1]",
          message: "account-1/run holds db SHARED, and so nobody below it has it EXCLUSIVE",
        },
      ],
    });
  });

  test("all names, and all of the budget, or nothing", () => {
    const n = new Names({}, 10);
    n.hold(n.account, "a", alone("db"));
    expect(n.ask(n.account, "b", alone("browser", "db")).type).toBe("refused");
    expect(n.ask(n.account, "b", alone("browser"), { limits: { credits: 11 } }).type).toBe("refused");
    n.hold(n.account, "c", alone("browser"));
  });

  test("names of another root are others", () => {
    const n = new Names({});
    const other = n.s.account({ credits: 5 });
    n.hold(n.account, "a", alone("browser"));
    n.hold(other, "b", alone("browser"));
  });

  test("bad names are refused with their field", () => {
    const n = new Names({});
    const refused = (access: readonly Access[]) => refusalWords(refusalOf(n.ask(n.account, "a", access)));
    expect(refused([...alone("x"), ...shared("y", "x")])).toBe("access.shared[1]: names x a second time");
    expect(refused(alone(""))).toContain("access.exclusive[0]: has 1 to 128 characters");
    expect(refused(shared("x".repeat(129)))).toContain("access.shared[0]: has 1 to 128 characters");
    expect(refused(alone(...Array.from({ length: 17 }, (_, at) => `n${at}`)))).toContain("names at most 16");
  });

  test("the same request again has the same answer, with other names it is refused", () => {
    const n = new Names({});
    n.hold(n.account, "a", alone("browser"));
    expect(n.ask(n.account, "a", alone("browser"))).toMatchObject({
      type: "opened",
      repeated: true,
      access: alone("browser"),
    });
    expect(refusalOf(n.ask(n.account, "a", shared("browser"))).code).toBe("request_reused");
    expect(refusalOf(n.ask(n.account, "a", [])).code).toBe("request_reused");
  });
});

describe("waiting for names", () => {
  test("in order, also across a restart and a snapshot", () => {
    const n = new Names();
    n.hold(n.account, "a", alone("browser"));
    expect(n.waits(n.account, "b", alone("browser"))).toContain("held EXCLUSIVE by account-1/a");
    n.waits(n.account, "c", shared("browser"));
    n.waits(n.account, "d", shared("browser"));
    n.waits(n.account, "e", alone("browser"));
    n.s.restart();
    n.fromSnapshot();
    expect(n.close("a")).toEqual(["b"]);
    expect(n.close("b")).toEqual(["c", "d"]);
    expect(n.close("c")).toEqual([]);
    n.fromSnapshot();
    expect(n.close("d")).toEqual(["e"]);
  });

  test("one who wants it alone is not starved by those who share it", () => {
    const n = new Names();
    n.hold(n.account, "a", shared("db"));
    n.waits(n.account, "b", alone("db"));
    expect(n.waits(n.account, "c", shared("db"))).toBe(
      "EXCLUSIVE_ACCESS_REQUIRED: db under account-1 is wanted before by account-1/b, and cannot be had SHARED beside that; it waits at place 2 under QUEUE_AND_WAIT (its own); nobody knows when something changes",
    );
    expect(n.close("a")).toEqual(["b"]);
    expect(n.close("b")).toEqual(["c"]);
  });

  test("who stops waiting holds nobody up", () => {
    const n = new Names();
    n.hold(n.account, "a", shared("db"));
    n.waits(n.account, "b", alone("db"), { waitMs: 100 });
    n.waits(n.account, "c", shared("db"));
    n.s.wait(100);
    expect(n.served).toEqual(["c"]);
    n.waits(n.account, "d", alone("db"));
    n.waits(n.account, "e", shared("db"));
    n.s.ask({ type: "cancel_request", caller: "client", requestId: "d" });
    expect(n.served).toEqual(["e"]);
  });

  test("waiting for a name never blocks who wants other things", () => {
    const n = new Names({ strategy: "QUEUE_AND_WAIT" }, 10);
    n.hold(n.account, "a", alone("browser"));
    n.waits(n.account, "b", alone("browser"), { limits: { credits: 9 } });
    n.hold(n.account, "c", [], { limits: { credits: 6 } });
    n.hold(n.account, "d", alone("db"), { limits: { credits: 1 } });
    // It has its turn for the name, and waits for credits like any other from then on.
    n.close("a");
    expect(n.waits(n.account, "e", [], { limits: { credits: 2 } })).toContain("others have their turn before");
    expect(n.waits(n.account, "f", shared("browser"))).toContain("wanted before by account-1/b");
    expect(n.close("c")).toEqual(["b"]);
  });

  test("higher priorities have their turn for a name before", () => {
    const n = new Names({ strategy: "PRIORITY_BASED" });
    n.hold(n.account, "a", alone("browser"));
    n.waits(n.account, "low", alone("browser"), { priority: "LOW" });
    n.waits(n.account, "high", alone("browser"), { priority: "HIGH" });
    n.hold(n.account, "b", shared("db"));
    n.waits(n.account, "low-db", alone("db"), { priority: "LOW" });
    n.hold(n.account, "high-db", shared("db"), { priority: "HIGH" });
    expect(n.close("a")).toEqual(["high"]);
  });

  test("one line for all nodes under one root, in the order of each", () => {
    const n = new Names();
    const one = n.s.open(n.account, { kind: "swarm", limits: { credits: 20 } });
    const two = n.s.open(n.account, { kind: "swarm", limits: { credits: 20 } });
    n.hold(one, "a", shared("db"));
    n.waits(two, "b", alone("db"));
    n.waits(one, "c", shared("db"));
    n.fromSnapshot();
    expect(n.close("a")).toEqual(["b"]);
    expect(n.close("b")).toEqual(["c"]);
  });

  test("another order of a node is another order of its line", () => {
    const n = new Names();
    n.hold(n.account, "a", alone("browser"));
    n.waits(n.account, "low", alone("browser"), { priority: "LOW" });
    n.waits(n.account, "high", alone("browser"), { priority: "HIGH" });
    const { limits } = n.s.openWish(n.account, { limits: { credits: 100 } });
    n.s.ask({ type: "set_limits", allocationId: n.account, limits, policy: { strategy: "PRIORITY_BASED" } });
    n.s.restart();
    expect(n.close("a")).toEqual(["high"]);
  });

  test("a silent holder keeps its names until it is written off", () => {
    const n = new Names();
    n.hold(n.account, "a", alone("browser"), { holder: "holder" });
    n.waits(n.account, "b", alone("browser"), { waitMs: 600_000 });
    n.s.wait(60_000);
    expect(n.s.node("a").doubtful).toBe(true);
    expect(n.served).toEqual([]);
    n.s.writeOff("a");
    expect(n.served).toEqual(["b"]);
  });

  test("PREEMPTION_ALLOWED takes budget for one who can have its names, and never a name", () => {
    const n = new Names({ strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0 } }, 10);
    n.hold(n.account, "a", alone("browser"), { priority: "LOW", limits: { credits: 9 } });
    expect(n.waits(n.account, "b", alone("browser"), { priority: "HIGH", limits: { credits: 5 } })).toContain(
      "held EXCLUSIVE",
    );
    expect(n.s.node("a").reclaims.size).toBe(0);
    n.hold(n.account, "c", [], { priority: "LOW", limits: { credits: 1 } });
    expect(n.close("a")).toEqual(["b"]);
  });

  test("PREEMPTION_ALLOWED: others give way as soon as the name is to be had, and not before", () => {
    const n = new Names({ strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0 } }, 10);
    n.hold(n.account, "a", alone("browser"), { priority: "LOW" });
    n.hold(n.account, "c", [], { priority: "LOW", limits: { credits: 8 } });
    n.waits(n.account, "b", alone("browser"), { priority: "HIGH", limits: { credits: 5 } });
    expect(n.s.node("c").books.credits.limit).toBe(8);
    n.close("a");
    expect(n.s.node("b").books.credits.limit).toBe(5);
    expect(n.s.node("c").books.credits.limit).toBe(5);
  });

  test("a claim that loses its turn for a name asks for nothing more, and others have what was set aside", () => {
    const n = new Names({ strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0, worst: "SHRINK" } }, 10);
    n.hold(n.account, "c", [], { priority: "LOW", limits: { credits: 8 }, holder: "holder", caller: "holder" });
    n.waits(n.account, "b", alone("browser"), { priority: "NORMAL", limits: { credits: 5 } });
    expect(n.s.node("c").reclaims.size).toBe(1);
    n.hold(n.account, "first", shared("browser"), { priority: "HIGH" });
    n.s.wait(20_000);
    n.fromSnapshot();
    n.close("first");
    n.s.ask({ type: "close", allocationId: "c", reason: "done" });
    n.s.report("c", 1, usage(), { final: true });
    expect(n.s.state.allocations.get("b")?.state).toBe("open");
  });

  test("one who loses its turn for a name holds back no budget any more: who waits behind it is served at once", () => {
    const n = new Names();
    n.hold(n.account, "a", [], { limits: { credits: 60 }, policy: { strategy: "PRIORITY_BASED" } });
    // It may have the name, and waits for the budget; the next would fit but for it.
    n.waits(n.account, "first", alone("db"), { limits: { credits: 50 }, min: { credits: 50 } });
    n.waits(n.account, "next", [], { limits: { credits: 30 }, min: { credits: 30 } });
    n.hold("a", "inner", alone("db"), { priority: "EMERGENCY" });
    expect(n.served).toEqual(["next"]);
  });

  test("with weights: who is shut out has no share", () => {
    const n = new Names({ strategy: "PROPORTIONAL_SHARING" }, 12);
    const part = { limits: { credits: 12 }, min: { credits: 1 } };
    n.hold(n.account, "a", alone("browser"), part);
    n.waits(n.account, "b", alone("browser"), part);
    expect(n.s.node("a").books.credits.limit).toBe(12);
    expect(n.close("a")).toEqual(["b"]);
    expect(n.s.node("b").books.credits.limit).toBe(12);
  });
});

test("what is asked for and held, in words", () => {
  const n = new Names();
  const wish = n.wish(n.account, "a", [...alone("browser"), ...shared("db")], { limits: { credits: 5 }, waitMs: 0 });
  expect(wishWords(wish)).toBe("a step with 5 credits and browser EXCLUSIVE, db SHARED, NORMAL");
  n.s.grant(wish);
  const standing = (name: string) => allocationStanding(n.s.state, n.s.node(name), { nowMs: n.s.nowMs, listed: 5 });
  expect(standing("a")).toContain("holds browser EXCLUSIVE, db SHARED until it is closed");
  n.waits(n.account, "b", alone("db"));
  const [told] = requestStandings(n.s.state, "b", { nowMs: n.s.nowMs, listed: 5, scanned: 9 });
  expect(told).toContain("db under account-1 is held SHARED by account-1/a, and cannot be had EXCLUSIVE beside that");
});

describe("calls of a tool", () => {
  test("only below the one who holds its name alone", () => {
    const n = new Names({});
    n.hold(n.account, "run", [], { kind: "run", limits: { credits: 20 } });
    n.hold("run", "one", alone("browser"), { limits: { credits: 5 } });
    n.hold("run", "two", [], { limits: { credits: 5 } });
    const call = (at: string, what: "tool" | "model" = "tool") =>
      n.s.tryReserve(at, { what, name: "browser", wanted: { credits: 1 } });
    expect(call("one").type).toBe("held");
    expect(conflictWords(conflictOf(call("two")))).toBe(
      "EXCLUSIVE_ACCESS_REQUIRED: browser under account-1 is held EXCLUSIVE by account-1/run/one, and cannot be had SHARED beside that; try again in 1000 ms",
    );
    expect(call("two", "model").type).toBe("held");
    expect(call("run").type).toBe("refused");
    n.close("one");
    n.s.wait(60_000);
    expect(call("two").type).toBe("held");
  });

  test("a grant from elsewhere brings the names held above it", () => {
    const n = new Names({});
    const opened = n.ask(n.account, "run", alone("browser"), { kind: "run", holder: "process" });
    expect(opened).toMatchObject({ access: alone("browser") });
    const child = new Names({});
    const root = { ...child.s.receiving({ credits: 9 }), access: [...alone("browser"), ...shared("db")] };
    const run = child.s.expect("opened", root).allocationId;
    child.hold(run, "one", [...alone("browser"), ...shared("db")]);
    expect(child.ask(run, "two", alone("browser")).type).toBe("refused");
    expect(refusalOf(child.ask(run, "three", alone("db"))).code).toBe("invalid");
    expect(child.ask(run, "four", alone("own"), { holder: "execution" })).toMatchObject({
      access: [...alone("own"), ...alone("browser"), ...shared("db")],
    });
    child.s.restart();
    child.fromSnapshot();
  });
});
