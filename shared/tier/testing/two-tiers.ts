/**
 * A parent and a child tier on one clock, each with its own journal and loop, and the wire between them: what the daemons wire up, without
 * their work. Every invariant is checked after every command.
 */
import { type Amount, type Limits, NOTHING, type OutcomeOf, type Policy } from "#budget";
import { MemoryDisk } from "#journal";
import type { ChildLink, GrantAnswer, GrantAsk, GrantHandover, IdSource, ParentLink } from "#ports";
import { assert, LIMITS } from "#std";
import type { CommandInput } from "../command-input.ts";
import { Downlink } from "../downlink.ts";
import { leaseOfGrant } from "../handover.ts";
import { Uplink } from "../uplink.ts";
import { MemoryWire } from "./memory-link.ts";
import { numberedIds } from "./numbered-ids.ts";
import { some, Tier } from "./tier.ts";
import { VirtualClock } from "./virtual-clock.ts";

export const CHILD = "child-1";

type LimitNumbers = { readonly [L in keyof Limits]?: number };

export interface TwoTiersOptions {
  /** Credits of the account; default 1,000. */
  readonly credits?: number;
  readonly policy?: Policy;
  readonly backlogItemsMax?: number;
  readonly latencyMs?: () => number;
  readonly fraction?: () => number;
  /** How much faster each side's clock runs than true time, in millionths; default 0. */
  readonly driftPpm?: { readonly parent: number; readonly child: number };
}

export class TwoTiers {
  readonly clock = new VirtualClock();
  readonly parent: Tier;
  readonly child: Tier;
  readonly wire: MemoryWire;
  downlink: Downlink;
  uplink: Uplink;
  /** What the parent wanted stopped: `id: reason`. */
  readonly stops: string[] = [];
  /** What the uplink said of its connection. */
  readonly states: string[] = [];
  /** The children that came and went, as the downlink said. */
  readonly comings: string[] = [];
  readonly #options: TwoTiersOptions;
  readonly #parentIds = numberedIds("parent");
  readonly #childIds: IdSource;
  #requests = 0;
  #lives = 1;
  #parentLives = 1;

  constructor(options: TwoTiersOptions = {}) {
    this.#options = options;
    this.#childIds = numberedIds("child", options.fraction);
    const { backlogItemsMax, latencyMs, driftPpm = { parent: 0, child: 0 } } = options;
    const disk = (journalId: string) => new MemoryDisk({ journalId, syncs: "when-told" });
    this.parent = new Tier(this.clock, disk("parent-journal"), { driftPpm: driftPpm.parent });
    this.child = new Tier(this.clock, disk("child-journal"), { driftPpm: driftPpm.child });
    for (const tier of [this.parent, this.child]) tier.syncMs = 0;
    this.wire = new MemoryWire({
      clock: this.clock,
      accept: () => (link: ParentLink) => this.downlink.accept(link),
      ...(backlogItemsMax === undefined ? {} : { backlogItemsMax }),
      ...(latencyMs === undefined ? {} : { latencyMs }),
    });
    this.downlink = this.#newDownlink();
    this.uplink = this.newUplink();
  }

  /** The child's present incarnation. */
  get life(): string {
    return `life-${this.#lives}`;
  }

  /** The parent's present incarnation. */
  get parentLife(): string {
    return `parent-life-${this.#parentLives}`;
  }

