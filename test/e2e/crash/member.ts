/** One daemon of a mesh over all its lives: started, struck, and started again on its journal and at its address. */
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Daemon, startDaemon, type TierName } from "../mesh.ts";
import { faultsIn, isAbortOfNode } from "./daemon-faults.ts";
import { elapse } from "./elapse.ts";

export interface MemberOptions {
  readonly name: string;
  readonly tier: TierName;
  /** Folder of the mesh; the member has one of its own in it. */
  readonly folder: string;
  /** Where it dials the tier above. */
  readonly parent: string | undefined;
  /** Where the others dial it. */
  readonly advertise: string | undefined;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Called with its address each time it serves. */
  readonly onServing: (address: string) => void;
}

/** How long a daemon may take to end after SIGTERM: its drain, and a busy machine. */
const END_MS_MAX = 25_000;
/** Exit code of a daemon whose port is taken. */
const CANNOT_LISTEN = 3;

export class Member {
  readonly name: string;
  /** What no life of a daemon may leave behind: faults in its log, exit codes that are not documented. */
  readonly faults: string[] = [];
  /** How often Node itself aborted it. */
  aborts = 0;
  readonly #options: MemberOptions;
  /** The process there is, serving or still starting. */
  #pid: number | undefined;
  #paused = false;
  #address: string | undefined;
  /** One act after the other: its next life begins when the last one is over. */
  #acts: Promise<void> = Promise.resolve();
  #daemon: Daemon | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.name = options.name;
    mkdirSync(join(options.folder, options.name), { recursive: true });
  }

  /** Where it serves, once it has. */
  get address(): string {
    return this.#address ?? "";
  }

  /** Starts it where it is not up. Rejects with its log when it cannot start. */
  up(): Promise<void> {
    return this.#then(async () => {
      this.resume();
      if (this.#daemon === undefined) await this.#start();
    });
  }

  /** kill -9, down for a while, and up again; with `again` it is killed once more as it starts. */
  strike({ downMs, again }: { readonly downMs: number; readonly again: boolean }): Promise<void> {
    return this.#then(async () => {
      await this.#kill();
      await elapse(downMs);
      if (again) await this.#startInVain(downMs / 2);
      await this.#start();
    });
  }

  pause(): void {
    if (this.#pid === undefined) return;
    process.kill(this.#pid, "SIGSTOP");
    this.#paused = true;
  }

  resume(): void {
    if (this.#paused && this.#pid !== undefined) process.kill(this.#pid, "SIGCONT");
    this.#paused = false;
  }

  /** SIGTERM; it must end with 0. */
  end(): Promise<void> {
    return this.#then(() => this.#end());
  }

  /** SIGTERM, down for a while, and up again. */
  renew(downMs: number): Promise<void> {
    return this.#then(async () => {
      await this.#end();
      await elapse(downMs);
      await this.#start();
    });
  }

  #then(act: () => Promise<void>): Promise<void> {
    this.#acts = this.#acts.catch(() => undefined).then(act);
    return this.#acts;
  }

  /** At its address again; elsewhere when another program's connection has taken the port meanwhile, for the proxies know where. */
  async #start(): Promise<void> {
    try {
      await this.#startAt(this.#address);
    } catch (error) {
      if (this.#address === undefined || !String(error).includes(`ended with ${CANNOT_LISTEN}`)) throw error;
      await this.#startAt(undefined);
    }
  }

  async #startAt(listen: string | undefined): Promise<void> {
    const { tier, folder, name, parent, advertise, environment } = this.#options;
    const own = advertise === undefined ? [] : ["--advertise", advertise];
    const daemon = await startDaemon({
      tier,
      folder: join(folder, name),
      parent,
      environment,
      arguments: [...this.#options.arguments, ...own],
      ...(listen === undefined ? {} : { listen }),
      onSpawned: (pid) => {
        this.#pid = pid;
        this.#paused = false;
      },
    });
    this.#daemon = daemon;
    this.#address = daemon.address;
    this.#options.onServing(daemon.address);
    void daemon.exited.then((code) => this.#onExit(daemon, code));
  }

  /** Begins to start and is killed after `ms`, most often before it serves. */
  async #startInVain(ms: number): Promise<void> {
    const starting = this.#start();
    starting.catch(() => undefined);
    await elapse(ms);
    const pid = this.#pid;
    const daemon = this.#daemon;
    this.#forget();
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    // Killed before it served it could not start; killed later it did.
    await starting.catch(() => undefined);
    await daemon?.exited;
    this.#forget();
  }

  async #kill(): Promise<void> {
    const daemon = this.#daemon;
    this.#forget();
    await daemon?.end("SIGKILL");
  }

  async #end(): Promise<void> {
    const daemon = this.#daemon;
    if (daemon === undefined) return;
    this.resume();
    this.#forget();
    const ended = new AbortController();
    void daemon.end("SIGTERM").then(() => ended.abort());
    await elapse(END_MS_MAX, ended.signal);
    if (!ended.signal.aborted) {
      this.faults.push(`${this.name} did not end within ${END_MS_MAX} ms of SIGTERM`);
      await daemon.end("SIGKILL");
      return;
    }
    const code = await daemon.exited;
    if (code !== 0) this.faults.push(`${this.name} ended with ${code} after SIGTERM`);
  }

  /** An end that nobody asked for is a fault; the next life begins at once, as under any supervisor. */
  #onExit(daemon: Daemon, code: number | null): void {
    appendFileSync(join(this.#options.folder, this.name, "log.jsonl"), daemon.log());
    const aborted = code === null && isAbortOfNode(daemon.log());
    if (aborted) this.aborts += 1;
    else this.faults.push(...faultsIn(daemon.log()).map((fault) => `${this.name}: ${fault}`));
    if (this.#daemon !== daemon) return;
    this.#forget();
    if (!aborted) this.faults.push(`${this.name} ended by itself with ${code ?? "a signal"}`);
    this.up().catch((error: unknown) => this.faults.push(String(error)));
  }

  #forget(): void {
    this.#daemon = undefined;
    this.#pid = undefined;
    this.#paused = false;
  }
}
