/** A child by the contract alone, on a wire of its own: says what it is told to say, true or not. */
import type { ChildLink, DownItem, HeldAllocation, Hello, UpItem } from "#ports";
import { assert } from "#std";
import { MemoryWire } from "./memory-link.ts";
import { some } from "./tier.ts";
import type { TwoTiers } from "./two-tiers.ts";

const NO_TRUE_USAGE = {
  overrunCredits: 0,
  overrunToolCalls: 0,
  branchesPeak: 0,
  memoryPeakBytes: 0,
  networkBytes: 0,
  diskBytes: 0,
  gpuMs: 0,
  callsPerTool: [],
  corrections: 0,
  provisional: false,
} as const;

/** Usage of so many credits, as a report tells it. */
export function used(credits: number): HeldAllocation["usage"] {
  return { ...NO_TRUE_USAGE, credits, toolCalls: 0 } as unknown as HeldAllocation["usage"];
}

/** An allocation in a hello. */
export function held(allocationId: string, more: Partial<HeldAllocation> = {}): HeldAllocation {
  const counters = { grantedTotal: some({}), returnedTotal: some({}) };
  return { allocationId, epoch: 1, usage: used(0), final: false, ...counters, ...more };
}

/** The hello that arrived at the parent last. */
export function lastHello({ wire }: TwoTiers): Hello {
  const item = wire.arrived.up.findLast(({ type }) => type === "hello");
  assert(item?.type === "hello", "no hello arrived");
  return item.hello;
}

export class RawChild {
  readonly link: ChildLink;
  readonly items: DownItem[] = [];
  closed = false;
  /** Why the parent ended the link, where it said so. */
  failure: Error | undefined;
  readonly #tiers: TwoTiers;

  /** Dials and says hello: as the child did last, but for what is given. */
  constructor(tiers: TwoTiers, hello: Partial<Hello> = {}) {
    this.#tiers = tiers;
    const wire = new MemoryWire({ clock: tiers.clock, accept: () => (end) => tiers.downlink.accept(end) });
    this.link = wire.dial();
    this.link.onItems((items) => this.items.push(...items));
    this.link.onClose((error) => {
      this.closed = true;
      this.failure = error;
    });
    this.link.send([{ type: "hello", hello: { ...lastHello(tiers), ...hello } }]);
  }

  /** The id of the welcome, once it is there. */
  async welcome(): Promise<string> {
    await this.#tiers.clock.settle();
    const item = this.items.find(({ type }) => type === "welcome");
    assert(item?.type === "welcome", "no welcome came");
    return item.welcome.welcomeId;
  }

  /** Answers the welcome, and then sends the items. */
  async answer(...items: readonly UpItem[]): Promise<void> {
    const welcomeId = await this.welcome();
    this.link.send([{ type: "mark", clockMarkMs: undefined, welcomeId }, ...items]);
    await this.#tiers.clock.settle();
  }
}
