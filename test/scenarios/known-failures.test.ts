/**
 * Failures that other schedulers and budgets are known for, each played against the whole engine (the last one against three tiers with their
 * links), and each with a control: the rule that fails there (naive.ts), or our own engine under the strategy that does.
 */
import { describe, expect, test } from "vitest";
import { type Policy, usageOf } from "#budget";
import { assert, LIMITS } from "#std";
import { type Opening, Scenario } from "../../shared/budget/scenario.test-support.ts";
import { VirtualClock } from "../../shared/tier/testing/virtual-clock.ts";
import { Server } from "../comparisons/doorman-server.ts";
import { amounts } from "../comparisons/engine.ts";
import {
  preemptionsByWaiting,
  servedInStrictOrder,
  sharesLessPastUse,
  spentByStaleReads,
  stopsOf,
  type Wanting,
} from "./naive.ts";

/** Nothing stands in the way of a preemption but the order of priorities. */
const EAGER: Policy = { strategy: "PREEMPTION_ALLOWED", preemption: { protectMs: 0, coolDownMs: 0 } };
const CALL_MS = 600_000;

class Play extends Scenario {
  /** Asks for an allocation of this name, willing to wait for ten minutes. */
  want(parentId: string, name: string, opening: Opening) {
    return this.grant(
      this.openWish(parentId, { allocationId: name, name, requestId: name, waitMs: 600_000, ...opening }),
    );
  }

  isOpen(name: string): boolean {
    return this.state.allocations.get(name)?.state === "open";
  }

  count(type: string, of: (event: Readonly<Record<string, unknown>>) => boolean = () => true): number {
    return this.events.filter((event) => event.type === type && of({ ...event })).length;
  }

  /** A call in flight for all that it was granted: memory in use comes back by a stop alone. */
  work(name: string, memoryBytes: number): string {
    return this.reserve(name, { wanted: { memoryBytes }, ttlMs: CALL_MS });
  }
}

describe("a reclaim loop: victims leave one after the other and are admitted again meanwhile", () => {
  test("what they leave is the claimant's: it is served after one round, and each victim has been stopped once", () => {
    const s = new Play();
    const top = s.account({ memoryBytes: 100 }, EAGER);
    const victims = ["a", "b", "c", "d"];
    for (const name of victims) s.want(top, name, { limits: { memoryBytes: 25 }, priority: "LOW" });
    const calls = victims.map((name) => s.work(name, 25));
    s.wait(1_000);
    expect(s.want(top, "claimant", { limits: { memoryBytes: 100 }, priority: "HIGH" }).type).toBe("queued");
    for (const [at, name] of victims.entries()) {
      s.wait(1_000);
      s.settle(calls[at] ?? "");
      const again = s.want(top, `${name}-2`, { limits: { memoryBytes: 25 }, priority: "LOW", attemptOf: name });
      expect(again.type).toBe("queued");
    }
    expect(s.isOpen("claimant")).toBe(true);
    expect(s.count("reclaim_requested", ({ mode }) => mode === "STOP")).toBe(4);
    s.close("claimant");
    expect(victims.map((name) => s.isOpen(`${name}-2`))).toEqual([true, true, true, true]);
  });

  test("control: without the reservation it is never served, however often it stops them", () => {
    expect(stopsOf({ slots: 4, rounds: 100, setsAside: false })).toEqual({ stops: 400, served: false });
    expect(stopsOf({ slots: 4, rounds: 100, setsAside: true })).toEqual({ stops: 4, served: true });
  });
});

