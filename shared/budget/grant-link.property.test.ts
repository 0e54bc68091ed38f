/**
 * One grant in two journals. A parent's and a child's engine work at random, with clocks of their own, while what they send is lost,
 * repeated and reordered, either of them crashes and starts again, and a person writes silent grants off. At every moment the child's
 * limit is within the parent's commitment and the parent knows of no usage that is not true; once everything has arrived both sides agree,
 * and nothing is lost.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { amount } from "./amount.ts";
import { usageOf } from "./cascade.ts";
import { freeAt } from "./nothing-stuck.test-support.ts";
import type { Message, OutcomeOf } from "./outcome.ts";
import { type Amounts, CONSUMABLES, RESOURCES } from "./resource.ts";
import { Scenario, some, type Untimed } from "./scenario.test-support.ts";
import type { Allocation } from "./state.ts";

const SEED = 20_261_125;
const RUNS = 400;
const TTL_MS = 9_000;

interface Sent {
  readonly to: "parent" | "child";
  readonly arrive: () => void;
}

class Pair {
  readonly parent = new Scenario("p");
  readonly child = new Scenario("c");
  readonly account = this.parent.account({ credits: 900, toolCalls: 40, branches: 12, memoryBytes: 500 });
  /** What is on its way. */
  sent: Sent[] = [];
  #holds: string[] = [];

  constructor(skewMs: number) {
    this.child.nowMs = skewMs;
  }

  get grants(): Allocation[] {
    return [...this.parent.state.allocations.values()].filter((node) => node.side === "delegated");
  }

  get held(): Allocation[] {
    return [...this.child.state.allocations.values()].filter((node) => node.side === "received");
  }

  #send(to: Sent["to"], arrive: () => void): void {
    this.sent.push({ to, arrive });
  }

  atParent(command: Untimed): void {
    const { outcome, messages } = this.parent.run(command);
    for (const message of messages) this.#fromParent(message);
    if (outcome.type === "raised") this.#sendLimit(outcome);
  }

  #fromParent(message: Message): void {
    if (message.type === "reclaim_child") {
      const { allocationId, epoch, preemptionId, amounts, mode, reason } = message;
      const command = { type: "reclaim", preemptionId, allocationId, epoch, amounts, mode, reason } as const;
      this.#send("child", () => this.atChild(command));
    } else if (message.type === "closing" && message.side === "delegated") {
      const { allocationId, reason } = message;
      this.#send("child", () => this.atChild({ type: "close", allocationId, reason }));
    } else if (message.type === "decided" && message.outcome.type === "raised") this.#sendLimit(message.outcome);
  }

  #sendLimit({ allocationId, epoch, grantedTotal }: { allocationId: string; epoch: number; grantedTotal: Amounts }) {
    this.#send("child", () => this.atChild({ type: "receive_limit", allocationId, epoch, grantedTotal }));
  }

  atChild(command: Untimed): void {
    for (const message of this.child.run(command).messages) {
      if (message.type === "returned") this.#sendReturn(message.allocationId, message.returnedTotal);
      if (message.type === "closed" && message.side === "received") this.report(message.allocationId);
    }
  }

  #sendReturn(allocationId: string, returnedTotal: Amounts): void {
    const command = { type: "receive_return", caller: "holder", allocationId, epoch: 1, returnedTotal } as const;
    this.#send("parent", () => this.atParent(command));
  }

  /** The child asks for a grant of its own; its lease counts from the asking. */
  askOpen(credits: number, other: number): void {
    const limits = { credits, toolCalls: other % 9, branches: other % 4, memoryBytes: other % 90 };
    const min = { credits: Math.floor(credits / 3) };
    const opening = { limits, min, holder: "holder", caller: "holder", leaseTtlMs: TTL_MS, kind: "run" } as const;
    const wish = this.parent.openWish(this.account, opening);
    const sentMs = this.child.nowMs;
    this.#send("parent", () => {
      const { outcome } = this.parent.run({ type: "grant", wish });
      if (outcome.type === "opened") this.#send("child", () => this.#receive(outcome, sentMs));
    });
  }

  #receive(opened: OutcomeOf<"opened">, sentMs: number): void {
    const { allocationId, limits, leaseTtlMs } = opened;
    const command = this.child.receiving({}, {});
    const leaseEndsAtMs = sentMs + leaseTtlMs;
    this.atChild({ ...command, allocationId, path: opened.path, limits, leaseTtlMs, leaseEndsAtMs });
  }

  askRaise(node: Allocation, credits: number, waitMs: number): void {
    const wish = this.parent.raiseWish(node.id, { by: { credits }, min: {}, caller: "holder", waitMs });
    this.#send("parent", () => this.atParent({ type: "grant", wish }));
  }

  /** The child's account of a grant, final when it is closed there; the answer renews the lease from when this was sent. */
  report(allocationId: string): void {
    const node = this.child.node(allocationId);
    const usage = usageOf(node);
    const final = node.state === "closed";
    const which = {
      type: "report_usage",
      caller: "holder",
      allocationId,
      epoch: 1,
      sequence: node.usageSequence + 1,
    } as const;
    const sentMs = this.child.nowMs;
    this.#send("parent", () => {
      const { outcome, messages } = this.parent.run({ ...which, usage, final });
      for (const message of messages) this.#fromParent(message);
      // A fenced holder ends what it has: its final account is still taken.
      if (outcome.type === "refused" && outcome.refusal.code === "stale_epoch") {
        this.#send("child", () => this.atChild({ type: "close", allocationId, reason: "fenced" }));
      }
      if (outcome.type !== "reported") return;
      if (final) {
        const { sequence } = which;
        this.#send("child", () => this.atChild({ type: "acknowledge_final", allocationId, sequence }));
        return;
      }
      const renewal = { type: "renew_lease", allocationId, epoch: 1, endsAtMs: sentMs + outcome.leaseTtlMs } as const;
      this.#send("child", () => this.atChild(renewal));
    });
  }

  /** Work below a received grant: a step, a call in it, its end. */
  work(node: Allocation, a: number, b: number): void {
    const at = b % 3 === 0 ? node : ([...node.children][a % Math.max(1, node.children.size)] ?? node);
    if (b % 4 === 0) {
      const wish = this.child.openWish(node.id, {
        limits: { credits: a % 60, toolCalls: a % 3, branches: 0, memoryBytes: a % 9 },
        min: {},
      });
      this.atChild({ type: "grant", wish });
    } else if (b % 4 < 3) {
      const holdId = this.child.id("hold");
      const wanted = some({ credits: a % 50, toolCalls: a % 2 });
      const call = { requestId: holdId, holdId, what: "model", name: "m", ttlMs: 1 + (a % 4_000) } as const;
      this.atChild({ type: "reserve", allocationId: at.id, ...call, wanted, min: some() });
      this.#holds.push(holdId);
    } else if (at !== node) this.atChild({ type: "close", allocationId: at.id, reason: "finished" });
  }

  settle(a: number, b: number): void {
    const hold = this.child.state.holds.get(this.#holds[a % Math.max(1, this.#holds.length)] ?? "");
    if (!hold) return;
    const credits = amount(
      b % 5 === 0 ? hold.amounts.credits + (b % 30) : Math.floor((hold.amounts.credits * (b % 3)) / 2),
    );
    const facts = { networkBytes: 1, diskBytes: 0, gpuMs: 0, memoryPeakBytes: b } as const;
    const which = { type: "settle", allocationId: hold.allocation.id, holdId: hold.id } as const;
    this.atChild({ ...which, credits, toolCalls: hold.amounts.toolCalls, final: b % 4 > 0, ...facts });
  }

  pass(ms: number): void {
    this.parent.nowMs += ms;
    this.child.nowMs += ms;
    this.atParent({ type: "tick" });
    this.atChild({ type: "tick" });
  }

  /** One message arrives, arrives and stays on its way, or is lost. */
  deliver(a: number, b: number): void {
    const at = a % Math.max(1, this.sent.length);
    const message = this.sent[at];
    if (!message) return;
    if (b % 5 > 0) this.sent.splice(at, 1);
    if (b % 7 > 0) message.arrive();
  }

  /** A side comes back with its journal; what was on its way to it is gone. */
  crash(side: Sent["to"]): void {
    this[side].restart();
    this[side].ask({ type: "start" });
    this.sent = this.sent.filter(({ to }) => to !== side);
  }

  /** A person gives up what is in doubt. */
  writeOff(n: number): void {
    const doubtful = this.grants.filter((node) => node.doubtful && node.state !== "closed");
    const node = doubtful[n % Math.max(1, doubtful.length)];
    if (node) this.parent.writeOff(node.id);
  }

  /** Both sides tell all they know until nothing is new; the grants that never arrived are handed over again. */
  heal(): void {
    for (let round = 0; round < 4; round += 1) {
      for (const node of this.grants) {
        const { id: allocationId, epoch, grantedTotal } = node;
        if (!this.child.state.allocations.has(allocationId)) this.#handOver(node);
        this.atChild({ type: "receive_limit", allocationId, epoch, grantedTotal });
        if (node.state !== "open") this.atChild({ type: "close", allocationId, reason: "told again" });
        for (const { preemptionId, mode, reason, wanted } of node.reclaims.values()) {
          this.atChild({ type: "reclaim", preemptionId, allocationId, epoch, amounts: wanted, mode, reason });
        }
      }
      for (const node of this.held) {
        this.#sendReturn(node.id, node.returnedTotal);
        this.report(node.id);
      }
      while (this.sent.length > 0) this.sent.shift()?.arrive();
    }
  }

  #handOver(node: Allocation): void {
    const { id: allocationId, path, grantedTotal } = node;
    const command = this.child.receiving(grantedTotal, { leaseMs: 0 });
    // Granted in total; what the parent holds to be returned cannot be, as the child never had it.
    this.atChild({ ...command, allocationId, path, limits: grantedTotal });
  }
}