  #newDownlink(): Downlink {
    return new Downlink({
      loop: this.parent.loop,
      ids: this.#parentIds,
      tier: "process",
      identity: { instance: "parent-1", incarnation: this.parentLife },
      kindOfChildren: "step",
      leaseTtlMs: LIMITS.leaseTtlMs,
      onChild: ({ instance }, connected) => this.comings.push(`${instance} ${connected ? "here" : "gone"}`),
    });
  }

  newUplink(dial: () => ChildLink = this.wire.dial): Uplink {
    const { process: clock, loop } = this.child;
    return new Uplink({
      loop,
      clock,
      ids: this.#childIds,
      dial,
      identity: () => ({
        instance: CHILD,
        incarnation: this.life,
        journalId: loop.journalId,
        address: "127.0.0.1:1",
        tier: "execution",
        capacity: 0,
      }),
      onState: ({ connected, error }) =>
        this.states.push(connected ? "connected" : `lost: ${error?.message ?? "closed"}`),
      // As the daemons do: what the parent stops is closed here.
      onStop: (allocationId, reason) => {
        this.stops.push(`${allocationId}: ${reason}`);
        loop.submit({ type: "close", allocationId, reason }, () => undefined);
      },
    });
  }

  /** The account, a run in it, and the wire up. */
  async start(): Promise<this> {
    const { credits = 1_000, policy = {} } = this.#options;
    const limits = { credits } as Limits;
    await this.parent.run({ type: "open_root", allocationId: "account", name: "account", limits, policy });
    this.uplink.start();
    while (!this.downlink.child(CHILD)) await this.clock.advance(1);
    return this;
  }

  /** The parent dies and starts again: a new loop and downlink on its disk, and the wire is lost. */
  restartParent(start: { readonly monotonicMs?: number; readonly keeping?: number } = {}): void {
    this.wire.cut();
    this.parent.restart({ driftPpm: this.#options.driftPpm?.parent ?? 0, ...start });
    this.#parentLives += 1;
    this.downlink = this.#newDownlink();
  }

  /** The child dies and starts again. Its uplink must be started. */
  restartChild(start: { readonly monotonicMs?: number; readonly keeping?: number } = {}): void {
    this.wire.cut();
    this.child.restart({ driftPpm: this.#options.driftPpm?.child ?? 0, ...start });
    this.#lives += 1;
    this.uplink = this.newUplink();
  }

  /** Opens an allocation of the account that the child holds, on both sides. The lease counts from the parent's commit. */
  async grant(
    id: string,
    limits: LimitNumbers,
    deadline: { readonly durationMs?: number } = {},
  ): Promise<GrantHandover> {
    const outcome = await this.parent.run({ type: "grant", wish: this.wish(id, { ...limits, ...deadline }) });
    assert(outcome.type === "opened", `the grant of ${id} was not opened: ${JSON.stringify(outcome)}`);
    const grant = this.handover(outcome);
    await this.child.run(this.receive(grant));
    return grant;
  }

  wish(id: string, limits: LimitNumbers) {
    return {
      type: "open",
      caller: "parent-1",
      requestId: `open-${id}`,
      allocationId: id,
      token: undefined,
      parentId: "account",
      name: id,
      kind: "step",
      limits: limits as Limits,
      min: some({ credits: limits.credits ?? 0, toolCalls: limits.toolCalls ?? 0 }),
      priority: "NORMAL",
      weight: 1,
      policy: {},
      pooled: [],
      byHolder: false,
      holder: CHILD,
      leaseTtlMs: LIMITS.leaseTtlMs,
      waitMs: 0,
      strategy: undefined,
    } as const;
  }

  handover(outcome: OutcomeOf<"opened">): GrantHandover {
    return this.downlink.handoverTo(CHILD, outcome);
  }

  receive(grant: GrantHandover): CommandInput {
    const { holderMarkMs, ...rest } = grant;
    const leaseEndsAtMs = leaseOfGrant(grant, this.child.loop.nowMs());
    return { type: "receive_grant", ...rest, leaseEndsAtMs, peer: "parent", notes: [] };
  }

  reserve(
    allocationId: string,
    credits: number,
    options: { readonly holdId?: string; readonly ttlMs?: number } = {},
  ): CommandInput {
    this.#requests += 1;
    const { holdId = `hold-${this.#requests}`, ttlMs = LIMITS.holdTtlMs } = options;
    const wanted = some({ credits });
    const call = { allocationId, holdId, requestId: holdId, what: "model", name: "m" } as const;
    return { type: "reserve", ...call, wanted, min: wanted, ttlMs };
  }

  settle(allocationId: string, holdId: string, credits: number): CommandInput {
    const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
    const cost = { credits: credits as Amount, toolCalls: 0 as Amount, final: true };
    return { type: "settle", allocationId, holdId, ...cost, ...facts };
  }

  /** One call of the child at its true cost: reserved, then settled. */
  async spend(allocationId: string, credits: number): Promise<void> {
    const held = await this.child.run(this.reserve(allocationId, credits));
    assert(held.type === "held", `the reserve was not held: ${JSON.stringify(held)}`);
    await this.child.run(this.settle(allocationId, held.holdId, credits));
  }

  raise(requestId: string, allocationId: string, credits: number, more: Partial<GrantAsk> = {}): GrantAsk {
    const by = some({ credits });
    const target = { type: "raise", allocationId, epoch: 1, by } as const;
    const plain = { min: by, priority: "NORMAL", weight: 1, waitMs: 0, strategy: undefined, trace: undefined } as const;
    return { requestId, target, ...plain, ...more };
  }

  open(requestId: string, name: string, credits: number, more: Partial<GrantAsk> = {}): GrantAsk {
    const limits = { credits } as Limits;
    const target = { type: "open", parentId: "account", name, kind: undefined, limits } as const;
    const plain = {
      min: NOTHING,
      priority: "NORMAL",
      weight: 1,
      waitMs: 0,
      strategy: undefined,
      trace: undefined,
    } as const;
    return { requestId, target, ...plain, ...more };
  }

  /** Asks the parent and answers every answer, in a list that goes on growing. */
  ask(ask: GrantAsk): GrantAnswer[] {
    const answers: GrantAnswer[] = [];
    assert(
      this.uplink.ask(ask, (answer) => answers.push(answer)),
      "the uplink takes no more requests",
    );
    return answers;
  }
}
