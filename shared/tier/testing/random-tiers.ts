/**
 * Two tiers under random work and random trouble: calls, top-ups, returns and closings on one side, cuts, crashes, slow disks and repeats on
 * the other. The loops check every invariant after every command; what must hold between the two journals is checked here.
 */
import { type Allocation, type BudgetState, RESOURCES } from "#budget";
import type { GrantAnswer, GrantHandover } from "#ports";
import { assert, LIMITS, Prng } from "#std";
import { neverTaken } from "../greeting.ts";
import { some } from "./tier.ts";
import { CHILD, TwoTiers } from "./two-tiers.ts";

/** One thing that happens; the numbers are taken modulo what there is. */
export type Step =
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "grant"; readonly credits: number }
  | { readonly type: "reserve"; readonly at: number; readonly credits: number }
  | { readonly type: "settle"; readonly at: number; readonly credits: number }
  | { readonly type: "raise"; readonly at: number; readonly credits: number; readonly waitMs: number }
  | { readonly type: "open"; readonly credits: number }
  | { readonly type: "cancel"; readonly at: number }
  | { readonly type: "surplus"; readonly at: number; readonly keep: number }
  | { readonly type: "shrink"; readonly at: number; readonly credits: number }
  | { readonly type: "close"; readonly at: number; readonly side: "parent" | "child" }
  | { readonly type: "write_off"; readonly at: number }
  | { readonly type: "silence"; readonly ms: number }
  | {
      readonly type: "cut";
      readonly childLearnsAfterMs: number;
      readonly parentLearnsAfterMs: number;
      readonly repeat: number;
    }
  | { readonly type: "reach"; readonly reachable: boolean }
  | { readonly type: "disk"; readonly side: "parent" | "child"; readonly syncMs: number }
  | { readonly type: "crash"; readonly side: "parent" | "child"; readonly keeping: number };

/** Little, so that requests have to wait for each other. */
const CREDITS = 250;
/** How long a handover is on its way; some longer than a lease with its margin. */
const HANDOVERS_MS = [0, 0, 0, 40, 3_000, 20_000] as const;

export class RandomTiers {
  readonly tiers: TwoTiers;
  readonly #ids: string[] = [];
  readonly #holds: { readonly allocationId: string; readonly holdId: string; readonly credits: number }[] = [];
  readonly #requests: string[] = [];
  readonly #prng: Prng;
  #count = 0;
  #parentState: BudgetState | undefined;
  #childState: BudgetState | undefined;

  constructor(seed: number) {
    const prng = new Prng(seed);
    const latencyMs = (): number => prng.below(40);
    const policy = { strategy: prng.pick(["QUEUE_AND_WAIT", "FIRST_COME_FIRST_SERVED"] as const) };
    const driftPpm = { parent: prng.pick([0, 500, -500]), child: prng.pick([0, 500, -500]) };
    this.tiers = new TwoTiers({ credits: CREDITS, policy, latencyMs, driftPpm, fraction: () => prng.float() });
    this.#prng = prng;
  }

  async start(): Promise<void> {
    await this.tiers.start();
    await this.#look();
    await this.do({ type: "grant", credits: 100 });
  }