function expectWithinCommitments(pair: Pair): void {
  for (const node of pair.held) {
    const grant = pair.parent.node(node.id);
    for (const resource of RESOURCES) {
      const limit = node.grantedTotal[resource] - node.returnedTotal[resource];
      const committed = grant.grantedTotal[resource] - grant.returnedTotal[resource];
      if (grant.state !== "closed") expect(limit, `${node.path} ${resource}`).toBeLessThanOrEqual(committed);
    }
    for (const resource of CONSUMABLES) {
      const known = grant.books[resource].usage - grant.writtenOff[resource];
      expect(known).toBeLessThanOrEqual(node.books[resource].usage);
    }
    // What was written off had been silent for a whole lease: its holder begins nothing any more.
    if (grant.writtenOff.standing !== "none") expect(pair.child.nowMs).toBeGreaterThanOrEqual(node.leaseEndsAtMs ?? 0);
    // The parent falls into doubt only after the holder has stopped.
    if (grant.doubtful) expect(pair.child.nowMs).toBeGreaterThanOrEqual(node.leaseEndsAtMs ?? 0);
  }
}

function expectAgreement(pair: Pair): void {
  expect(pair.grants.map(({ id }) => id).sort()).toEqual(pair.held.map(({ id }) => id).sort());
  for (const node of pair.held) {
    const grant = pair.parent.node(node.id);
    // The holder of what is written off may have calls in flight; its account comes with their end.
    if (grant.writtenOff.standing === "awaiting" && node.state === "closing") continue;
    expect(grant.state === "closed", node.path).toBe(node.state === "closed");
    expect(grant.doubtful && grant.state === "open").toBe(false);
    for (const resource of CONSUMABLES) {
      expect(grant.books[resource].usage).toBe(node.books[resource].usage);
      expect(grant.books[resource].overrun).toBe(node.books[resource].overrun);
      if (grant.state !== "closed") expect(grant.books[resource].limit).toBe(node.books[resource].limit);
    }
    if (grant.state !== "closed") expect(grant.returnedTotal).toEqual(node.returnedTotal);
  }
}

