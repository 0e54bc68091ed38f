/**
 * Runs one external command as a real subprocess in a session and group of its own, within its bounds, and answers only
 * when nothing of it is left. Nothing is inherited from the daemon: no environment, no terminal, no open file.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import { BoundedOutput } from "./bounded-output.ts";
import { CommandStartError, toCommandStartError } from "./command-start-error.ts";
import { guard } from "./guard.ts";
import { MARKER_VARIABLE } from "./process-table.ts";
import { beginCpuAccounts, claimReapedCpu } from "./reaped-cpu.ts";
import { TreeWatch, type UsageSample } from "./tree-watch.ts";

export interface CommandOptions {
  /** Program and arguments; the program is looked up on `env.PATH`. No shell is involved. */
  readonly command: readonly string[];
  /** Default: the daemon's own working directory. */
  readonly cwd?: string | undefined;
  /** The whole environment; BURSAR_COMMAND is added. */
  readonly env: Readonly<Record<string, string>>;
  /** Default: an empty input. A command that does not read all of it is no error. */
  readonly stdin?: Uint8Array | undefined;
  /** Default: no limit. Counted by `clock` from the start; beyond it the command is stopped ("wall_clock"). */
  readonly wallClockMs?: number | undefined;
  /**
   * Default: no limit. Of the whole tree: resident memory summed over its processes; where that exceeds the limit, pages
   * shared between processes are divided among them (PSS) before the command is stopped ("memory"). Looked at every
   * `sampleEveryMs`, so a peak between two looks can pass; well above the limit the grace is left out. Linux only.
   */
  readonly memoryBytesMax?: number | undefined;
  /** Bytes kept of each of stdout and stderr; the rest is read and dropped. */
  readonly outputBytesMax: number;
  /** Between SIGTERM and SIGKILL, and for what the command leaves running when it ends. */
  readonly graceMs: number;
  readonly clock: Clock;
  /** Called after each look at the processes until the command ends. Must not throw: if it does the command is killed. */
  readonly onUsage?: ((sample: UsageSample) => void) | undefined;
  /** Between two looks. The first come sooner. */
  readonly sampleEveryMs: number;
}

export interface CommandOutcome {
  /** Null when a signal ended it; then `signal` names it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** "memory", "wall_clock" or what `stop` was given; undefined when the command ended by itself. */
  readonly stoppedBy: string | undefined;
  /** Until the command itself ended; what it left running and its removal not included. */
  readonly elapsedMs: number;
  /** Highest sample; 0 when it ended before the first, and off Linux. */
  readonly memoryPeakBytes: number;
  /** User and system time of all its processes, to the kernel's tick (10 ms); 0 off Linux. */
  readonly cpuMs: number;
  /** Beginning and end, with a line between them where bytes were dropped. */
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly stdoutTruncated: boolean;
  readonly stderrTruncated: boolean;
  readonly stdoutDroppedBytes: number;
  readonly stderrDroppedBytes: number;
  /** Pids that SIGKILL did not end in time; empty but for processes stuck in the kernel. */
  readonly leftBehind: readonly number[];
}

export interface RunningCommand {
  /** Undefined when it did not start; then `finished` rejects. */
  readonly pid: number | undefined;
  /**
   * SIGTERM to all of its processes, after the grace SIGKILL. The first reason stands; a later call can only bring the
   * SIGKILL forward. Without effect once the command has ended. `graceMs` defaults to the command's own.
   */
  stop(reason: string, options?: { readonly graceMs: number }): void;
  /** All of its processes stand still (SIGSTOP) until `goOn` (SIGCONT) or `stop`; its time and its memory count on. */
  halt(): void;
  goOn(): void;
  /** Resolves when all of its processes are gone. Rejects with CommandStartError when it did not start. */
  readonly finished: Promise<CommandOutcome>;
}

interface Begun {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly watch: TreeWatch;
  readonly begunMs: number;
}

interface Exit {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly elapsedMs: number;
  readonly reapedCpuMs: number;
}

/** A reader that went away is the command's choice; anything else shows in how the command ends. */
function feed(stdin: Writable, input: Uint8Array): void {
  stdin.on("error", () => stdin.destroy());
  stdin.end(input);
}

function capture(stream: Readable | null, bytesMax: number): BoundedOutput {
  const output = new BoundedOutput(bytesMax);
  stream?.on("data", (chunk: Uint8Array) => output.push(chunk));
  stream?.on("error", () => stream.destroy()); // what came until then is kept
  return output;
}

