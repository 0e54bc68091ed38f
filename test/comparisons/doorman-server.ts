/**
 * One server of the tree: the engine in its loop, with a journal, and its links up and down, as the daemons wire them. What it adds is what a
 * server of Doorman does: it wants of the one above what its own children want of it, and gives back what none of them wants.
 */
import type { Allocation, Amounts, BudgetState, Message, Policy } from "#budget";
import { MemoryDisk } from "#journal";
import type { GrantHandover, ParentLink } from "#ports";
import { assert, LIMITS } from "#std";
import { Downlink, leaseOfGrant, Uplink } from "#tier";
import { MemoryWire } from "../../shared/tier/testing/memory-link.ts";
import { numberedIds } from "../../shared/tier/testing/numbered-ids.ts";
import { Tier } from "../../shared/tier/testing/tier.ts";
import type { VirtualClock } from "../../shared/tier/testing/virtual-clock.ts";
import { amounts } from "./engine.ts";

type ReclaimChild = Extract<Message, { readonly type: "reclaim_child" }>;
type Granted = Extract<Message, { readonly type: "granted" }>;

/** How long any message is on its way. */
export const LATENCY_MS = 5;
/** How often clients renew their leases, and who has less than is wanted asks again: Doorman's do both every 8 s. */
export const REFRESH_MS = 5_000;
export const SHARING: Policy = { strategy: "PROPORTIONAL_SHARING" };

/** What a server tells of budget that is held outside of the tree: by a client. */
export interface ClientLine {
  readonly reclaim: (message: ReclaimChild) => void;
  readonly granted: (message: Granted) => void;
}

export interface ServerOptions {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly above?: Server;
}

export class Server {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly above: Server | undefined;
  readonly tier: Tier;
  readonly wire: MemoryWire | undefined;
  readonly servers: Server[] = [];
  readonly clients = new Map<string, ClientLine>();
  /** Its own allocation: the account of the root, and what the others hold of the one above. */
  allocationId: string;
  up = true;
  #downlink: Downlink;
  #uplink: Uplink | undefined;
  #state: BudgetState | undefined;
  #lives = 0;
  #asks = 0;
  #asking = false;
  #lacked = 0;
  #askedAtMs = 0;

