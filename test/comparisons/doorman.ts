/**
 * Doorman's "scenario seven" (youtube/doorman, simulation/scenario_seven.py on the tree of scenario_five.py): a root, 3 regional and 9 leaf
 * servers, 45 clients, a capacity of 500, an hour, and every minute a mishap. Here with our loops, journals, links and leases on a virtual clock.
 *
 * Handed out is what clients hold, and what is promised to a server that is dead or whose lease is in question: that nobody else can have. What lies idle at
 * a server that lives, or is on its way, is not.
 */
import { assert, Prng } from "#std";
import { VirtualClock } from "../../shared/tier/testing/virtual-clock.ts";
import { Client } from "./doorman-client.ts";
import { Server } from "./doorman-server.ts";

export const DOORMAN = {
  capacity: 500,
  regions: 3,
  leavesPerRegion: 3,
  clientsPerLeaf: 5,
  wants: 14,
  /** Each client's wish drifts by up to a tenth every 10 s, and all of them together never want less than the capacity. */
  driftEveryMs: 10_000,
  driftPart: 0.1,
  mishapEveryMs: 60_000,
  spike: 100,
  /** A lost server has its successor after 0 … 60 s. */
  lostMsMax: 60_000,
  hourMs: 3_600_000,
  /** Its reporter looks every 5 s. */
  lookEveryMs: 5_000,
  published: { handedOutPercent: 96.6, overGrants: 14, peakPercent: 106.05, backWithinMs: 120_000 },
} as const;

const STEP_MS = 500;
/** In balance: the clients hold so much of the capacity. */
const BALANCED_PART = 0.98;

export interface DoormanOptions {
  readonly seed?: number;
  readonly hourMs?: number;
}

export interface Mishap {
  readonly atMs: number;
  readonly what: string;
  /** From when all servers are there again until the clients hold 98 % of the capacity; undefined: the hour was over first. */
  backMs: number | undefined;
}

export interface DoormanResult {
  /** Average over all looks, doubt counted as handed out; and of the clients' own accounts alone. */
  readonly handedOutPercent: number;
  readonly leastPercent: number;
  readonly atClientsPercent: number;
  /** Times at which clients held more than the capacity together: looked at whenever one of them has more. */
  readonly overGrants: number;
  readonly peakPercent: number;
  /** The peak if what a lost server had were given to others at once: what the lease of its clients is for. */
  readonly naivePeakPercent: number;
  readonly mishaps: readonly Mishap[];
  readonly backMsMost: number;
  /** Mishaps so near the end that nobody could see it. */
  readonly notBack: number;
  readonly demandLeast: number;
  /** Where what was not handed out lay, on average, in units. */
  readonly idle: {
    readonly root: number;
    readonly regions: number;
    readonly leaves: number;
    readonly onTheWay: number;
  };
}

export async function playDoorman(options: DoormanOptions = {}): Promise<DoormanResult> {
  const play = new DoormanPlay(options);
  await play.build();
  return await play.run();
}

class DoormanPlay {
  readonly #clock = new VirtualClock();
  readonly #prng: Prng;
  readonly #hourMs: number;
  readonly #root: Server;
  readonly #regions: Server[] = [];
  readonly #leaves: Server[] = [];
  readonly #clients: Client[] = [];
  readonly #mishaps: Mishap[] = [];
  readonly #returns = new Map<Server, number>();
  #movedAtMs = 0;
  #overGrants = 0;
  #isOver = false;
  #peak = 0;
  #naivePeak = 0;
  #demandLeast = Number.POSITIVE_INFINITY;
  readonly #looks: { handedOut: number; atClients: number }[] = [];
  readonly #idle = { root: 0, regions: 0, leaves: 0, onTheWay: 0 };

  constructor({ seed = 7, hourMs = DOORMAN.hourMs }: DoormanOptions) {
    this.#prng = new Prng(seed);
    this.#hourMs = hourMs;
    this.#root = new Server({ name: "root", clock: this.#clock });
  }

