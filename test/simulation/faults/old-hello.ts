/** What a child said at the beginning of its streams long ago arrives once more, as if its first connection had been delayed. */
import type { Carried, Network } from "../network/network.ts";
import type { Chance } from "../world/chance.ts";

interface Opening {
  readonly path: string;
  readonly from: string;
  readonly to: string;
  readonly metadata: Carried["call"]["order"]["metadata"];
  readonly messages: Buffer[];
}

const BUDGET = "/bursar.v1.BudgetService/";
const KEPT_MAX = 40;
const MESSAGES_MAX = 3;

export class OldHellos {
  readonly #openings: Opening[] = [];
  readonly #known = new WeakMap<Carried["call"], Opening>();

  /** Remembers the first messages of each stream of BudgetService. */
  hear({ call, up, bytes }: Carried): void {
    if (!up || !call.order.path.startsWith(BUDGET)) return;
    const known = this.#known.get(call);
    if (known) {
      if (known.messages.length < MESSAGES_MAX) known.messages.push(bytes);
      return;
    }
    const { path, from, to, metadata } = call.order;
    const opening = { path, from, to, metadata, messages: [] };
    this.#known.set(call, opening);
    this.#openings.push(opening);
    if (this.#openings.length > KEPT_MAX) this.#openings.shift();
  }

  /** Says again what one child said; both of its streams, as they were opened together. Answers whose hello it was. */
  repeat(network: Network, chance: Chance): string | undefined {
    const grants = this.#openings.filter(({ path, messages }) => path.endsWith("StreamGrants") && messages.length > 0);
    if (grants.length === 0) return undefined;
    const first = chance.pick(grants);
    const at = this.#openings.indexOf(first);
    const second = this.#openings
      .slice(at)
      .find(({ path, from }) => path.endsWith("StreamUsage") && from === first.from);
    if (!second) return undefined;
    // Nobody is behind it: what is answered is lost.
    const process = network.clock.process();
    for (const { path, from, to, metadata, messages } of [first, second]) {
      const call = network.open({ path, from, to, process, metadata, request: undefined, timeoutMs: undefined });
      call.client.on("error", () => undefined);
      call.client.resume();
      for (const bytes of messages) call.client.write(bytes);
      network.clock.after(chance.between(100, 5_000), () => network.lose(call, 100));
    }
    return first.from;
  }
}