  constructor({ name, clock, above }: ServerOptions) {
    this.name = name;
    this.clock = clock;
    this.above = above;
    this.allocationId = `capacity-${name}`;
    const disk = new MemoryDisk({ journalId: `journal-${name}`, syncs: "when-told" });
    this.tier = new Tier(clock, disk, { checkInvariants: false });
    this.tier.syncMs = 0;
    this.wire = above && new MemoryWire({ clock, accept: () => above.#accept(), latencyMs: () => LATENCY_MS });
    above?.servers.push(this);
    this.#downlink = this.#newDownlink();
  }

  /** Begins to serve; to be called once after each start of it, between two advances of the clock. */
  async begin(): Promise<void> {
    this.#state = await this.tier.see((state) => state);
    if (!this.above) return;
    this.#uplink = this.#newUplink();
    this.#uplink.start();
  }

  /** The root's capacity; children share it by weight. */
  async openRoot(capacity: number): Promise<void> {
    const limits = { credits: capacity as Amounts["credits"] };
    await this.tier.run({
      type: "open_root",
      allocationId: this.allocationId,
      name: this.name,
      limits,
      policy: SHARING,
    });
  }

  /** Its first grant, of the one above, which must be connected: as work is handed down, the grant comes with it. */
  async join(wanted: number): Promise<void> {
    const { above } = this;
    assert(above !== undefined, "the root joins nobody");
    while (!above.#downlink.child(this.name)) await this.clock.advance(1);
    const outcome = await above.tier.run({ type: "grant", wish: above.wishOf(this.allocationId, this.name, wanted) });
    assert(outcome.type === "opened", `${this.name} is granted something: ${JSON.stringify(outcome)}`);
    const { holderMarkMs, ...grant }: GrantHandover = above.#downlink.handoverTo(this.name, outcome);
    const leaseEndsAtMs = leaseOfGrant({ ...grant, holderMarkMs }, this.tier.loop.nowMs());
    await this.tier.run({ type: "receive_grant", ...grant, leaseEndsAtMs, peer: "above", notes: [] });
  }

  wishOf(allocationId: string, holder: string, wanted: number) {
    return {
      type: "open",
      caller: this.name,
      requestId: `open-${allocationId}`,
      allocationId,
      token: undefined,
      parentId: this.allocationId,
      name: holder,
      kind: "run",
      limits: { credits: wanted as Amounts["credits"] },
      min: amounts({}),
      priority: "NORMAL",
      weight: 1,
      policy: SHARING,
      pooled: [],
      byHolder: false,
      holder,
      leaseTtlMs: LIMITS.leaseTtlMs,
      waitMs: 0,
      strategy: undefined,
    } as const;
  }

  /** Dies at once, with all that was not synced. */
  die(): void {
    this.up = false;
    this.tier.process.end();
    for (const { wire } of [this, ...this.servers]) wire?.cut();
    if (this.wire) this.wire.reachable = false;
  }

  /** A successor takes over its journal. */
  async succeed(): Promise<void> {
    if (this.up) this.die();
    this.tier.restart();
    this.up = true;
    this.#asking = false;
    if (this.wire) this.wire.reachable = true;
    this.#downlink = this.#newDownlink();
    await this.begin();
  }

  /** Its own allocation as its own journal has it. */
  get own(): Allocation | undefined {
    return this.#state?.allocations.get(this.allocationId);
  }

  /** What is promised to a holder here. */
  promisedTo(allocationId: string): number {
    return this.#state?.allocations.get(allocationId)?.books.credits.limit ?? 0;
  }

  /** What its children want, as they have told. */
  get wanted(): number {
    let sum = 0;
    for (const child of this.own?.children ?? []) sum += this.#state?.sharing.wishes.get(child)?.max.credits ?? 0;
    return sum;
  }

  /** Whether it may spend or grant anything: the root always may, the others under their lease. */
  get hasLease(): boolean {
    if (!this.up) return false;
    return this.above === undefined || this.tier.loop.nowMs() < (this.own?.leaseEndsAtMs ?? 0);
  }

  /** Wants what its children want, and gives back what none of them does. */
  adjust(): void {
    const { own } = this;
    if (!this.up || !own || !this.#uplink?.connected) return;
    const { limit, available } = own.books.credits;
    const lacks = this.wanted - limit;
    if (lacks > 0) this.#askFor(lacks);
    else if (available > 0 && this.#isSated()) {
      this.tier.loop.submit({ type: "return_surplus", allocationId: own.id, keep: amounts({}) }, () => undefined);
    }
  }

  /** At once when it lacks something else than before, and from time to time for what has come free meanwhile. */
  #askFor(lacks: number): void {
    const nowMs = this.clock.monotonicMs();
    if (lacks === this.#lacked && nowMs - this.#askedAtMs < REFRESH_MS) return;
    this.#lacked = lacks;
    this.#askedAtMs = nowMs;
    this.#raise(lacks);
  }

  #isSated(): boolean {
    for (const child of this.own?.children ?? []) {
      if ((this.#state?.sharing.wishes.get(child)?.max.credits ?? 0) > child.books.credits.limit) return false;
    }
    return true;
  }

  #raise(lacks: number): void {
    const { own } = this;
    if (!own || this.#asking) return;
    this.#asks += 1;
    this.#asking = true;
    const target = { type: "raise", allocationId: own.id, epoch: own.epoch, by: amounts({ credits: lacks }) } as const;
    const plain = {
      min: amounts({}),
      priority: "NORMAL",
      weight: 1,
      waitMs: 0,
      strategy: undefined,
      trace: undefined,
    } as const;
    const requestId = `raise-${this.name}-${this.#lives}-${this.#asks}`;
    this.#uplink?.ask({ requestId, target, ...plain }, (answer) => {
      if (answer.type !== "queued") this.#asking = false;
    });
  }

  #accept(): ((link: ParentLink) => void) | undefined {
    return this.up ? (link) => this.#downlink.accept(link) : undefined;
  }

  #newDownlink(): Downlink {
    this.#lives += 1;
    const { loop } = this.tier;
    loop.subscribe((message) => this.#tell(message));
    return new Downlink({
      loop,
      ids: numberedIds(`${this.name}-${this.#lives}-down`),
      tier: "process",
      identity: { instance: this.name, incarnation: `${this.name}-life-${this.#lives}` },
      kindOfChildren: "run",
      leaseTtlMs: LIMITS.leaseTtlMs,
      onChild: ({ instance }, connected) => {
        if (connected) this.#repeat(instance);
      },
    });
  }

  #newUplink(): Uplink {
    const { tier, wire } = this;
    assert(wire !== undefined, "the root has no uplink");
    return new Uplink({
      loop: tier.loop,
      clock: tier.process,
      ids: numberedIds(`${this.name}-${this.#lives}-up`),
      dial: wire.dial,
      identity: () => ({
        instance: this.name,
        incarnation: `${this.name}-life-${this.#lives}`,
        journalId: tier.loop.journalId,
        address: `${this.name}:1`,
        tier: "process",
        capacity: 0,
      }),
      onStop: (allocationId, reason) => assert(false, `${allocationId} is not to be stopped: ${reason}`),
    });
  }

  #tell(message: Message): void {
    if (message.type === "reclaim_child") this.#reclaim(message);
    if (message.type === "granted") this.clients.get(message.holder)?.granted(message);
  }

  /** What PreemptChildren does over the wire: asks, and books what comes back with the answer. */
  #reclaim(message: ReclaimChild): void {
    const client = this.clients.get(message.holder);
    if (client) client.reclaim(message);
    const child = this.servers.find(({ name }) => name === message.holder);
    if (!child || !this.#downlink.child(child.name)) return;
    const { allocationId, epoch, preemptionId, amounts: wanted, mode, reason } = message;
    this.tier.process.after(LATENCY_MS, () => {
      if (!child.up) return;
      const ask = { type: "reclaim", preemptionId, allocationId, epoch, amounts: wanted, mode, reason } as const;
      child.tier.loop.submit(ask, (outcome) => {
        if (outcome.type !== "reclaimed") return;
        const { returnedTotal } = outcome;
        const back = { type: "receive_return", caller: child.name, allocationId, epoch, returnedTotal } as const;
        child.tier.process.after(LATENCY_MS, () => {
          if (this.up) this.tier.loop.submit(back, () => undefined);
        });
      });
    });
  }

  /** A child that has just said hello is asked for everything that is still wanted of it. */
  #repeat(holder: string): void {
    for (const node of this.own?.children ?? []) {
      if (node.peer !== holder || node.state === "closed") continue;
      for (const { preemptionId, mode, reason, wanted, reclaimed } of node.reclaims.values()) {
        const credits = wanted.credits - reclaimed.credits;
        const { id: allocationId, epoch } = node;
        const what = { holder, allocationId, epoch, preemptionId, amounts: amounts({ credits }), mode, reason };
        this.#reclaim({ type: "reclaim_child", ...what });
      }
    }
  }
}
