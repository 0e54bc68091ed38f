/** The mesh of one state folder: its three daemons, started from the top down, kept running, and ended together. */
import { join } from "node:path";
import { LIMITS } from "#std";
import { CommandError } from "../command-error.ts";
import { badFile } from "../documents.ts";
import { EXIT } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { milliseconds } from "../view/amounts.ts";
import { type Style, styleFor } from "../view/style.ts";
import { DaemonKeeper, type DaemonPlan, exitText } from "./daemon-keeper.ts";
import { DaemonLog } from "./daemon-log.ts";
import type { DaemonExit } from "./daemon-process.ts";
import { readLogLine } from "./log-line.ts";
import { makeFolder } from "./make-folder.ts";
import { type MeshFile, readMeshFile, removeMeshFile, type TierName, writeMeshFile } from "./mesh-file.ts";
import { lockState, type MeshLock } from "./mesh-lock.ts";
import { daemonPlans, type MeshPlan } from "./mesh-plan.ts";

export interface MeshKeeperOptions extends MeshPlan {
  readonly session: Session;
  /** Shows all of the daemons' log lines and not only warnings and worse. */
  readonly verbose: boolean;
}

/** What a daemon logs when the one below it has said hello. */
const JOINED = new Set(["a process daemon is here", "an execution daemon is here"]);

/** Another mesh runs from the same state folder. */
export class MeshRunsError extends CommandError {
  override name = "MeshRunsError";
  readonly mesh: MeshFile | undefined;

  constructor(state: string, mesh: MeshFile | undefined) {
    const by =
      mesh === undefined ? "" : ` (process ${mesh.pids.supervisor}, coordination at ${mesh.addresses.coordination})`;
    super(`a mesh runs from the state folder ${state} already${by}`, {
      exitCode: EXIT.refused,
      advice: ["use it as it is, end it with Ctrl-C where it was started, or choose another folder with --state"],
    });
    this.mesh = mesh;
  }
}

/** Exit codes of a daemon that could not start with what it was told. */
const BAD_CONFIGURATION = 2;
export const NO_ADDRESS = 3;

/** A daemon could not be started. */
export class DaemonStartError extends CommandError {
  override name = "DaemonStartError";
  readonly exit: DaemonExit;

  constructor(tier: TierName, exit: DaemonExit, advice: readonly string[]) {
    const exitCode = exit.code === BAD_CONFIGURATION || exit.code === NO_ADDRESS ? EXIT.usage : EXIT.failed;
    super(`the ${tier} daemon did not start (${exitText(exit)})`, { exitCode, advice });
    this.exit = exit;
  }
}

export class MeshKeeper {
  /** Resolves when a daemon was given up; with why. */
  readonly givenUp: Promise<CommandError>;
  readonly #options: MeshKeeperOptions;
  readonly #style: Style;
  readonly #lock: MeshLock;
  readonly #keepers: DaemonKeeper[] = [];
  readonly #logs: DaemonLog[] = [];
  readonly #giveUp: (error: CommandError) => void;
  /** Who has not welcomed the daemon below it yet. */
  readonly #missing = new Set<TierName>(["coordination", "process"]);
  readonly #joined = Promise.withResolvers<"joined">();
  /** What daemons said that is not of the log's form, while they start: why they did not, if they did not. */
  readonly #heldBack: string[] = [];
  #up = false;