describe("two preemptors that alternate for ever", () => {
  /** Memory for one of two who both need it; ten hours of waiting, each attempt made anew when it was stopped. */
  function alternate(): Play {
    const s = new Play();
    const top = s.account({ memoryBytes: 100 }, { ...EAGER, agingStepMs: 60_000 });
    const attempts = { normal: 1, high: 1 };
    const running = new Map<string, string>();
    const ask = (who: "normal" | "high") => {
      const name = `${who}-${attempts[who]}`;
      const before = attempts[who] > 1 ? { attemptOf: `${who}-${attempts[who] - 1}` } : {};
      const priority = who === "high" ? "HIGH" : "NORMAL";
      s.want(top, name, { limits: { memoryBytes: 80 }, priority, ...before });
      if (s.isOpen(name)) running.set(name, s.work(name, 80));
    };
    ask("normal");
    ask("high");
    for (let minute = 0; minute < 600; minute += 1) {
      s.wait(60_000);
      for (const who of ["normal", "high"] as const) {
        const name = `${who}-${attempts[who]}`;
        const node = s.state.allocations.get(name);
        if (node?.state === "open" && !running.has(name)) running.set(name, s.work(name, 80));
        if (node?.state === "closing") s.settle(running.get(name) ?? "");
        const isGone = running.has(name) && s.state.allocations.get(name)?.state !== "open";
        const hasWaitedInVain = !node && s.node(top).waiters.size === 0;
        if (!isGone && !hasWaitedInVain) continue;
        attempts[who] += 1;
        ask(who);
      }
    }
    return s;
  }

  test("the higher one stops the lower one once; waiting, however long, gives nobody the right to stop it", () => {
    const s = alternate();
    const stopped = s.events.flatMap((e) =>
      e.type === "reclaim_requested" && e.mode === "STOP" ? [e.allocationId] : [],
    );
    expect(stopped).toEqual(["normal-1"]);
  });

  test("control: where waiting gives the right, they stop each other for ever", () => {
    expect(preemptionsByWaiting(36_000_000, 60_000)).toBeGreaterThan(150);
  });
});

describe("a strict queue that blocks what it has nothing to do with", () => {
  const queue: readonly Wanting[] = [
    { name: "model", resource: "memoryBytes", amount: 80 },
    { name: "search", resource: "toolCalls", amount: 5 },
    { name: "summary", resource: "credits", amount: 10 },
  ];
  const free = { memoryBytes: 20, toolCalls: 100, credits: 100 };

  test.each(["QUEUE_AND_WAIT", "PRIORITY_BASED", "PREEMPTION_ALLOWED"] as const)(
    "%s: who waits for memory is passed by who needs tool calls or credits",
    (strategy) => {
      const s = new Play();
      const top = s.account({ memoryBytes: 100, toolCalls: 100, credits: 100 }, { strategy });
      s.want(top, "holder", { limits: { memoryBytes: 80 } });
      const open = queue.map(({ name, resource, amount }) => {
        s.want(top, name, { limits: { [resource]: amount } });
        return s.isOpen(name);
      });
      expect(open).toEqual([false, true, true]);
      // And it is not passed by who would take of its memory.
      s.want(top, "later", { limits: { memoryBytes: 20 } });
      expect(s.isOpen("later")).toBe(false);
      s.close("holder");
      expect(s.isOpen("model")).toBe(true);
    },
  );

  test("control: in strict order nobody is served", () => {
    expect(servedInStrictOrder(queue, free)).toEqual([]);
    expect(servedInStrictOrder(queue.slice(1), free)).toEqual(["search", "summary"]);
  });
});