const STEPS: readonly ((pair: Pair, a: number, b: number) => void)[] = [
  (pair, a, b) => pair.askOpen(a % 200, b),
  (pair, a, b) =>
    pair.held[0] && pair.askRaise(pair.held[a % pair.held.length] as Allocation, b % 90, b % 2 ? 5_000 : 0),
  ...Array.from({ length: 3 }, () => (pair: Pair, a: number, b: number) => {
    const node = pair.held[a % Math.max(1, pair.held.length)];
    if (node) pair.work(node, a, b);
  }),
  ...Array.from({ length: 2 }, () => (pair: Pair, a: number, b: number) => pair.settle(a, b)),
  (pair, a, b) => {
    const node = pair.held[a % Math.max(1, pair.held.length)];
    if (node) pair.atChild({ type: "return_surplus", allocationId: node.id, keep: some({ credits: b % 50 }) });
  },
  ...Array.from({ length: 2 }, () => (pair: Pair, a: number) => {
    const node = pair.held[a % Math.max(1, pair.held.length)];
    if (node) pair.report(node.id);
  }),
  (pair, a, b) => {
    const node = pair.grants[a % Math.max(1, pair.grants.length)];
    const amounts = b % 3 === 0 ? undefined : some({ credits: b % 120, toolCalls: b % 3, branches: b % 2 });
    const which = {
      preemptionId: pair.parent.id("preemption"),
      allocationId: node?.id ?? "",
      epoch: undefined,
    } as const;
    if (node) pair.atParent({ type: "reclaim", ...which, amounts, mode: "SHRINK", reason: "test" });
  },
  (pair, a, b) => {
    const side = b % 2 === 0 ? pair.grants : pair.held;
    const node = side[a % Math.max(1, side.length)];
    const command = { type: "close", allocationId: node?.id ?? "", reason: "finished" } as const;
    if (node && b % 3 === 0) side === pair.grants ? pair.atParent(command) : pair.atChild(command);
  },
  (pair, a) => pair.writeOff(a),
  (pair, a) => pair.pass([10, 900, 2_900, 8_100, 12_000][a % 5] as number),
  (pair, a) => a % 4 === 0 && pair.crash(a % 8 === 0 ? "parent" : "child"),
  ...Array.from({ length: 6 }, () => (pair: Pair, a: number, b: number) => pair.deliver(a, b)),
];