  private constructor(options: MeshKeeperOptions, lock: MeshLock) {
    this.#options = options;
    this.#style = styleFor(options.session.terminal.stderr);
    this.#lock = lock;
    const { promise, resolve } = Promise.withResolvers<CommandError>();
    [this.givenUp, this.#giveUp] = [promise, resolve];
  }

  /** Starts the mesh. Throws MeshRunsError, DaemonStartError or another CommandError; then nothing is left running. */
  static async start(options: MeshKeeperOptions): Promise<MeshKeeper> {
    const { state } = options;
    makeFolder(state);
    const lock = lockState(state);
    if (lock === undefined) throw new MeshRunsError(state, readMeshFile(state));
    const mesh = new MeshKeeper(options, lock);
    try {
      await mesh.#startAll();
      return mesh;
    } catch (error) {
      await mesh.stop();
      throw error;
    }
  }

  /** Where the daemons serve. */
  get file(): MeshFile {
    const of = <T>(value: (keeper: DaemonKeeper) => T): Record<TierName, T> =>
      Object.fromEntries(this.#keepers.map((keeper) => [keeper.tier, value(keeper)])) as Record<TierName, T>;
    return { addresses: of(({ address }) => address), pids: { supervisor: process.pid, ...of(({ pid }) => pid) } };
  }

  /**
   * Ends the daemons, all at the same time: each waits for what it gave to the one below. What has not ended after LIMITS.daemonStopMs
   * is killed, and a second Ctrl-C kills at once. Their journals lose nothing by it.
   */
  async stop(): Promise<void> {
    const { session, state } = this.#options;
    const { clock, interrupts, terminal } = session;
    this.#up = false;
    const kill = (why: string): void => {
      const left = this.#keepers.filter(({ running }) => running);
      if (left.length > 0) terminal.note(`${why}: killing ${left.map(({ tier }) => tier).join(", ")}`);
      for (const keeper of left) keeper.kill();
    };
    const hurry = (): void => kill("not waiting any longer");
    const cancel = clock.after(LIMITS.daemonStopMs, () => kill(`not ended after ${milliseconds(LIMITS.daemonStopMs)}`));
    interrupts.second.addEventListener("abort", hurry, { once: true });
    await Promise.all(this.#keepers.map((keeper) => keeper.stop()));
    cancel();
    interrupts.second.removeEventListener("abort", hurry);
    removeMeshFile(state);
    for (const log of this.#logs) log.close();
    this.#lock.release();
  }

  async #startAll(): Promise<void> {
    const addresses: Partial<Record<TierName, string>> = {};
    for (const plan of daemonPlans(this.#options, addresses)) {
      const keeper = this.#keeperOf(plan);
      this.#keepers.push(keeper);
      const exit = await keeper.start();
      if (exit !== undefined) throw new DaemonStartError(plan.tier, exit, this.#adviceFor(plan.tier, exit));
      addresses[plan.tier] = keeper.address;
    }
    await this.#untilJoined();
    this.#up = true;
    this.#writeFile();
    for (const text of this.#heldBack.splice(0)) this.#options.session.terminal.note(text);
  }

  #keeperOf(plan: DaemonPlan): DaemonKeeper {
    const { tier } = plan;
    const { terminal, clock, ids } = this.#options.session;
    const { warn } = this.#style;
    const onFailure = (failure: Error): void => terminal.note(failure.message);
    const log = new DaemonLog({ file: this.#logFile(tier), onFailure });
    this.#logs.push(log);
    return new DaemonKeeper({
      plan,
      clock,
      ids,
      onLine: (line) => this.#tell(tier, line, log),
      onServing: () => this.#writeFile(),
      onRestart: (exit, delayMs) =>
        terminal.note(warn(`${tier} ended (${exitText(exit)}); it is started again in ${milliseconds(delayMs)}`)),
      onGivenUp: (exit) => this.#giveUp(this.#givenUpError(tier, exit)),
    });
  }

  /** Waits until each daemon has been welcomed by the one above it: before that, work would find nobody to do it. */
  async #untilJoined(): Promise<void> {
    const { clock, terminal } = this.#options.session;
    const late = Promise.withResolvers<"late">();
    const cancel = clock.after(LIMITS.meshJoinMs, () => late.resolve("late"));
    const outcome = await Promise.race([this.#joined.promise, late.promise]);
    cancel();
    if (outcome === "late") terminal.note(this.#style.warn("the daemons run but have not found each other yet"));
  }

  /** Ports and process ids are known, or have changed. */
  #writeFile(): void {
    if (!this.#up) return;
    try {
      writeMeshFile(this.#options.state, this.file);
    } catch (cause) {
      this.#options.session.terminal.note(badFile("write", join(this.#options.state, "mesh.json"), cause).message);
    }
  }

  #tell(tier: TierName, line: string, log: DaemonLog): void {
    log.write(line);
    const { notable, isLog, message, text } = readLogLine(tier, line, this.#style);
    if (JOINED.has(message)) this.#missing.delete(tier);
    if (this.#missing.size === 0) this.#joined.resolve("joined");
    const { verbose, session } = this.#options;
    // Why a daemon does not start is said once, with its failure.
    if (!this.#up && notable && !isLog) this.#heldBack.push(text);
    else if (verbose || notable) session.terminal.note(text);
  }

  #givenUpError(tier: TierName, exit: DaemonExit): CommandError {
    const message = `the ${tier} daemon ended and is not started again (${exitText(exit)})`;
    return new CommandError(message, { exitCode: EXIT.failed, advice: this.#adviceFor(tier, exit) });
  }

  #adviceFor(tier: TierName, exit: DaemonExit): string[] {
    const ports = exit.code === NO_ADDRESS ? ["choose other ports with --port-base N (0: any free ones)"] : [];
    return [
      ...this.#heldBack.slice(-LIMITS.daemonLastWordsMax),
      ...ports,
      `its whole log is in ${this.#logFile(tier)}`,
    ];
  }

  #logFile(tier: TierName): string {
    return join(this.#options.state, "logs", `${tier}.log`);
  }
}