  /** The states, which the loops go on changing. */
  async #look(): Promise<void> {
    const { parent, child, clock } = this.tiers;
    void parent.loop.read((state) => {
      this.#parentState = state;
    });
    void child.loop.read((state) => {
      this.#childState = state;
    });
    await clock.settle();
  }

  async do(step: Step): Promise<void> {
    const { tiers } = this;
    if (step.type === "pass") await tiers.clock.advance(step.ms);
    else if (step.type === "crash") await this.#crash(step);
    else if (step.type === "silence") {
      tiers.wire.reachable = false;
      tiers.wire.cut();
      await tiers.clock.advance(step.ms);
    } else {
      this.#submit(step);
      await tiers.clock.settle();
    }
    this.check();
  }

  #submit(step: Exclude<Step, { type: "pass" | "crash" | "silence" }>): void {
    const { tiers } = this;
    if (step.type === "grant") this.#grant(step.credits);
    else if (step.type === "raise") {
      const { credits, waitMs } = step;
      // Who is ready to wait wants all of it.
      const min = some({ credits: waitMs > 0 ? credits : 0 });
      this.#ask(tiers.raise(this.#newId("raise"), this.#id(step.at), credits, { min, waitMs }));
    } else if (step.type === "open") this.#ask(tiers.open(this.#newId("ask"), this.#newId("side"), step.credits));
    else if (step.type === "cancel") tiers.uplink.cancel(this.#requests[step.at % (this.#requests.length || 1)] ?? "");
    else if (step.type === "cut") tiers.wire.cut(step);
    else if (step.type === "reach") tiers.wire.reachable = step.reachable;
    else if (step.type === "disk") tiers[step.side].syncMs = step.syncMs;
    else if (step.type === "close") {
      const command = { type: "close", allocationId: this.#id(step.at), reason: "closed at random" } as const;
      tiers[step.side].loop.submit(command, () => undefined);
    } else if (step.type === "write_off") this.#writeOff(step.at);
    else this.#call(step);
  }

  /** A person gives up one of those that are in doubt. */
  #writeOff(at: number): void {
    const doubtful = [...(this.#parentState?.allocations.values() ?? [])].filter((node) => node.doubtful);
    const allocationId = doubtful[at % (doubtful.length || 1)]?.id ?? "none";
    const decision = {
      caller: "person",
      requestId: this.#newId("write-off"),
      allocationId,
      reason: "given up",
    } as const;
    this.tiers.parent.loop.submit({ type: "write_off", ...decision }, () => undefined);
  }

  #call(step: Extract<Step, { type: "reserve" | "settle" | "surplus" | "shrink" }>): void {
    const { tiers } = this;
    const { loop } = tiers.child;
    const allocationId = this.#id(step.at);
    if (step.type === "reserve") {
      const { credits } = step;
      loop.submit(tiers.reserve(allocationId, credits, { ttlMs: 5_000 }), (outcome) => {
        if (outcome.type === "held") this.#holds.push({ allocationId, holdId: outcome.holdId, credits });
      });
    } else if (step.type === "settle") {
      const hold = this.#holds[step.at % (this.#holds.length || 1)];
      if (hold) loop.submit(tiers.settle(hold.allocationId, hold.holdId, step.credits), () => undefined);
    } else if (step.type === "surplus") {
      loop.submit({ type: "return_surplus", allocationId, keep: some({ credits: step.keep }) }, () => undefined);
    } else {
      const shrink = {
        type: "reclaim",
        preemptionId: this.#newId("shrink"),
        allocationId,
        epoch: 1,
        mode: "SHRINK",
      } as const;
      loop.submit({ ...shrink, amounts: some({ credits: step.credits }), reason: "" }, () => undefined);
    }
  }

  #newId(kind: string): string {
    this.#count += 1;
    return `${kind}-${this.#count}`;
  }

  #id(at: number): string {
    return this.#ids[at % (this.#ids.length || 1)] ?? "none";
  }

  /** As the daemons: work is given to a child that is there, and is on its way for as long as it takes. */
  #grant(credits: number): void {
    const { tiers } = this;
    const meant = tiers.downlink.child(CHILD)?.incarnation;
    if (meant === undefined) return;
    const grantor = tiers.parentLife;
    tiers.parent.loop.submit({ type: "grant", wish: tiers.wish(this.#newId("run"), { credits }) }, (outcome) => {
      if (outcome.type !== "opened") return;
      const grant = tiers.handover(outcome);
      tiers.clock.after(this.#prng.pick(HANDOVERS_MS), () => this.#arrive({ grant, meant, grantor }));
    });
  }

  /** A later life of the child refuses what was meant for an earlier one; any life refuses who has not welcomed it. */
  #arrive(handover: { readonly grant: GrantHandover; readonly meant: string; readonly grantor: string }): void {
    const { tiers } = this;
    const { grant, meant, grantor } = handover;
    const isKnown = this.#childState?.allocations.has(grant.allocationId) === true;
    if (meant === tiers.life && (isKnown || tiers.uplink.parent?.incarnation === grantor)) this.#handOver(grant);
    else if (grantor !== tiers.parentLife) return;
    else if (meant === tiers.life) tiers.clock.after(200, () => this.#arrive(handover));
    else if (!isKnown)
      tiers.parent.loop.submit(neverTaken(CHILD, { ...grant, id: grant.allocationId }), () => undefined);
  }

  #handOver(grant: GrantHandover): void {
    this.tiers.child.loop.submit(this.tiers.receive(grant), (outcome) => {
      if (outcome.type === "opened" && !this.#ids.includes(grant.allocationId)) this.#ids.push(grant.allocationId);
    });
  }

  #ask(ask: Parameters<TwoTiers["ask"]>[0]): void {
    this.#requests.push(ask.requestId);
    this.tiers.uplink.ask(ask, (answer: GrantAnswer) => {
      if (answer.type === "opened") this.#handOver(answer.grant);
    });
  }

  async #crash({ side, keeping }: Extract<Step, { type: "crash" }>): Promise<void> {
    const { tiers } = this;
    if (side === "parent") tiers.restartParent({ keeping, monotonicMs: this.#count });
    else tiers.restartChild({ keeping, monotonicMs: this.#count });
    const syncMs = tiers[side].syncMs;
    tiers[side].syncMs = 0;
    await this.#look();
    if (side === "child") {
      this.#recoverChild();
      tiers.uplink.start();
    }
    await tiers.clock.advance(1);
    tiers[side].syncMs = syncMs;
  }

  /** As the daemons: the work died with the process. What never arrived is refused by the new life, and its hello returns it. */
  #recoverChild(): void {
    for (const node of this.#childState?.roots ?? []) {
      if (node.state !== "open") continue;
      this.tiers.child.loop.submit({ type: "close", allocationId: node.id, reason: "restarted" }, () => undefined);
    }
  }

  /** Every grant as it stands in both journals. */
  #pairs(): { readonly above: Allocation; readonly below: Allocation }[] {
    const pairs = [];
    for (const below of this.#childState?.roots ?? []) {
      const above = this.#parentState?.allocations.get(below.id);
      if (above) pairs.push({ above, below });
    }
    return pairs;
  }

  /** What holds at every moment: no loop failed, and no child has more than its parent has committed. */
  check(): void {
    const { parent, child } = this.tiers;
    assert(parent.faults.length + child.faults.length === 0, `a loop failed: ${parent.faults[0] ?? child.faults[0]}`);
    for (const { above, below } of this.#pairs()) {
      if (above.writtenOff.standing === "awaiting") continue;
      if (above.state === "closed" && above.writtenOff.standing === "none") {
        assert(below.state === "closed", `${below.path} is closed at the parent and ${below.state} at the child`);
        continue;
      }
      for (const resource of RESOURCES) {
        const at = `${resource} of ${below.path}`;
        assert(below.grantedTotal[resource] <= above.grantedTotal[resource], `the child was granted more ${at}`);
        assert(below.returnedTotal[resource] >= above.returnedTotal[resource], `the parent got back more ${at}`);
      }
      assert(above.books.credits.usage <= below.books.credits.usage, `more of ${below.path} was reported than is used`);
    }
  }

  /** A lease ends at the child first, in true time: each side counts what is left of it by its own clock. */
  checkLeases(): void {
    const { parent, child } = this.tiers;
    const [parentMs, childMs] = [parent.loop.nowMs(), child.loop.nowMs()];
    for (const { above, below } of this.#pairs()) {
      if (below.state === "closed") continue;
      const childLeftMs = (below.leaseEndsAtMs ?? 0) - childMs;
      assert(above.state !== "closed" || childLeftMs <= 0, `${below.path} may spend although it was written off`);
      if (above.state === "closed") continue;
      const parentLeftMs = (above.leaseEndsAtMs ?? 0) - parentMs;
      const ends = `the lease of ${below.path} ends in ${childLeftMs} ms at the child, in ${parentLeftMs} at the parent`;
      assert(childLeftMs <= 0 || (!above.doubtful && childLeftMs <= parentLeftMs), ends);
    }
  }

  /** Lets everything through and closes all from the top; then both sides must agree to the credit. */
  async finish(): Promise<void> {
    const { tiers } = this;
    tiers.wire.reachable = true;
    tiers.parent.syncMs = 0;
    tiers.child.syncMs = 0;
    tiers.parent.disk.sync();
    tiers.child.disk.sync();
    await tiers.clock.advance(LIMITS.redialDelayMaxMs + 1_000);
    await tiers.parent.run({ type: "close", allocationId: "account", reason: "the end" });
    // Long enough for a STOP that was lost to come again with a renewal, and for the last holds to lapse.
    await tiers.clock.advance(Math.max(...HANDOVERS_MS) + LIMITS.leaseTtlMs + 10_000);
    this.check();
    const account = this.#parentState?.allocations.get("account");
    assert(account?.state === "closed", `the account is ${account?.state}: ${this.#stillOpen().join(", ")}`);
    const { limit, debt, available, spent } = account.books.credits;
    let below = 0;
    for (const node of this.#childState?.roots ?? []) below += node.books.credits.usage;
    assert(spent === below, `spent ${spent} at the parent and ${below} at the child`);
    assert(
      limit === CREDITS && limit + debt === available + spent,
      `${limit} + ${debt} is not ${available} + ${spent}`,
    );
  }

  #stillOpen(): string[] {
    const nodes = [...(this.#parentState?.allocations.values() ?? [])].filter(({ state }) => state !== "closed");
    const child = (id: string) => this.#childState?.allocations.get(id)?.state ?? "unknown";
    return nodes.map(({ id, state }) => `${id} is ${state} here and ${child(id)} there`);
  }
}
