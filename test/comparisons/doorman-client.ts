/**
 * A client at a leaf: wants so much, holds what the leaf grants it under a lease, gives back what it is asked for or does not want, and asks
 * again while it has less than it wants. It uses nothing up: what it holds is a rate, as Doorman's capacity is.
 */
import { NO_USAGE } from "#budget";
import { assert } from "#std";
import { type ClientLine, LATENCY_MS, REFRESH_MS, type Server } from "./doorman-server.ts";
import { amounts } from "./engine.ts";

export class Client implements ClientLine {
  readonly name: string;
  readonly leaf: Server;
  readonly allocationId: string;
  readonly #onChange: () => void;
  /** A number with a fraction: it drifts by a tenth at a time. */
  drift: number;
  #granted = 0;
  #returned = 0;
  #leaseEndsAtMs = 0;
  #sequence = 0;
  #asks = 0;

  constructor(leaf: Server, { name, wants, onChange }: { name: string; wants: number; onChange: () => void }) {
    this.leaf = leaf;
    this.name = name;
    this.drift = wants;
    this.allocationId = `capacity-${name}`;
    this.#onChange = onChange;
    leaf.clients.set(name, this);
  }

  get wants(): number {
    return Math.round(this.drift);
  }

  /** What it may use now, by its own clock and its own account. */
  get has(): number {
    return this.leaf.clock.monotonicMs() < this.#leaseEndsAtMs ? this.#granted - this.#returned : 0;
  }

  async join(): Promise<void> {
    const { leaf } = this;
    const sentMs = leaf.clock.monotonicMs();
    const outcome = await leaf.tier.run({ type: "grant", wish: leaf.wishOf(this.allocationId, this.name, this.wants) });
    assert(outcome.type === "opened", `${this.name} is granted something: ${JSON.stringify(outcome)}`);
    this.#granted = outcome.grantedTotal.credits;
    this.#leaseEndsAtMs = sentMs + outcome.leaseTtlMs;
    this.#onChange();
    this.#refreshLater();
  }

  setWants(wants: number): void {
    this.drift = wants;
    this.#adjust();
  }

  granted({ grantedTotal }: Parameters<ClientLine["granted"]>[0]): void {
    this.leaf.clock.after(LATENCY_MS, () => this.#take(grantedTotal.credits));
  }

  reclaim({ amounts: { credits } }: Parameters<ClientLine["reclaim"]>[0]): void {
    this.leaf.clock.after(LATENCY_MS, () => this.#giveBack(credits));
  }

  #take(grantedTotal: number): void {
    this.#granted = Math.max(this.#granted, grantedTotal);
    this.#onChange();
    if (this.#granted - this.#returned > this.wants) this.#adjust();
  }

  /** It stops to use it before it says so. */
  #giveBack(credits: number): void {
    this.#returned += Math.min(credits, this.#granted - this.#returned);
    this.#onChange();
    this.#sendReturn();
  }

  #sendReturn(): void {
    const returnedTotal = amounts({ credits: this.#returned });
    const { allocationId, name: caller } = this;
    this.#send(() =>
      this.leaf.tier.loop.submit(
        { type: "receive_return", caller, allocationId, epoch: 1, returnedTotal },
        () => undefined,
      ),
    );
  }

  #adjust(): void {
    const holds = this.#granted - this.#returned;
    if (holds > this.wants) this.#giveBack(holds - this.wants);
    else if (holds < this.wants) this.#raise(this.wants - holds);
  }

  #raise(credits: number): void {
    this.#asks += 1;
    const { allocationId, name: caller } = this;
    const requestId = `${caller}-${this.#asks}`;
    const by = amounts({ credits });
    const wish = {
      type: "raise",
      caller,
      requestId,
      allocationId,
      epoch: 1,
      by,
      min: amounts({}),
      waitMs: 0,
      strategy: undefined,
    } as const;
    this.#send(() =>
      this.leaf.tier.loop.submit({ type: "grant", wish }, (outcome) => {
        if (outcome.type !== "raised") return;
        this.leaf.tier.process.after(LATENCY_MS, () => this.#take(outcome.grantedTotal.credits));
      }),
    );
  }

  #refreshLater(): void {
    this.leaf.clock.after(REFRESH_MS, () => {
      this.#renew();
      this.#sendReturn();
      this.#adjust();
      this.#refreshLater();
    });
  }

  #renew(): void {
    const sentMs = this.leaf.clock.monotonicMs();
    this.#sequence += 1;
    const { allocationId, name: caller } = this;
    const report = {
      type: "report_usage",
      caller,
      allocationId,
      epoch: 1,
      sequence: this.#sequence,
      usage: NO_USAGE,
      final: false,
    } as const;
    this.#send(() =>
      this.leaf.tier.loop.submit(report, (outcome) => {
        if (outcome.type !== "reported") return;
        this.leaf.tier.process.after(LATENCY_MS, () => {
          this.#leaseEndsAtMs = Math.max(this.#leaseEndsAtMs, sentMs + outcome.leaseTtlMs);
          this.#onChange();
        });
      }),
    );
  }

  #send(action: () => void): void {
    this.leaf.clock.after(LATENCY_MS, () => {
      if (this.leaf.up) action();
    });
  }
}
