/**
 * Watches a command's processes from its start until the last of them is gone: measures them, keeps them within their memory,
 * and ends them. Ending is SIGTERM to all, then after the grace SIGKILL to all, again and again until none is left.
 *
 * W1 `watch` resolves only when a reading that began after the root had ended shows no living member, or when what
 *    survived SIGKILL for `processGoneMs` has been named in `leftBehind`.
 * W2 No signal goes to a pid or group that the newest reading does not show as the command's, except to the group of a
 *    root that has not been collected yet (its number cannot be another's).
 */
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import {
  type ProcessEntry,
  type ProcessTable,
  type ProcessTableReader,
  type ProcessUnits,
  readProportionalBytes,
  readUnits,
  sharedProcessTable,
} from "./process-table.ts";
import { treeMembers, treeUsage } from "./tree-members.ts";

export interface UsageSample {
  /** Since the command began. */
  readonly elapsedMs: number;
  /** Of all living processes of the command; see `memoryBytesMax`. */
  readonly memoryBytes: number;
  readonly memoryPeakBytes: number;
  /** Of all processes of the command so far; never falls. */
  readonly cpuMs: number;
}

export interface TreeWatchOptions {
  readonly rootPid: number;
  readonly marker: string;
  readonly clock: Clock;
  readonly begunMs: number;
  readonly sampleEveryMs: number;
  readonly graceMs: number;
  readonly memoryBytesMax: number | undefined;
  readonly onUsage: ((sample: UsageSample) => void) | undefined;
}

export class TreeWatch {
  readonly #options: TreeWatchOptions;
  readonly #reader: ProcessTableReader;
  readonly #units: ProcessUnits | undefined;
  #members: readonly ProcessEntry[] = [];
  /** Who has had SIGTERM: the group as a whole, and single pids. */
  #groupTold = false;
  readonly #told = new Set<number>();
  #rootCollected = false;
  #isOver = false;
  #isHalted = false;
  #killAtMs: number | undefined;
  #cancelKill: (() => void) | undefined;
  #killingSinceMs: number | undefined;
  #wake: (() => void) | undefined;
  /** Something happened while the loop was not pausing: the next pause is skipped. */
  #hasNews = false;
  #pauseMs: number = LIMITS.processLookFirstMs;
  /** Why the command was stopped; undefined when it ended by itself. */
  stoppedBy: string | undefined;
  memoryPeakBytes = 0;
  /** CPU time of all members as last seen, of the root and its collected children alone, and of those that outlived it. */
  cpuMs = 0;
  rootCpuMs = 0;
  survivorsCpuMs = 0;
  /** Living processes that SIGKILL did not end in time (stuck in the kernel). */
  leftBehind: readonly number[] = [];

  constructor(options: TreeWatchOptions) {
    this.#options = options;
    this.#reader = sharedProcessTable(options.clock);
    this.#units = process.platform === "linux" ? readUnits() : undefined;
  }