  async build(): Promise<void> {
    await this.#root.begin();
    await this.#root.openRoot(DOORMAN.capacity);
    for (let r = 1; r <= DOORMAN.regions; r += 1) {
      const region = await this.#join(
        { name: `region-${r}`, above: this.#root },
        DOORMAN.leavesPerRegion * DOORMAN.clientsPerLeaf,
      );
      this.#regions.push(region);
    }
    for (const region of this.#regions) {
      for (let l = 1; l <= DOORMAN.leavesPerRegion; l += 1) {
        this.#leaves.push(
          await this.#join({ name: `${region.name}-leaf-${l}`, above: region }, DOORMAN.clientsPerLeaf),
        );
      }
    }
    for (const leaf of this.#leaves) {
      for (let c = 1; c <= DOORMAN.clientsPerLeaf; c += 1) {
        const client = new Client(leaf, {
          name: `${leaf.name}-client-${c}`,
          wants: DOORMAN.wants,
          onChange: () => this.#count(),
        });
        this.#clients.push(client);
        await client.join();
      }
    }
  }

  async #join({ name, above }: { readonly name: string; readonly above: Server }, clients: number): Promise<Server> {
    const server = new Server({ name, clock: this.#clock, above });
    await server.begin();
    await server.join(clients * DOORMAN.wants);
    return server;
  }

  get #servers(): Server[] {
    return [this.#root, ...this.#regions, ...this.#leaves];
  }

  async run(): Promise<DoormanResult> {
    const startMs = this.#clock.monotonicMs();
    for (let atMs = STEP_MS; atMs <= this.#hourMs; atMs += STEP_MS) {
      await this.#clock.advance(startMs + atMs - this.#clock.monotonicMs());
      await this.#succeedDue(atMs);
      if (atMs % DOORMAN.driftEveryMs === 0) this.#drift();
      if (atMs % DOORMAN.mishapEveryMs === 0 && atMs < this.#hourMs) await this.#mishap(atMs);
      this.#seeBack(atMs);
      for (const server of this.#servers) server.adjust();
      if (atMs % DOORMAN.lookEveryMs === 0) this.#look();
    }
    return this.#result();
  }

  async #succeedDue(atMs: number): Promise<void> {
    for (const [server, dueMs] of this.#returns) {
      if (dueMs > atMs) continue;
      this.#returns.delete(server);
      await server.succeed();
      this.#movedAtMs = atMs;
    }
  }

  #drift(): void {
    for (const client of this.#clients) {
      const before = client.drift;
      const after = Math.max(1, before * (1 + DOORMAN.driftPart * (1 - 2 * this.#prng.float())));
      if (after >= before || this.#demand() - before + after >= DOORMAN.capacity + 1) client.setWants(after);
    }
    this.#demandLeast = Math.min(this.#demandLeast, this.#demand());
  }

  #demand(): number {
    return this.#clients.reduce((sum, { wants }) => sum + wants, 0);
  }

  /** What clients may use, by their own accounts. */
  #hold(): number {
    return this.#clients.reduce((sum, { has }) => sum + has, 0);
  }

  async #mishap(atMs: number): Promise<void> {
    const kind = this.#prng.pick(["spike", "lost", "succeeded"] as const);
    this.#movedAtMs = atMs;
    if (kind === "spike") {
      const client = this.#prng.pick(this.#clients);
      this.#mishaps.push({ atMs, what: `${client.name} wants ${DOORMAN.spike} more`, backMs: undefined });
      client.setWants(client.drift + DOORMAN.spike);
      return;
    }
    const server = this.#prng.pick(this.#servers.filter((one) => one.up));
    if (kind === "succeeded") {
      this.#mishaps.push({ atMs, what: `a successor of ${server.name} takes over`, backMs: undefined });
      await server.succeed();
      return;
    }
    const lostMs = this.#prng.below(DOORMAN.lostMsMax);
    this.#mishaps.push({ atMs, what: `${server.name} is lost for ${Math.round(lostMs / 1_000)} s`, backMs: undefined });
    server.die();
    this.#returns.set(server, atMs + lostMs);
  }

  /** Whenever a client has more or less. */
  #count(): void {
    const has = this.#hold();
    const given = this.#servers.reduce(
      (sum, { up, above, allocationId }) => sum + (up ? 0 : (above?.promisedTo(allocationId) ?? 0)),
      0,
    );
    this.#naivePeak = Math.max(this.#naivePeak, has + given);
    this.#peak = Math.max(this.#peak, has);
    const isOver = has > DOORMAN.capacity;
    if (isOver && !this.#isOver) this.#overGrants += 1;
    this.#isOver = isOver;
  }

  #seeBack(atMs: number): void {
    if (this.#returns.size > 0 || this.#hold() < BALANCED_PART * DOORMAN.capacity) return;
    for (const mishap of this.#mishaps) mishap.backMs ??= atMs - this.#movedAtMs;
  }

  #look(): void {
    this.#looks.push({ handedOut: this.#handedOut(this.#idle), atClients: this.#hold() });
  }

  /** Everything but what lies idle at servers that live and what is on its way between those; added up into `idle`. */
  #handedOut(idle: Record<keyof DoormanResult["idle"], number>): number {
    let lies = 0;
    const add = (where: keyof DoormanResult["idle"], units: number) => {
      idle[where] += units;
      lies += units;
    };
    const visit = (server: Server): void => {
      const where = server === this.#root ? "root" : this.#regions.includes(server) ? "regions" : "leaves";
      if (server.up) add(where, server.own?.books.credits.available ?? 0);
      for (const child of server.servers) {
        if (!child.hasLease) continue;
        if (server.up) add("onTheWay", server.promisedTo(child.allocationId) - (child.own?.books.credits.limit ?? 0));
        visit(child);
      }
    };
    visit(this.#root);
    return DOORMAN.capacity - lies;
  }

  #result(): DoormanResult {
    const looks = this.#looks.length;
    const percent = (units: number) => (100 * units) / DOORMAN.capacity;
    const average = (of: (look: { handedOut: number; atClients: number }) => number) =>
      percent(this.#looks.reduce((sum, look) => sum + of(look), 0) / looks);
    assert(looks > 0, "there was time to look");
    const { root, regions, leaves, onTheWay } = this.#idle;
    return {
      handedOutPercent: average(({ handedOut }) => handedOut),
      leastPercent: percent(Math.min(...this.#looks.map(({ handedOut }) => handedOut))),
      atClientsPercent: average(({ atClients }) => atClients),
      overGrants: this.#overGrants,
      peakPercent: percent(this.#peak),
      naivePeakPercent: percent(this.#naivePeak),
      mishaps: this.#mishaps,
      backMsMost: Math.max(0, ...this.#mishaps.flatMap(({ backMs }) => (backMs === undefined ? [] : [backMs]))),
      notBack: this.#mishaps.filter(({ backMs }) => backMs === undefined).length,
      demandLeast: this.#demandLeast,
      idle: { root: root / looks, regions: regions / looks, leaves: leaves / looks, onTheWay: onTheWay / looks },
    };
  }
}
