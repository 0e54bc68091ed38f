/** Who does what next: the customers' wishes and everything that goes wrong, drawn by chance, one act at a time. */
import type { Customer } from "../actors/customer.ts";
import type { Worker } from "../actors/worker.ts";
import { KNOWN_GAP_FAULTS } from "../known-gaps.ts";
import { FAIR } from "../network/route.ts";
import type { Chance } from "../world/chance.ts";
import type { SimDaemon } from "../world/daemon.ts";
import type { Temper } from "../world/temper.ts";
import type { World } from "../world/world.ts";
import type { OldHellos } from "./old-hello.ts";

export interface Stage {
  readonly world: World;
  readonly customers: readonly Customer[];
  readonly workers: readonly Worker[];
  readonly oldHellos: OldHellos;
}

const ACTS = {
  run: 200,
  swarm: 14,
  preempt: 40,
  stopSwarm: 3,
  writeOff: 20,
  kill: 30,
  killSeveral: 5,
  cutPower: 24,
  stop: 14,
  drain: 6,
  diskFails: 8,
  diskSlow: 8,
  readFails: 5,
  loseJournal: 2,
  compact: 25,
  loseCalls: 40,
  cut: 25,
  weather: 12,
  storm: 10,
  oldHello: 12,
  wallJump: 6,
  workerVanishes: 20,
  workerStops: 10,
  workerComesBack: 20,
  limits: 30,
  nothing: 30,
} as const;

type Act = keyof typeof ACTS;

type Weights = { readonly [A in Act]: number };

const WEIGHTS: { readonly [T in Temper]: Weights } = {
  usual: ACTS,
  // The many are to be there at the same time.
  contended: { ...ACTS, run: 300, swarm: 8, preempt: 20, limits: 12 },
  named: { ...ACTS, run: 300 },
  // Little else goes wrong, so that work gets that far.
  stormy: {
    ...ACTS,
    storm: 120,
    kill: 5,
    killSeveral: 1,
    cutPower: 3,
    stop: 2,
    diskFails: 1,
    cut: 4,
    loseJournal: 0,
    preempt: 10,
  },
};

const WISHES: ReadonlySet<Act> = new Set(["run", "swarm", "preempt", "limits"]);

export class Director {
  readonly #stage: Stage;
  readonly #chance: Chance;
  readonly #fair: boolean;
  readonly #acts: { readonly [A in Act]: () => void };