describe("a large request that small ones starve", () => {
  /** A small one comes each second and stays for five; the large one, of half the room, comes after ten. Answers when it runs, in seconds. */
  function largeRunsAfter(policy: Policy, seconds: number): number | undefined {
    const s = new Play();
    const top = s.account({ branches: 10 }, policy);
    const open: { readonly name: string; readonly endsAtMs: number }[] = [];
    for (let second = 0; second < seconds; second += 1) {
      if (second >= 10 && !s.isOpen("large") && s.node(top).waiters.size === 0)
        s.want(top, "large", { limits: { branches: 7 } });
      const name = `small-${second}`;
      s.want(top, name, { limits: { branches: 1 } });
      open.push({ name, endsAtMs: s.nowMs + 5_000 });
      s.wait(1_000);
      for (const one of open) if (one.endsAtMs <= s.nowMs && s.isOpen(one.name)) s.close(one.name);
      if (s.isOpen("large")) return second - 10;
    }
    return undefined;
  }

  test.each(["QUEUE_AND_WAIT", "PRIORITY_BASED", "PREEMPTION_ALLOWED"] as const)(
    "%s: it runs as soon as those before it have ended",
    (strategy) => {
      expect(largeRunsAfter({ strategy }, 100)).toBeLessThanOrEqual(5);
    },
  );

  test("control: first come, first served never has room for it", () => {
    expect(largeRunsAfter({ strategy: "FIRST_COME_FIRST_SERVED" }, 100)).toBeUndefined();
  });
});

describe("the busiest client is given the smallest share", () => {
  const USED = [70, 5, 5, 5] as const;

  test("what was used is no reason to have less: it has all that the idle leave, and keeps what it has used", () => {
    const s = new Play();
    const top = s.account({ credits: 100 }, { strategy: "PROPORTIONAL_SHARING" });
    const wishes = [1_000, 5, 5, 5];
    const names = ["busy", "idle-1", "idle-2", "idle-3"];
    for (const [at, name] of names.entries()) {
      s.want(top, name, { kind: "branch", limits: { credits: wishes[at] ?? 0 }, min: { credits: 0 }, waitMs: 0 });
    }
    const limitOf = (name: string) => s.node(name).books.credits.limit;
    expect(names.map(limitOf)).toEqual([85, 5, 5, 5]);
    s.settle(s.reserve("busy", { wanted: { credits: 70 } }), { credits: 70 });
    s.want(top, "late", { kind: "branch", limits: { credits: 1_000 }, min: { credits: 0 }, waitMs: 0 });
    expect(limitOf("busy")).toBeGreaterThanOrEqual(70);
    expect(limitOf("busy")).toBeGreaterThan(limitOf("late"));
    expect(limitOf("busy") + limitOf("late")).toBe(85);
  });

  test("control: where past use counts against its user, the busiest has the least", () => {
    const shares = sharesLessPastUse(100, USED);
    expect(shares[0]).toBe(Math.min(...shares));
    expect(shares[0]).toBe(0);
  });
});

describe("a run that fans out to 180 sub-agents", () => {
  const AGENTS = 180;
  const BUDGET = 10_000;

  /** All ask at once; each that runs spends all it can get of 400, and ends. Answers what was open at most, and who was served. */
  function fanOut(
    policy: Policy,
    branches: number | undefined,
    wish: Opening,
  ): { most: number; served: number; spent: number } {
    const s = new Play();
    const account = s.account({ credits: BUDGET, ...(branches === undefined ? {} : { branches }) });
    const run = s.open(account, {
      kind: "run",
      limits: { credits: BUDGET, ...(branches === undefined ? {} : { branches: branches - 1 }) },
      policy,
    });
    const names = Array.from({ length: AGENTS }, (_, at) => `agent-${at}`);
    const done = new Set<string>();
    let most = 0;
    s.quickly(() => {
      for (const name of names) s.want(run, name, { kind: "branch", ...wish });
      for (;;) {
        const open = names.filter((name) => s.isOpen(name));
        most = Math.max(most, open.length);
        const name = open.find((one) => !done.has(one));
        if (name === undefined) break;
        const outcome = s.tryReserve(name, { wanted: { credits: 400 }, min: { credits: 1 } });
        if (outcome.type === "held") s.settle(outcome.holdId, { credits: outcome.granted.credits });
        done.add(name);
        s.close(name);
      }
    });
    const { spent } = s.node(run).books.credits;
    return { most, served: done.size, spent };
  }

  test("so many at a time as there are slots, all in their turn, and never more than the run's budget", () => {
    const wish = { limits: { credits: 50, branches: 0 }, min: { credits: 50 } };
    const { most, served, spent } = fanOut({ strategy: "QUEUE_AND_WAIT" }, 16, wish);
    expect(most).toBe(15);
    expect(served).toBe(AGENTS);
    expect(spent).toBe(AGENTS * 50);
  });

  test("divided by weight, where all run at once: each has its share, and nobody starves", () => {
    const wish = { limits: { credits: BUDGET }, min: { credits: 1 }, waitMs: 0 };
    const { most, served, spent } = fanOut({ strategy: "PROPORTIONAL_SHARING" }, undefined, wish);
    expect({ most, served }).toEqual({ most: AGENTS, served: AGENTS });
    expect(spent).toBeLessThanOrEqual(BUDGET);
  });

  test("control: each asking for what it may need at worst, first come, first served, most get nothing", () => {
    const wish = { limits: { credits: 400 }, min: { credits: 400 }, waitMs: 0 };
    const { served, spent } = fanOut({ strategy: "FIRST_COME_FIRST_SERVED" }, undefined, wish);
    expect(served).toBe(25);
    expect(spent).toBe(BUDGET);
  });

  test("control: each spending by what it read, the run spends seven times its budget", () => {
    expect(spentByStaleReads(BUDGET, AGENTS, 400 / BUDGET)).toBe(7.2 * BUDGET);
  });
});

