/**
 * The processes of this machine as /proc shows them, shared by all commands of the daemon: one reading serves whoever
 * asked before it began. Linux only; elsewhere there is no table.
 * Reading is cut into slices, so that a machine with many processes does not hold up the calls being metered.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Clock } from "#ports";
import { assert, LIMITS } from "#std";

/** Names the command that a process belongs to; every descendant inherits it unless it clears its environment. */
export const MARKER_VARIABLE = "BURSAR_COMMAND";

export interface ProcessEntry {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly sessionId: number;
  /** False for what has ended and only waits to be collected by its parent. */
  readonly alive: boolean;
  /** Clock ticks from boot to its start; with the pid it names the process for ever. */
  readonly startTicks: number;
  /** CPU time of the process and of the children that it has collected. */
  readonly cpuTicks: number;
  readonly residentPages: number;
  /** Value of BURSAR_COMMAND in its environment; empty when it has none or hides it, undefined while it is being loaded. */
  readonly marker: string | undefined;
}

export interface ProcessTable {
  readonly processes: ReadonlyMap<number, ProcessEntry>;
  /** Some process ended while the table was read: a child that it had just begun may be missing. */
  readonly vanished: boolean;
}

/** Sizes of /proc's units on this machine. */
export interface ProcessUnits {
  readonly pageBytes: number;
  readonly ticksPerSecond: number;
}

const AUXV_PAGE_SIZE = 6n;
const AUXV_TICKS_PER_SECOND = 17n;
const KERNEL_THREADS_PARENT = 2;
const statBuffer = Buffer.alloc(4096);

/** Page size and tick rate out of the auxiliary vector: the kernel's own word, as Node has no call for it. */
export function readUnits(): ProcessUnits {
  const vector = readFileSync("/proc/self/auxv");
  const values = new Map<bigint, bigint>();
  for (let at = 0; at + 16 <= vector.length; at += 16)
    values.set(vector.readBigUInt64LE(at), vector.readBigUInt64LE(at + 8));
  const pageBytes = Number(values.get(AUXV_PAGE_SIZE));
  const ticksPerSecond = Number(values.get(AUXV_TICKS_PER_SECOND));
  assert(pageBytes > 0 && ticksPerSecond > 0, "the kernel did not tell its page size and tick rate in /proc/self/auxv");
  return { pageBytes, ticksPerSecond };
}

/** The fields of /proc/PID/stat from the state on; the command name before them may hold spaces and parentheses. */
export function readStatFields(pid: number | "self"): string[] {
  const file = openSync(`/proc/${pid}/stat`, "r");
  try {
    const text = statBuffer.toString("latin1", 0, readSync(file, statBuffer, 0, statBuffer.length, 0));
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } finally {
    closeSync(file);
  }
}

/**
 * Bytes of `pid` with shared pages divided among those who share them (PSS); undefined when it is gone or the kernel
 * does not say. Dear: the kernel walks all its pages, so this is read only where it decides something.
 */
export async function readProportionalBytes(pid: number): Promise<number | undefined> {
  try {
    const match = /^Pss:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/smaps_rollup`, "latin1"));
    return match?.[1] === undefined ? undefined : Number(match[1]) * 1024;
  } catch {
    return undefined; // gone, another user's, or a kernel without the file: the caller has the resident size
  }
}

function readMarker(pid: number): string | undefined {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "latin1");
    if (environment === "") return undefined;
    const entry = environment.split("\0").find((variable) => variable.startsWith(`${MARKER_VARIABLE}=`));
    return entry?.slice(MARKER_VARIABLE.length + 1) ?? "";
  } catch {
    return ""; // another user's, or gone: nothing of ours either way
  }
}

/** Reads the table for every command that shares `clock`. */
export class ProcessTableReader {
  readonly #clock: Clock;
  #latest: { readonly table: ProcessTable; readonly begunMs: number } | undefined;
  #pending: Promise<ProcessTable> | undefined;
  #active: Promise<ProcessTable> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A table at most `ageMsMax` old; with 0, one that is read entirely after this call. Undefined off Linux. */
  read(ageMsMax: number): Promise<ProcessTable | undefined> {
    if (process.platform !== "linux") return Promise.resolve(undefined);
    const latest = this.#latest;
    if (ageMsMax > 0 && latest !== undefined && this.#clock.monotonicMs() - latest.begunMs <= ageMsMax) {
      return Promise.resolve(latest.table);
    }
    this.#pending ??= this.#readNext();
    return this.#pending;
  }

  async #readNext(): Promise<ProcessTable> {
    const busy = this.#active;
    if (busy !== undefined) await Promise.allSettled([busy]);
    await this.#turn(); // whoever asks until then shares this reading
    this.#active = this.#pending;
    this.#pending = undefined;
    try {
      return await this.#scan();
    } finally {
      this.#active = undefined;
    }
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve));
  }

  async #scan(): Promise<ProcessTable> {
    const begunMs = this.#clock.monotonicMs();
    const before = this.#latest?.table.processes ?? new Map<number, ProcessEntry>();
    const processes = new Map<number, ProcessEntry>();
    let vanished = false;
    let inSlice = 0;
    for (const name of readdirSync("/proc")) {
      const pid = Number(name);
      if (!Number.isInteger(pid)) continue;
      if (inSlice === LIMITS.processScanSliceMax) {
        await this.#turn();
        inSlice = 0;
      }
      inSlice += 1;
      const entry = readEntry(pid, before.get(pid));
      if (entry === "gone") vanished = true;
      else if (entry !== "hidden") processes.set(pid, entry);
    }
    const table = { processes, vanished };
    this.#latest = { table, begunMs };
    return table;
  }
}

function readEntry(pid: number, before: ProcessEntry | undefined): ProcessEntry | "gone" | "hidden" {
  let fields: string[];
  try {
    fields = readStatFields(pid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return "gone";
    if (code === "EACCES" || code === "EPERM") return "hidden"; // another user's, under hidepid
    throw error;
  }
  // Numbers as in proc_pid_stat(5), counted from field 3, the state.
  const at = (field: number): number => Number(fields[field - 3] ?? 0);
  const parentPid = at(4);
  const startTicks = at(22);
  const fromKernel = pid === KERNEL_THREADS_PARENT || parentPid === KERNEL_THREADS_PARENT;
  const known = before?.startTicks === startTicks ? before.marker : undefined;
  return {
    pid,
    parentPid,
    groupId: at(5),
    sessionId: at(6),
    // A process whose first thread has ended lives on in the others.
    alive: !/^[ZXx]/.test(fields[0] ?? "") || at(20) > 1,
    startTicks,
    cpuTicks: at(14) + at(15) + at(16) + at(17),
    residentPages: at(24),
    marker: known ?? (fromKernel ? "" : readMarker(pid)),
  };
}

const readers = new WeakMap<Clock, ProcessTableReader>();

/** The one reader that all commands with this clock share: there is one /proc, and reading it per command would add up. */
export function sharedProcessTable(clock: Clock): ProcessTableReader {
  let reader = readers.get(clock);
  if (reader === undefined) {
    reader = new ProcessTableReader(clock);
    readers.set(clock, reader);
  }
  return reader;
}
