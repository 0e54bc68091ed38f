/**
 * Keeps one daemon running: starts it, starts it again after a pause when it dies by itself, and gives up when it cannot run at all
 * (bad configuration, no port, a journal it may not use) or dies too often.
 */
import type { Clock, IdSource } from "#ports";
import { backoffMs, LIMITS } from "#std";
import { type DaemonExit, type DaemonProcess, startDaemon } from "./daemon-process.ts";
import type { TierName } from "./mesh-file.ts";

export interface DaemonPlan {
  readonly tier: TierName;
  readonly program: string;
  /** Its arguments when it shall listen at `address`. */
  readonly args: (address: string) => readonly string[];
  readonly cwd: string;
  /** Where it listens at first; once a port was chosen it stays. */
  readonly listen: string;
}

export interface DaemonKeeperOptions {
  readonly plan: DaemonPlan;
  readonly clock: Clock;
  readonly ids: Pick<IdSource, "fraction">;
  readonly onLine: (line: string) => void;
  /** It serves, at first or again. */
  readonly onServing: (keeper: DaemonKeeper) => void;
  /** It died and is started again after `delayMs`. */
  readonly onRestart: (exit: DaemonExit, delayMs: number) => void;
  /** It will not be started again. */
  readonly onGivenUp: (exit: DaemonExit) => void;
}

/** Exit codes of a daemon for which starting it again does not help. */
const HOPELESS: Readonly<Record<number, string>> = {
  2: "its configuration is wrong",
  3: "its address is in use or not allowed",
  4: "its journal cannot be used",
};

const MINUTE_MS = 60_000;

export class DaemonKeeper {
  readonly tier: TierName;
  readonly #options: DaemonKeeperOptions;
  #address: string;
  #process: DaemonProcess | undefined;
  #diedAtMs: number[] = [];
  #running = false;
  #stopping = false;
  #cancelRestart: (() => void) | undefined;

  constructor(options: DaemonKeeperOptions) {
    this.#options = options;
    this.tier = options.plan.tier;
    this.#address = options.plan.listen;
  }

  get address(): string {
    return this.#address;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** False before its first start and once it has ended. */
  get running(): boolean {
    return this.#running;
  }

  /** Starts it for the first time. Resolves when it serves; an exit before that is its answer. */
  async start(): Promise<DaemonExit | undefined> {
    const daemon = this.#spawn();
    const { clock } = this.#options;
    const cancel = clock.after(LIMITS.daemonStartMs, () => daemon.kill("SIGKILL"));
    const address = await daemon.serving;
    cancel();
    if (address === undefined) return await daemon.ended;
    this.#serve(daemon, address);
    return undefined;
  }

  /** Sends SIGTERM and waits until it has ended; no restart from here on. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRestart?.();
    this.#process?.kill("SIGTERM");
    await this.#process?.ended;
  }

  /** Ends it at once. */
  kill(): void {
    this.#stopping = true;
    this.#cancelRestart?.();
    this.#process?.kill("SIGKILL");
  }

  #spawn(): DaemonProcess {
    const { plan, onLine } = this.#options;
    const { program, cwd } = plan;
    const daemon = startDaemon({ program, args: plan.args(this.#address), cwd, onLine });
    this.#process = daemon;
    this.#running = true;
    void daemon.ended.then(() => {
      if (this.#process === daemon) this.#running = false;
    });
    return daemon;
  }

  #serve(daemon: DaemonProcess, address: string): void {
    this.#address = address;
    this.#options.onServing(this);
    void daemon.ended.then((exit) => this.#died(exit));
  }

  #died(exit: DaemonExit): void {
    if (this.#stopping) return;
    const { clock, ids, onRestart, onGivenUp } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#diedAtMs = [...this.#diedAtMs.filter((atMs) => nowMs - atMs < MINUTE_MS), nowMs];
    const deaths = this.#diedAtMs.length;
    if (isHopeless(exit) || deaths > LIMITS.daemonRestartsPerMinuteMax) {
      onGivenUp(exit);
      return;
    }
    const [baseMs, maxMs] = [LIMITS.daemonRestartFirstMs, LIMITS.daemonRestartMaxMs];
    const delayMs = baseMs + backoffMs({ attempt: deaths - 1, baseMs, maxMs, random: ids.fraction() });
    onRestart(exit, delayMs);
    this.#cancelRestart = clock.after(delayMs, () => void this.#restart());
  }

  async #restart(): Promise<void> {
    const exit = await this.start();
    if (exit !== undefined) this.#died(exit);
  }
}

/** Whether starting it again would end the same way. */
export function isHopeless({ code, failure }: DaemonExit): boolean {
  return failure !== undefined || (code !== null && Object.hasOwn(HOPELESS, code));
}

/** "code 3: its address is in use or not allowed", "signal SIGKILL". */
export function exitText({ code, signal, failure }: DaemonExit): string {
  if (failure !== undefined) return `it could not be started: ${failure.message}`;
  if (code === null) return `signal ${signal ?? "unknown"}`;
  const meaning = HOPELESS[code];
  return meaning === undefined ? `code ${code}` : `code ${code}: ${meaning}`;
}