function begin(options: CommandOptions, marker: string): ChildProcess {
  const [program = "", ...args] = options.command;
  if (program === "") throw new CommandStartError("invalid", "the command is empty: its first word names the program");
  try {
    guard.ready();
    return spawn(program, args, {
      ...(options.cwd !== undefined && { cwd: options.cwd }),
      detached: true, // leader of its own session and group
      env: { ...options.env, [MARKER_VARIABLE]: marker },
      stdio: [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      windowsHide: true,
    });
  } catch (error) {
    throw toCommandStartError(error, program, options.cwd);
  }
}

function notStarted(finished: Promise<never>): RunningCommand {
  const nothing = () => undefined;
  return { pid: undefined, stop: nothing, halt: nothing, goOn: nothing, finished };
}

/** Waits for the end of the output, which follows the last process at once, unless one was left behind. */
async function flushOutput(child: ChildProcess, closed: Promise<void>, clock: Clock): Promise<void> {
  const late = Promise.withResolvers<void>();
  const cancel = clock.after(LIMITS.processOutputFlushMs, late.resolve);
  await Promise.race([closed, late.promise]);
  cancel();
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
}

/** The command's own end, as its parent is told of it; its processes may go on. */
function exitOf({ child, watch, begunMs }: Begun, clock: Clock): Promise<Exit> {
  return new Promise((resolve) => {
    child.once("exit", (exitCode, signal) => {
      const elapsedMs = clock.monotonicMs() - begunMs;
      const reaped = claimReapedCpu(clock, watch.rootCpuMs);
      watch.rootEnded();
      void reaped.then((reapedCpuMs) => resolve({ exitCode, signal, elapsedMs, reapedCpuMs }));
    });
  });
}

async function follow(begun: Begun, options: CommandOptions): Promise<CommandOutcome> {
  const { child, watch } = begun;
  const { clock, graceMs, outputBytesMax, stdin, wallClockMs } = options;
  const exited = exitOf(begun, clock);
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const stdout = capture(child.stdout, outputBytesMax);
  const stderr = capture(child.stderr, outputBytesMax);
  if (child.stdin !== null && stdin !== undefined) feed(child.stdin, stdin);
  const cancelWallClock =
    wallClockMs === undefined ? undefined : clock.after(wallClockMs, () => watch.stop("wall_clock", graceMs));
  try {
    await watch.watch();
  } catch (fault) {
    watch.abandon();
    throw fault;
  } finally {
    cancelWallClock?.();
    await flushOutput(child, closed, clock);
    guard.forget(begun.pid);
  }
  const { reapedCpuMs, ...exit } = await exited;
  const out = stdout.capture();
  const err = stderr.capture();
  return {
    ...exit,
    stoppedBy: watch.stoppedBy,
    memoryPeakBytes: watch.memoryPeakBytes,
    cpuMs: Math.max(watch.cpuMs, reapedCpuMs + watch.survivorsCpuMs),
    stdout: out.bytes,
    stderr: err.bytes,
    stdoutTruncated: out.droppedBytes > 0,
    stderrTruncated: err.droppedBytes > 0,
    stdoutDroppedBytes: out.droppedBytes,
    stderrDroppedBytes: err.droppedBytes,
    leftBehind: watch.leftBehind,
  };
}

/** Starts `command` at once. Never throws: whatever goes wrong comes out of `finished`. */
export function runCommand(options: CommandOptions): RunningCommand {
  const { clock, graceMs, sampleEveryMs, memoryBytesMax, onUsage } = options;
  beginCpuAccounts();
  const marker = guard.nextMarker();
  const begunMs = clock.monotonicMs();
  let child: ChildProcess;
  try {
    child = begin(options, marker);
  } catch (error) {
    return notStarted(Promise.reject(error));
  }
  const { pid } = child;
  if (pid === undefined) {
    const failed = Promise.withResolvers<never>();
    child.once("error", (error) => failed.reject(toCommandStartError(error, options.command[0] ?? "", options.cwd)));
    return notStarted(failed.promise);
  }
  guard.watch(pid);
  const watch = new TreeWatch({
    rootPid: pid,
    marker,
    clock,
    begunMs,
    sampleEveryMs,
    graceMs,
    memoryBytesMax,
    onUsage,
  });
  const finished = follow({ child, pid, watch, begunMs }, options);
  return {
    pid,
    stop: (reason, how) => watch.stop(reason, how?.graceMs ?? graceMs),
    halt: () => watch.halt(),
    goOn: () => watch.goOn(),
    finished,
  };
}
