/** A mesh to be struck: every daemon's way to every other goes through a proxy of its own, and so do the ways of clients and workers. */
import { join } from "node:path";
import { elapse } from "./elapse.ts";
import { LinkProxy } from "./link-proxy.ts";
import { Member } from "./member.ts";
import { type Blow, daemonsOf, linksOf } from "./round-plan.ts";

export interface FleetOptions {
  /** Folder of its journals. */
  readonly folder: string;
  readonly processes: 1 | 2;
  readonly checkInvariants: boolean;
  readonly leaseTtlMs: number;
  /** Folder in which the daemons' Node keeps what it compiled; starts take half the time with it. */
  readonly compileCache: string;
}

export class Fleet {
  readonly members: ReadonlyMap<string, Member>;
  readonly #links: ReadonlyMap<string, LinkProxy>;

  private constructor(members: ReadonlyMap<string, Member>, links: ReadonlyMap<string, LinkProxy>) {
    this.members = members;
    this.#links = links;
  }

  /** Opens the ways; the daemons are started by `up`. */
  static async open({ folder, processes, checkInvariants, leaseTtlMs, compileCache }: FleetOptions): Promise<Fleet> {
    const names = linksOf(processes);
    const proxies = await Promise.all(names.map(() => LinkProxy.open()));
    const links = new Map(names.map((name, at) => [name, proxies[at] as LinkProxy]));
    const members = new Map<string, Member>();
    for (const { name, tier, parent } of daemonsOf(processes)) {
      const files = tier === "coordination" ? ["--accounts", join("examples", "accounts.yaml")] : [];
      const lease = tier === "execution" ? [] : ["--lease-ttl-ms", String(leaseTtlMs)];
      const member = new Member({
        name,
        tier,
        folder,
        parent: links.get(`${name}>${parent}`)?.address,
        advertise: links.get(`${parent}>${name}`)?.address,
        arguments: [...files, ...lease, ...(checkInvariants ? ["--check-invariants"] : [])],
        environment: { NODE_COMPILE_CACHE: compileCache, NODE_OPTIONS: "--trace-warnings" },
        onServing: (address) => {
          for (const [link, proxy] of links) if (link.endsWith(`>${name}`)) proxy.pointTo(address);
        },
      });
      members.set(name, member);
    }
    return new Fleet(members, links);
  }

  /** Where clients dial coordination. */
  get address(): string {
    return this.#link("client>coordination").address;
  }

  /** Where a worker dials the execution daemon that advertises `address`. */
  workersWay(address: string): string {
    for (const [name, { address: advertised }] of this.#links) {
      const daemon = name.split(">")[1] ?? "";
      if (advertised === address && daemon.startsWith("execution")) return this.#link(`worker>${daemon}`).address;
    }
    return address;
  }

  /** Starts every daemon that is not up, and opens every way. */
  async up(): Promise<void> {
    for (const link of this.#links.values()) link.heal();
    await Promise.all([...this.members.values()].map((member) => member.up()));
  }

  /** SIGTERM to all, at once. */
  async end(): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member.end()));
  }

  /** Strikes; resolves when the daemon is up again and the way open, or `over` aborts. */
  async strike(blow: Blow, over: AbortSignal): Promise<void> {
    switch (blow.kind) {
      case "kill":
        await Promise.all(blow.daemons.map(({ name, ...how }) => this.#member(name).strike(how)));
        return;
      case "end":
        return this.#member(blow.daemon).renew(blow.downMs);
      case "pause": {
        const member = this.#member(blow.daemon);
        member.pause();
        await elapse(blow.forMs, over);
        member.resume();
        return;
      }
      case "cut": {
        const link = this.#link(blow.link);
        link.cut(blow.how);
        await elapse(blow.forMs, over);
        if (blow.lossy) link.reset();
        link.heal();
      }
    }
  }

  /** How often Node itself aborted a daemon. */
  aborts(): number {
    return [...this.members.values()].reduce((total, { aborts }) => total + aborts, 0);
  }

  faults(): string[] {
    return [...this.members.values()].flatMap(({ faults }) => faults);
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }

  #member(name: string): Member {
    const member = this.members.get(name);
    if (member === undefined) throw new Error(`no daemon ${name} in this mesh`);
    return member;
  }

  #link(name: string): LinkProxy {
    const link = this.#links.get(name);
    if (link === undefined) throw new Error(`no way ${name} in this mesh`);
    return link;
  }
}
