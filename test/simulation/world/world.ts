/** Everything that exists in one simulation, and the first promise that was broken in it. */
import type { BudgetEvent } from "#budget";
import { Prng } from "#std";
import { VirtualClock } from "../../../shared/tier/testing/virtual-clock.ts";
import { Auditor } from "../auditor/auditor.ts";
import { isKnownGap } from "../known-gaps.ts";
import type { Carried } from "../network/network.ts";
import { Network } from "../network/network.ts";
import { Chance } from "./chance.ts";
import { type DaemonSpec, SimDaemon } from "./daemon.ts";
import { eventWords } from "./event-words.ts";
import { RunningHash } from "./running-hash.ts";
import { Story } from "./story.ts";
import { drawTemper, type Temper } from "./temper.ts";
import { Violation } from "./violation.ts";

export interface Counts {
  commits: number;
  messages: number;
  faults: number;
  restarts: number;
  calls: number;
  settled: number;
  runs: number;
  /** Broken promises that are known and passed over, by check. */
  gaps: number;
}

export class World {
  readonly chance: Chance;
  readonly temper: Temper;
  readonly clock = new VirtualClock();
  readonly network: Network;
  readonly auditor: Auditor;
  readonly hash = new RunningHash();
  readonly story: Story;
  readonly daemons: SimDaemon[] = [];
  readonly counts: Counts = { commits: 0, messages: 0, faults: 0, restarts: 0, calls: 0, settled: 0, runs: 0, gaps: 0 };
  /** The first promise that was broken. */
  violation: Violation | undefined;
  /** Told of every message. */
  onCarried: (carried: Carried) => void = () => undefined;
  /** Faults are over: from here on everything must come to an end. */
  healed = false;

  /** `temper`: absent, it is drawn by the seed. */
  constructor(seed: number | string, temper?: Temper) {
    this.chance = new Chance(new Prng(`simulation ${seed}`));
    this.temper = temper ?? drawTemper(this.chance.fork("temper"));
    this.story = new Story(() => this.clock.monotonicMs());
    this.network = new Network({
      clock: this.clock,
      prng: this.chance.fork("network").prng,
      onCarried: (carried) => this.#carried(carried),
      onEnded: (words) => this.hash.add(words),
    });
    this.auditor = new Auditor({
      engineTime: (owner) => this.#daemon(owner)?.engineTime,
      leaseLeft: (owner, allocationId) => this.#daemon(owner)?.leaseLeft(allocationId),
    });
  }

  addDaemon(spec: DaemonSpec): SimDaemon {
    const daemon = new SimDaemon(this, spec);
    this.daemons.push(daemon);
    return daemon;
  }

  #daemon(name: string): SimDaemon | undefined {
    return this.daemons.find(({ owner }) => owner === name);
  }

  #carried({ call, up, bytes }: Carried): void {
    const { path, from, to } = call.order;
    const [sender, receiver] = up ? [from, to] : [to, from];
    this.counts.messages += 1;
    this.onCarried({ call, up, bytes });
    this.hash.add(`${this.clock.monotonicMs()} ${sender}>${receiver} ${path}`, bytes);
    const daemon = this.daemons.find(({ address }) => address === sender);
    // What is repeated from an earlier life was checked when it was said.
    if (!daemon || (up && call.order.process !== daemon.process)) return;
    this.guard(() => this.auditor.said(daemon.owner, path, { direction: up ? "up" : "down", bytes }));
  }

  tellEvent(who: string, event: BudgetEvent): void {
    const told = eventWords(event);
    if (told) this.story.tell(who, told.what, told.about);
  }

  /** Runs a check; what it finds ends the simulation. */
  guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (error instanceof Violation) this.fail(error);
      else
        this.fail(new Violation("A0.auditor", error instanceof Error ? (error.stack ?? error.message) : String(error)));
    }
  }

  /** An actor of the simulation itself has failed. */
  actorFailed(who: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.fail(new Violation("A0.actor", `${who}: ${text}`, [who]));
  }

  fail(violation: Violation): void {
    if (isKnownGap(violation)) {
      this.counts.gaps += 1;
      return;
    }
    if (!this.violation) this.story.tell("auditor", violation.message);
    this.story.end();
    this.violation ??= violation;
  }
}
