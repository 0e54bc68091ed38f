/** One daemon over all its lives: the real code of its tier on a simulated clock, disk and network. */
import type { BudgetState } from "#budget";
import { type DaemonBase, type DaemonParts, type Log, parseDaemonSettings } from "#daemon";
import { RefusalError, refusal, type Tier } from "#errors";
import { JournalError } from "#journal";
import type { Commit, OpenedJournal } from "#ports";
import { LIMITS } from "#std";
import { NO_TELEMETRY } from "#telemetry";
import { TierResourceManager } from "#tier";
import { buildCoordination } from "../../../services/coordination/daemon.ts";
import { buildExecution } from "../../../services/execution/daemon.ts";
import { buildProcess } from "../../../services/process/daemon.ts";
import type { VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import type { Chance } from "./chance.ts";
import { idsOf } from "./ids.ts";
import { ObservedDisk } from "./observed-disk.ts";
import { Shadow } from "./shadow.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

export interface DaemonSpec {
  readonly name: string;
  readonly tier: Tier;
  /** Address of the tier above; undefined for coordination. */
  readonly parent: string | undefined;
  readonly accounts: string | undefined;
}

const BUILD: { readonly [T in Tier]?: (base: DaemonBase) => Promise<DaemonParts> } = {
  coordination: buildCoordination,
  process: buildProcess,
  execution: (base) => buildExecution(base, {}),
};

interface Life {
  readonly process: VirtualProcess;
  readonly loop: TierResourceManager;
  /** The state that the loop works with; it changes under whoever looks. */
  live: BudgetState | undefined;
  parts: DaemonParts | undefined;
  draining: boolean;
  serves: boolean;
}

export class SimDaemon {
  readonly spec: DaemonSpec;
  readonly address: string;
  readonly #world: World;
  readonly #chance: Chance;
  #shadow: Shadow;
  #disk: ObservedDisk;
  /** Journals that it has had: with another journal it is another holder. */
  #journals = 1;
  #life: Life | undefined;
  #lives = 0;
  /** How often its machine has been started. */
  #boots = 1;
  /** Loses power soon after the next hold that is answered before it is durable. */
  #powerCutAhead = false;
  /** The disk was told to fail: this life may end by a failed commit. */
  #diskFails = false;
  /** Syncs take this much longer. */
  slowDiskMs = 0;
  /** The next syncs take at least this long. */
  #heldBackMs = 0;

  constructor(world: World, spec: DaemonSpec) {
    this.#world = world;
    this.spec = spec;
    this.address = `${spec.name}:7400`;
    this.#chance = world.chance.fork(spec.name);
    this.#shadow = new Shadow(this.owner);
    this.#disk = this.#newDisk();
  }

  /** Its name, and that of its journal: what the auditor knows it by. */
  get owner(): string {
    return this.#journals === 1 ? this.spec.name : `${this.spec.name}#${this.#journals}`;
  }

  #newDisk(): ObservedDisk {
    return new ObservedDisk({
      clock: this.#world.clock,
      journalId: `journal-${this.owner}`,
      syncMs: () =>
        this.#heldBackMs +
        this.#chance.between(0, 3) +
        (this.slowDiskMs === 0 ? 0 : this.#chance.between(0, this.slowDiskMs)),
      watcher: {
        decided: (commit, bytes) => this.#decided(commit, bytes),
        written: (commit) => this.#written(commit),
        durable: (commit) => this.#durable(commit),
      },
    });
  }

  get runs(): boolean {
    return this.#life !== undefined;
  }

  get serves(): boolean {
    return this.#life?.serves ?? false;
  }

  get process(): VirtualProcess | undefined {
    return this.#life?.process;
  }

  /** Its engine time now; undefined while it is down. */
  get engineTime(): number | undefined {
    return this.#life?.loop.nowMs();
  }

  /** Milliseconds that it still counts of the lease of what it holds; undefined while it is down or has not taken its first turn. */
  leaseLeft(allocationId: string): number | undefined {
    const node = this.#life?.live?.allocations.get(allocationId);
    if (node?.leaseEndsAtMs === undefined || this.engineTime === undefined) return undefined;
    return node.leaseEndsAtMs - this.engineTime;
  }

  /** Starts a new life on the same disk. */
  start(): void {
    const { clock } = this.#world;
    if (this.#life) return;
    this.#lives += 1;
    this.#diskFails = false;
    const process = clock.process({
      monotonicMs: this.#chance.between(0, 1_000_000),
      driftPpm: this.#chance.between(-5_000, 5_000),
      wallAheadMs: this.#chance.between(-2_000, 2_000),
    });
    const loop = this.#openLoop(process);
    if (!loop) return;
    const life: Life = { process, loop, live: undefined, parts: undefined, draining: false, serves: false };
    this.#life = life;
    this.#tell(`starts (life ${this.#lives}, ${this.#shadow.commits} commits)`);
    this.#watch(life);
    this.#build(life).catch((error: unknown) => this.#fault(life, "could not be built", error));
  }

  /** The loop on what is on the disk; undefined when it cannot be read now, or makes no sense, which must not be. */
  #openLoop(process: VirtualProcess): TierResourceManager | undefined {
    const opened = this.#open(process);
    if (!opened) return undefined;
    try {
      const onFatal = (error: Error) => this.#onFatal(process, error);
      const bootId = this.spec.tier === "execution" ? `boot-${this.#boots}` : undefined;
      return new TierResourceManager({ opened, clock: process, onFatal, bootId });
    } catch (error) {
      this.#fail("A7.start", "does not start on its own journal", error);
      return undefined;
    }
  }

  #fail(check: string, what: string, error: unknown): void {
    const text = error instanceof Error ? error.stack : String(error);
    this.#world.fail(new Violation(check, `${this.owner} ${what}: ${text}`, [this.spec.name]));
  }

  #open(process: VirtualProcess): OpenedJournal | undefined {
    try {
      return this.#disk.open(process);
    } catch (error) {
      if (!(error instanceof JournalError) || error.reason !== "io-error") throw error;
      // Whoever starts daemons tries again.
      this.#tell(`does not start: ${error.message}`);
      this.#world.clock.after(1_000, () => this.start());
      return undefined;
    }
  }

  /** Takes hold of the loop's state; the first thing it is asked, so that nothing but its own ticks has changed it. */
  #watch(life: Life): void {
    life.loop
      .read((state) => state)
      .then((state) => {
        life.live = state;
        this.#world.guard(() => this.#shadow.compare(state, "after its start"));
      })
      .catch((error: unknown) => {
        if (this.#life === life) this.#fault(life, "could not be read", error);
      });
  }

  async #build(life: Life): Promise<void> {
    const base = this.#baseOf(life);
    const build = BUILD[this.spec.tier];
    const parts = await build?.(base);
    if (this.#life !== life || !parts) return;
    life.parts = parts;
    const admit = (method: string) => {
      if (!life.draining || !parts.beginsWork.includes(method)) return undefined;
      return refusal({ reason: "DRAINING", message: "draining", retryAfterMs: LIMITS.redialDelayMaxMs });
    };
    this.#world.network.listen({
      address: this.address,
      process: life.process,
      services: parts.services,
      admit,
      onError: ({ method, error }) => this.#fault(life, `failed at ${method}`, error),
    });
    life.serves = true;
    this.#tell("serves");
    parts.start(this.address);
  }

  #baseOf({ process, loop }: Life): DaemonBase {
    const { name, tier, parent, accounts } = this.spec;
    const argv = ["--journal", `/nowhere/${name}`, "--listen", this.address];
    if (parent !== undefined) argv.push("--parent", parent);
    if (accounts !== undefined) argv.push("--accounts", accounts);
    const parsed = parseDaemonSettings(tier, argv);
    if (!parsed.ok) throw new Error(parsed.problems.join("; "));
    const { settings } = parsed;
    const ids = idsOf(`${name}.${this.#lives}`, this.#chance.fork(`ids ${this.#lives}`));
    const connect = this.#world.network.connector(this.address, process);
    const instance = `${tier}-${loop.journalId}`;
    const rest = { log: this.#log(), telemetry: NO_TELEMETRY, connect, instance, incarnation: ids.newId() };
    return { settings, clock: process, ids, loop, ...rest };
  }

  #log(): Log {
    const life = () => this.#life;
    return {
      info: () => undefined,
      warn: (_facts, message) => this.#tell(`warns: ${message}`),
      error: (facts, message) => {
        const now = life();
        if (now) this.#fault(now, `logs an error: ${message}`, "err" in facts ? facts.err : undefined);
      },
    };
  }

  #decided(commit: Commit, bytes: Uint8Array): void {
    const name = this.owner;
    this.#world.hash.add(`${this.#world.clock.monotonicMs()} ${name} commits`, bytes);
    this.#world.counts.commits += 1;
    for (const event of commit.events) this.#world.tellEvent(name, event);
    this.#world.guard(() => this.#world.auditor.decided(name, commit.events));
  }

  #written(commit: Commit): void {
    this.#world.guard(() => this.#world.auditor.written(this.owner, commit.events));
    if (!this.#powerCutAhead) return;
    this.#powerCutAhead = false;
    this.#heldBackMs = 100;
    this.#world.clock.after(this.#chance.between(1, 80), () => {
      this.cutPower();
      this.#world.clock.after(this.#chance.between(50, 4_000), () => this.start());
    });
  }

  #durable(commit: Commit): void {
    const name = this.owner;
    this.#world.guard(() => {
      this.#shadow.durable(commit);
      this.#world.auditor.durable(name, commit.events, (id) => this.#shadow.state.allocations.get(id));
    });
    // Comparing whole states is dear: some of them will do, and the first after each start.
    if (this.#life?.live && this.#shadow.commits % 128 === 0) this.compare("at work");
  }

  /** A7, at a moment when nothing waits to become durable. */
  compare(when: string): void {
    const live = this.#life?.live;
    if (live && this.#disk.waiting === 0) this.#world.guard(() => this.#shadow.compare(live, when));
  }

  /** kill -9. Some of what was not synced may have reached the disk; what outlives the process has. */
  kill(learnWithinMs: number): void {
    if (!this.#life) return;
    this.#tell("is killed");
    const torn = this.#chance.percent(30) && this.#disk.outliving === 0;
    this.#end(learnWithinMs, () => {
      if (torn) this.#disk.tear(this.#chance.fraction());
      else this.#disk.crash(this.#chance.between(this.#disk.outliving, this.#disk.waiting));
    });
  }

  /** Its machine loses power, and is started again with it: what was not synced may be gone, whatever was said of it. */
  cutPower(): void {
    this.#boots += 1;
    if (!this.#life) return;
    this.#tell("loses power");
    const torn = this.#chance.percent(30);
    this.#end(this.#chance.between(0, 15_000), () => {
      if (torn) this.#disk.tear(this.#chance.fraction());
      else this.#disk.crash(this.#chance.percent(50) ? 0 : this.#chance.between(0, this.#disk.waiting));
    });
  }

  /** Loses power soon after it next answers a hold before that is durable. */
  cutPowerAhead(): void {
    this.#powerCutAhead = true;
  }

  #end(learnWithinMs: number, crashDisk: () => void): void {
    const process = this.#life?.process;
    process?.end();
    this.#life = undefined;
    crashDisk();
    this.#heldBackMs = 0;
    this.#world.auditor.died(this.owner);
    if (process) this.#world.network.vanish(process, learnWithinMs);
  }

  /** Its disk is gone with everything on it; it comes back with an empty one, as somebody else. */
  loseJournal(): void {
    if (this.#life) this.kill(50);
    this.#tell("loses its journal");
    this.#world.auditor.lost(this.owner);
    this.#journals += 1;
    this.#shadow = new Shadow(this.owner);
    this.#disk = this.#newDisk();
  }

  /** The next attempts to read its journal fail. */
  readFails(times: number): void {
    this.#disk.readFails(times);
  }

  /** Folds its journal into a snapshot, as it goes on. */
  compact(): void {
    this.#tell("compacts its journal");
    this.#disk.compact(this.#chance.between(0, 500), (error) =>
      this.#fail("A7.snapshot", "cannot be compacted", error),
    );
  }

  failDisk(reason: "disk-full" | "io-error"): void {
    if (!this.#life || this.#diskFails) return;
    this.#tell(`its disk fails: ${reason}`);
    this.#diskFails = true;
    // What was written is still read by the next life, and synced then.
    this.#disk.fail(reason, this.#chance.between(this.#disk.outliving, this.#disk.waiting));
  }

  #onFatal(process: VirtualProcess, error: Error): void {
    if (this.#life?.process !== process) return;
    this.#tell(`ends: ${error.message}`);
    if (!this.#diskFails)
      this.#world.fail(new Violation("A9.fatal", `${this.spec.name} ends: ${error.stack}`, [this.spec.name]));
    this.#end(50, () => this.#disk.crash(0));
  }

  stop(): void {
    this.#tell("is stopped (SIGSTOP)");
    this.#life?.process.stop();
  }

  continue(): void {
    if (!this.#life?.process.stopped) return;
    this.#tell("continues (SIGCONT)");
    this.#life.process.continue();
  }

  /** SIGTERM: hands back or finishes what it has, and ends. */
  drain(): void {
    const life = this.#life;
    if (!life?.parts || life.draining) return;
    life.draining = true;
    this.#tell("drains");
    this.#drain(life, life.parts).catch((error: unknown) => this.#fault(life, "could not drain", error));
  }

  async #drain(life: Life, parts: DaemonParts): Promise<void> {
    await parts.drain(LIMITS.drainGraceMs);
    if (this.#life !== life) return;
    await life.loop.close();
    if (this.#life !== life) return;
    this.#tell("has ended in peace");
    life.process.end();
    this.#life = undefined;
    this.#disk.closed();
    this.#world.network.vanish(life.process, 50);
  }

  #fault(life: Life, what: string, error: unknown): void {
    if (this.#life !== life) return;
    // A daemon that goes down refuses whoever still asks.
    if (error instanceof RefusalError && (this.#diskFails || life.draining)) return;
    this.#fail("A9.fault", what, error);
  }

  #tell(what: string): void {
    this.#world.story.tell(this.spec.name, what);
  }
}