  /** `fair`: only wishes, nothing goes wrong. */
  constructor(stage: Stage, fair: boolean) {
    this.#stage = stage;
    this.#fair = fair;
    this.#chance = stage.world.chance.fork("director");
    this.#acts = {
      ...this.#wishes(),
      ...this.#daemonFaults(),
      ...this.#networkFaults(),
      ...this.#workerActs(),
      nothing: () => undefined,
    };
  }

  /** Does the next act; answers how long to wait after it, in milliseconds. */
  act(): number {
    const act = this.#chance.weighted(WEIGHTS[this.#stage.world.temper]);
    const left = this.#fair ? !WISHES.has(act) : KNOWN_GAP_FAULTS.has(act);
    if (!left) this.#acts[act]();
    const pause = this.#chance.weighted({ short: 45, usual: 40, long: 13, veryLong: 2 });
    if (pause === "short") return this.#chance.between(0, 50);
    if (pause === "usual") return this.#chance.between(50, 500);
    return pause === "long" ? this.#chance.between(500, 3_000) : this.#chance.between(3_000, 25_000);
  }

  #wishes() {
    const customer = () => this.#chance.pick(this.#stage.customers);
    return {
      run: () => customer().runRoutine(),
      swarm: () => customer().makeSwarm(),
      preempt: () => customer().preempt(),
      limits: () => customer().updateLimits(),
      stopSwarm: () => customer().stopSwarm(),
      writeOff: () => {
        const silent = this.#stage.world.auditor.inDoubt();
        if (silent.length > 0) customer().writeOff(this.#chance.pick(silent));
      },
    };
  }

  #daemonFaults() {
    const chance = this.#chance;
    return {
      kill: () => this.#kill(this.#daemon()),
      killSeveral: () => {
        for (const daemon of this.#stage.world.daemons) if (chance.percent(50)) this.#kill(daemon);
      },
      cutPower: () => {
        const daemon = this.#daemon();
        if (!daemon.runs) return;
        this.#fault();
        if (daemon.spec.tier === "execution") {
          daemon.cutPowerAhead();
          return;
        }
        daemon.cutPower();
        this.#restart(daemon, 50, 4_000);
      },
      stop: () => {
        const daemon = this.#daemon();
        if (!daemon.serves || daemon.process?.stopped) return;
        this.#fault();
        daemon.stop();
        this.#later(chance.between(100, chance.percent(50) ? 3_000 : 40_000), () => daemon.continue());
      },
      drain: () => {
        const daemon = this.#daemon();
        if (!daemon.serves || daemon.process?.stopped) return;
        this.#fault();
        daemon.drain();
        this.#restart(daemon, 15_000, 25_000);
      },
      diskFails: () => {
        const daemon = this.#daemon();
        if (!daemon.serves) return;
        this.#fault();
        daemon.failDisk(chance.percent(50) ? "disk-full" : "io-error");
        this.#restart(daemon, 500, 8_000);
      },
      diskSlow: () => {
        const daemon = this.#daemon();
        this.#fault();
        daemon.slowDiskMs = chance.between(20, 800);
        this.#later(chance.between(500, 10_000), () => {
          daemon.slowDiskMs = 0;
        });
      },
      loseJournal: () => {
        const daemon = this.#daemon();
        if (daemon.spec.tier === "coordination") return;
        this.#fault();
        daemon.loseJournal();
        this.#restart(daemon, 100, 5_000);
      },
      readFails: () => this.#daemon().readFails(chance.between(1, 3)),
      compact: () => this.#daemon().compact(),
      wallJump: () => this.#daemon().process?.jumpWall(chance.percent(50) ? 3_600_000 : -3_600_000),
    };
  }

  #networkFaults() {
    const chance = this.#chance;
    const { world, oldHellos } = this.#stage;
    const { network } = world;
    return {
      loseCalls: () => {
        this.#fault();
        const part = chance.pick([10, 40, 100]);
        for (const call of network.calls) if (chance.percent(part)) network.lose(call, chance.pick([0, 200, 15_000]));
      },
      cut: () => {
        const daemon = this.#daemon();
        const above = daemon.spec.parent;
        if (above === undefined) return;
        this.#fault();
        const ways = [[daemon.address, above] as const, [above, daemon.address] as const];
        const cut = chance.percent(50) ? ways : [chance.pick(ways)];
        world.story.tell("network", `cuts ${cut.map((way) => way.join(" > ")).join(" and ")}`);
        for (const [from, to] of cut) network.cut(from, to);
        this.#later(chance.between(100, chance.percent(50) ? 5_000 : 45_000), () => {
          for (const [from, to] of cut) network.heal(from, to);
        });
      },
      weather: () => {
        this.#fault();
        network.setWeather({
          latencyMs: chance.pick([1, 20, 300]),
          delayedPerMille: chance.pick([0, 50, 200]),
          delayMsMax: chance.pick([100, 2_000, 20_000]),
          bytesPerMs: chance.percent(20) ? chance.between(1, 50) : 0,
        });
        this.#later(chance.between(1_000, 15_000), () => network.setWeather(FAIR));
      },
      storm: () => {
        this.#fault();
        network.setWeather({ latencyMs: 5, delayedPerMille: 250, delayMsMax: 15_000, bytesPerMs: 0 });
        // Somebody is gone and back while what was said to it, or by it, is still on its way.
        for (const daemon of [this.#daemon(), this.#daemon()]) {
          this.#later(chance.between(50, 2_000), () => this.#kill(daemon, 500));
        }
        for (const customer of this.#stage.customers) customer.runRoutine();
        this.#later(chance.between(3_000, 12_000), () => network.setWeather(FAIR));
      },
      oldHello: () => {
        this.#fault();
        const whose = oldHellos.repeat(network, chance);
        if (whose !== undefined) world.story.tell("network", `repeats an old hello of ${whose}`);
      },
    };
  }

  #workerActs() {
    const chance = this.#chance;
    const living = () => this.#stage.workers.filter(({ gone }) => !gone).slice(-12);
    const pick = (workers: readonly Worker[]) => (workers.length === 0 ? undefined : chance.pick(workers));
    return {
      workerVanishes: () => pick(living())?.vanish(),
      workerStops: () => {
        const process = pick(living())?.process;
        process?.stop();
        this.#later(chance.between(100, 20_000), () => process?.continue());
      },
      workerComesBack: () => pick(this.#stage.workers.filter(({ gone }) => gone).slice(-12))?.comeBack(),
    };
  }

  #daemon(): SimDaemon {
    return this.#chance.pick(this.#stage.world.daemons);
  }

  #kill(daemon: SimDaemon, backWithinMs = this.#chance.percent(80) ? 4_000 : 40_000): void {
    if (!daemon.runs) return;
    this.#fault();
    daemon.kill(this.#chance.pick([0, 50, 15_000]));
    this.#restart(daemon, 50, backWithinMs);
  }

  #restart(daemon: SimDaemon, fromMs: number, toMs: number): void {
    this.#later(this.#chance.between(fromMs, toMs), () => {
      if (daemon.runs) return;
      this.#stage.world.counts.restarts += 1;
      daemon.start();
    });
  }

  #fault(): void {
    this.#stage.world.counts.faults += 1;
  }

  #later(ms: number, act: () => void): void {
    this.#stage.world.clock.after(ms, act);
  }
}