describe("three levels of delegation that spend by a stale read", () => {
  const BUDGET = 1_000;
  const WISH = 900;

  test("three tiers with links that take their time: together they spend the budget at most, and nothing is lost", async () => {
    const clock = new VirtualClock();
    const root = new Server({ name: "coordination", clock });
    const middle = new Server({ name: "process", clock, above: root });
    const leaf = new Server({ name: "execution", clock, above: middle });
    await root.begin();
    await root.openRoot(BUDGET);
    for (const server of [middle, leaf]) {
      await server.begin();
      await server.join(BUDGET);
    }
    // Each level has been told of the whole budget by now, and takes its part in the same moment.
    expect([middle, leaf].map(({ own }) => own?.books.credits.limit)).toEqual([BUDGET, BUDGET]);
    const spent: number[] = [];
    for (const server of [root, middle, leaf]) spend(server, WISH, (credits) => spent.push(credits));
    await clock.advance(LIMITS.leaseTtlMs);
    expect(spent).toHaveLength(3);
    const total = spent.reduce((sum, credits) => sum + credits, 0);
    expect(total).toBeGreaterThanOrEqual(WISH);
    expect(total).toBeLessThanOrEqual(BUDGET);
    const account = root.own;
    assert(account !== undefined, "the account stands");
    expect(usageOf(account).credits).toBe(total);
    expect(account.books.credits.debt).toBe(0);
  });

  test("control: each spending nine tenths of what it read, they spend 2.7 times the budget", () => {
    expect(spentByStaleReads(BUDGET, 3, WISH / BUDGET)).toBe(2.7 * BUDGET);
  });

  /** A call of the level's own, at its worst; tells what it cost. */
  function spend(server: Server, credits: number, onSpent: (credits: number) => void): void {
    const { allocationId } = server;
    const { loop } = server.tier;
    const holdId = `call-${server.name}`;
    const call = { allocationId, holdId, requestId: holdId, what: "model", name: "m", ttlMs: CALL_MS } as const;
    const wanted = amounts({ credits });
    loop.submit({ type: "reserve", ...call, wanted, min: amounts({ credits: 1 }) }, (outcome) => {
      if (outcome.type !== "held") {
        onSpent(0);
        return;
      }
      const cost = { credits: outcome.granted.credits, toolCalls: amounts({}).toolCalls, final: true } as const;
      const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 } as const;
      loop.submit({ type: "settle", allocationId, holdId, ...cost, ...facts }, () => onSpent(cost.credits));
    });
  }
});