  /** Begins the ending, or brings the SIGKILL of one that has begun forward. The first reason stands. */
  stop(reason: string, graceMs: number): void {
    if (this.#isOver) return;
    if (!this.#rootCollected) this.stoppedBy ??= reason;
    this.#isHalted = false;
    if (this.#killAtMs === undefined) this.#tellGroup();
    const killAtMs = this.#options.clock.monotonicMs() + graceMs;
    if (this.#killAtMs !== undefined && this.#killAtMs <= killAtMs) return;
    this.#killAtMs = killAtMs;
    this.#cancelKill?.();
    this.#cancelKill = this.#options.clock.after(graceMs, () => this.#kill());
    this.#lookNow();
  }

  /** All of its processes stand still until `goOn` or the ending. Without effect once the ending has begun. */
  halt(): void {
    if (this.#isOver || this.#killAtMs !== undefined) return;
    this.#isHalted = true;
    if (!this.#rootCollected) signal(-this.#options.rootPid, "SIGSTOP");
    this.#haltStrays();
    this.#lookNow();
  }

  goOn(): void {
    if (!this.#isHalted) return;
    this.#isHalted = false;
    if (!this.#rootCollected) signal(-this.#options.rootPid, "SIGCONT");
    for (const { pid } of this.#living()) signal(pid, "SIGCONT");
  }

  /** Those that the group's signal did not reach; one that was begun between two looks is met at the next. */
  #haltStrays(): void {
    if (!this.#isHalted) return;
    for (const { pid, groupId } of this.#living()) if (groupId !== this.#options.rootPid) signal(pid, "SIGSTOP");
  }

  /** The root has ended and has been collected. */
  rootEnded(): void {
    this.#rootCollected = true;
    this.#lookNow();
  }

  /** Ends everything now; for faults. */
  abandon(): void {
    if (!this.#rootCollected) signal(-this.#options.rootPid, "SIGKILL");
    for (const { pid } of this.#living()) signal(pid, "SIGKILL");
    this.#end();
  }

  /** Resolves when the tree is gone (W1). Rejects when /proc cannot be read; then `abandon` is called for. */
  async watch(): Promise<void> {
    let emptyLooks = 0;
    let ageMsMax = 0;
    while (true) {
      const rootCollected = this.#rootCollected;
      const ending = rootCollected || this.#killAtMs !== undefined;
      const table = await this.#reader.read(ending ? 0 : ageMsMax);
      ageMsMax = this.#options.sampleEveryMs / 2;
      const members = this.#look(table, rootCollected);
      const living = this.#living();
      this.#haltStrays();
      if (rootCollected && living.length === 0) {
        emptyLooks += 1;
        // A process that ended while the table was read may have begun another that is not in it.
        const certain = table === undefined || !(table.vanished || members.length > 0);
        if (certain || emptyLooks === 2) break;
        continue;
      }
      emptyLooks = 0;
      if (table !== undefined) await this.#measure(members, rootCollected);
      if (ending && this.#driveEnding()) break;
      await this.#pause(ending ? LIMITS.processEndingLookMs : this.#options.sampleEveryMs);
    }
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.#cancelKill?.();
  }

  #look(table: ProcessTable | undefined, rootCollected: boolean): readonly ProcessEntry[] {
    const { rootPid, marker } = this.#options;
    this.#members =
      table === undefined
        ? groupStandIn(rootPid)
        : treeMembers({ table, rootPid, rootAlive: !rootCollected, marker, before: this.#members });
    return this.#members;
  }

  #living(): ProcessEntry[] {
    return this.#members.filter((member) => member.alive);
  }

  async #measure(members: readonly ProcessEntry[], rootCollected: boolean): Promise<void> {
    if (this.#units === undefined) return;
    const { rootPid, memoryBytesMax, onUsage, clock, begunMs } = this.#options;
    const { memoryBytes: residentBytes, cpuMs } = treeUsage(members, this.#units);
    if (rootCollected) {
      this.survivorsCpuMs = Math.max(this.survivorsCpuMs, cpuMs);
      return;
    }
    this.cpuMs = Math.max(this.cpuMs, cpuMs);
    const root = members.filter(({ pid }) => pid === rootPid);
    this.rootCpuMs = treeUsage(root, this.#units).cpuMs;
    let memoryBytes = residentBytes;
    if (memoryBytesMax !== undefined && residentBytes > memoryBytesMax) {
      memoryBytes = await proportionalBytes(members, this.#units);
      this.#enforceMemory(memoryBytes, memoryBytesMax);
    }
    this.memoryPeakBytes = Math.max(this.memoryPeakBytes, memoryBytes);
    const elapsedMs = clock.monotonicMs() - begunMs;
    onUsage?.({ elapsedMs, memoryBytes, memoryPeakBytes: this.memoryPeakBytes, cpuMs: this.cpuMs });
  }

  #enforceMemory(memoryBytes: number, memoryBytesMax: number): void {
    if (memoryBytes <= memoryBytesMax) return;
    const runsAway = memoryBytes * 100 > memoryBytesMax * LIMITS.processMemoryKillPercent;
    this.stop("memory", runsAway ? 0 : this.#options.graceMs);
  }

  /** One step of the ending; true when it has to be given up. */
  #driveEnding(): boolean {
    const { clock, graceMs } = this.#options;
    const living = this.#living();
    if (this.#killAtMs === undefined) this.stop("left over", graceMs);
    if (this.#killingSinceMs === undefined) {
      this.#tellStrays(living);
      return false;
    }
    if (clock.monotonicMs() - this.#killingSinceMs > LIMITS.processGoneMs) {
      this.leftBehind = living.map(({ pid }) => pid);
      return true;
    }
    for (const { pid } of living) signal(pid, "SIGKILL");
    return false;
  }

  /** SIGTERM to the group while its root holds the number; SIGCONT, as what is stopped would not hear it. */
  #tellGroup(): void {
    if (this.#rootCollected) return;
    this.#groupTold = true;
    signal(-this.#options.rootPid, "SIGTERM");
    signal(-this.#options.rootPid, "SIGCONT");
  }

  /** The same, once each, to living members that the group's signal did not reach. */
  #tellStrays(living: readonly ProcessEntry[]): void {
    for (const { pid, groupId } of living) {
      if (this.#told.has(pid)) continue;
      this.#told.add(pid);
      if (this.#groupTold && groupId === this.#options.rootPid) continue;
      signal(pid, "SIGTERM");
      signal(pid, "SIGCONT");
    }
  }

  #kill(): void {
    this.#killingSinceMs ??= this.#options.clock.monotonicMs();
    if (!this.#rootCollected) signal(-this.#options.rootPid, "SIGKILL");
    this.#lookNow();
  }

  #pause(pauseMsMax: number): Promise<void> {
    const pauseMs = Math.min(this.#pauseMs, pauseMsMax);
    this.#pauseMs = pauseMs * 2;
    if (this.#hasNews) {
      this.#hasNews = false;
      return Promise.resolve();
    }
    return new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(pauseMs, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    }).finally(() => {
      this.#wake = undefined;
    });
  }

  #lookNow(): void {
    this.#pauseMs = LIMITS.processLookFirstMs;
    if (this.#wake === undefined) this.#hasNews = true;
    else this.#wake();
  }
}

/** Where there is no table, the group stands for its members: one entry that a signal to its pid reaches. */
function groupStandIn(rootPid: number): ProcessEntry[] {
  if (!signal(-rootPid, 0)) return [];
  const ids = { pid: -rootPid, parentPid: 0, groupId: rootPid, sessionId: rootPid };
  return [{ ...ids, alive: true, startTicks: 0, cpuTicks: 0, residentPages: 0, marker: undefined }];
}

async function proportionalBytes(members: readonly ProcessEntry[], units: ProcessUnits): Promise<number> {
  const parts = members
    .filter(({ alive }) => alive)
    .map(async ({ pid, residentPages }) => (await readProportionalBytes(pid)) ?? residentPages * units.pageBytes);
  return (await Promise.all(parts)).reduce((sum, bytes) => sum + bytes, 0);
}

/** False when there is nobody to hear it, or nobody who has to (another user's, set free by its own set-uid). */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH" || code === "EPERM") return false;
    throw error;
  }
}