function closeAll(pair: Pair): void {
  for (const node of pair.held) pair.atChild({ type: "close", allocationId: node.id, reason: "the end" });
  pair.pass(10_000);
  pair.heal();
}

test(`a grant is one truth in two journals (seed ${SEED}, ${RUNS} runs)`, () => {
  const step = fc.tuple(fc.nat(STEPS.length - 1), fc.nat(9_999), fc.nat(9_999));
  const steps = fc.array(step, { minLength: 1, maxLength: 150, size: "max" });
  fc.assert(
    fc.property(steps, fc.nat(50_000), (all, skewMs) => {
      const pair = new Pair(skewMs);
      for (const [which, a, b] of all) {
        STEPS[which]?.(pair, a, b);
        expectWithinCommitments(pair);
      }
      pair.heal();
      expectWithinCommitments(pair);
      expectAgreement(pair);
      closeAll(pair);
      expectAgreement(pair);
      const root = pair.parent.node(pair.account);
      for (const resource of CONSUMABLES) {
        const spent = pair.held.reduce((sum, node) => sum + node.books[resource].usage, 0);
        expect(root.books[resource]).toMatchObject({ spent, granted: 0, inDoubt: 0 });
      }
      expect([pair.parent.state.uncorrected, pair.child.state.unacknowledged.size]).toEqual([0, 0]);
      expect(freeAt(root, "branches")).toBe(12);
    }),
    { seed: SEED, numRuns: RUNS },
  );
}, 120_000);
