import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Clock } from "#ports";
import { realClock } from "./fixtures/real-clock.ts";
import { isHalted, isRunning, openRollCall, type RollCall } from "./fixtures/roll-call.ts";
import { type CommandOptions, type CommandOutcome, runCommand, type UsageSample } from "./index.ts";

const MIB = 1024 * 1024;
const onLinux = process.platform === "linux";

let roll: RollCall;
beforeEach(async () => {
  roll = await openRollCall();
});
afterEach(() => roll.close());

function run(command: readonly string[], more: Partial<CommandOptions> = {}) {
  const env = { PATH: process.env.PATH ?? "" };
  const bounds = { outputBytesMax: MIB, graceMs: 5_000, sampleEveryMs: 20 };
  return runCommand({ command, env, clock: realClock, ...bounds, ...more });
}

const node = (script: string, more?: Partial<CommandOptions>) => run([process.execPath, "-e", script], more);
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** The pids of these roles, once all have arrived. */
async function pidsOf(...roles: string[]): Promise<number[]> {
  return (await Promise.all(roles.map((role) => roll.arrived(role)))).map(({ pid }) => pid);
}

describe("a command", () => {
  it("gets its input and gives its output, its errors and its exit code", async () => {
    const command = run(["sh", "-c", "cat; echo oops >&2; exit 3"], { stdin: Buffer.from("hello") });
    expect(command.pid).toBeGreaterThan(1);
    const outcome = await command.finished;
    expect(outcome).toMatchObject({ exitCode: 3, signal: null, stoppedBy: undefined, leftBehind: [] });
    expect(text(outcome.stdout)).toBe("hello");
    expect(text(outcome.stderr)).toBe("oops\n");
    expect(outcome.elapsedMs).toBeGreaterThan(0);
  });

  it("sees an empty input when it is given none", async () => {
    expect(await run(["cat"]).finished).toMatchObject({ exitCode: 0, stdoutTruncated: false, stdoutDroppedBytes: 0 });
  });

  it("runs in its folder, with its environment and nothing of the daemon's", async () => {
    const folder = await mkdtemp(join(tmpdir(), "command-"));
    process.env.SECRET_OF_THE_DAEMON = "yes";
    const outcome = await run([process.execPath, "-p", "[process.cwd(), ...Object.keys(process.env).sort()].join()"], {
      cwd: folder,
      env: { GREETING: "hi" },
    }).finished;
    delete process.env.SECRET_OF_THE_DAEMON;
    expect(text(outcome.stdout)).toBe(`${folder},BURSAR_COMMAND,GREETING\n`);
    await rm(folder, { recursive: true });
  });

  it("that kills itself is reported by the signal", async () => {
    expect(await node("process.kill(process.pid, 'SIGKILL')").finished).toMatchObject({
      exitCode: null,
      signal: "SIGKILL",
      stoppedBy: undefined,
    });
  });

  it("may leave its input unread", async () => {
    const outcome = await run(["true"], { stdin: Buffer.alloc(8 * MIB) }).finished;
    expect(outcome.exitCode).toBe(0);
  });

  it("that floods its output is never blocked; its beginning and end are kept, the rest is counted", async () => {
    const script = `
      const { writeSync } = require("node:fs");
      const block = Buffer.alloc(65536, "x");
      const all = (fd, bytes) => { for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at); };
      all(1, Buffer.from("BEGIN"));
      for (let count = 0; count < 640; count += 1) all(1, block);
      all(1, Buffer.from("END"));`;
    const { exitCode, stdout, stdoutTruncated, stdoutDroppedBytes } = await node(script, { outputBytesMax: 1000 })
      .finished;
    expect(exitCode).toBe(0);
    expect(stdoutTruncated).toBe(true);
    expect(text(stdout)).toMatch(/^BEGINx+\n\[\d+ bytes dropped\]\nx+END$/);
    expect(stdout.length).toBe(1000);
    const note = `\n[${stdoutDroppedBytes} bytes dropped]\n`;
    expect(stdout.length - note.length + stdoutDroppedBytes).toBe(640 * 65536 + 8);
  });
});

describe("a command that cannot start", () => {
  const failure = (command: readonly string[], more?: Partial<CommandOptions>) =>
    run(command, more).finished.then(
      () => undefined,
      (error: unknown) => error,
    );

  it("is told apart by its reason", async () => {
    const folder = await mkdtemp(join(tmpdir(), "command-"));
    const file = join(folder, "plain.sh");
    await writeFile(file, "#!/no/such/interpreter\n");
    expect(await failure(["no-such-program"])).toMatchObject({ name: "CommandStartError", reason: "not_found" });
    expect(await failure([file])).toMatchObject({
      reason: "not_executable",
      message: expect.stringContaining("chmod"),
    });
    await chmod(file, 0o755);
    expect(await failure([file])).toMatchObject({ reason: "not_found" });
    expect(await failure(["true"], { cwd: join(folder, "none") })).toMatchObject({ reason: "no_directory" });
    expect(await failure(["true"], { cwd: file })).toMatchObject({ reason: "no_directory" });
    expect(await failure(["true", "x".repeat(4 * MIB)])).toMatchObject({ reason: "too_long" });
    expect(await failure([])).toMatchObject({ reason: "invalid" });
    expect(await failure(["true", "a\0b"])).toMatchObject({ reason: "invalid" });
    await rm(folder, { recursive: true });
  });

  it("has no pid, and stopping it does nothing", async () => {
    const command = run(["no-such-program"]);
    expect(command.pid).toBeUndefined();
    command.stop("too late");
    await expect(command.finished).rejects.toThrow(/"no-such-program" was not found/);
  });
});

describe("a command that is stopped", () => {
  it("may end by itself within its grace", async () => {
    const command = run(roll.command({ role: "polite", exitsOnSigterm: 7 }), { graceMs: 60_000 });
    await roll.arrived("polite");
    command.stop("preempted");
    command.stop("another reason");
    expect(await command.finished).toMatchObject({ exitCode: 7, signal: null, stoppedBy: "preempted" });
  });

  it("is killed after its grace when it ignores SIGTERM, with all that it began", async () => {
    const stubborn = { ignoresSigterm: true };
    const children = [
      { role: "child", ...stubborn },
      { role: "strayed child", ...stubborn, leavesSession: true },
    ];
    const command = run(roll.command({ role: "root", ...stubborn, children }), { graceMs: 200 });
    const pids = await pidsOf("root", "child", "strayed child");
    const begunMs = performance.now();
    command.stop("preempted");
    expect(await command.finished).toMatchObject({ exitCode: null, signal: "SIGKILL", stoppedBy: "preempted" });
    expect(performance.now() - begunMs).toBeGreaterThanOrEqual(199);
    expect(pids.filter(isRunning)).toEqual([]);
  });

  it("is killed sooner when a later call shortens the grace, never later", async () => {
    const command = run(roll.command({ role: "root", ignoresSigterm: true }), { graceMs: 60_000 });
    await roll.arrived("root");
    command.stop("preempted");
    command.stop("emergency", { graceMs: 0 });
    command.stop("again", { graceMs: 60_000 });
    expect(await command.finished).toMatchObject({ signal: "SIGKILL", stoppedBy: "preempted" });
  });

  it("hears it even while it is suspended", async () => {
    const command = run(roll.command({ role: "root", exitsOnSigterm: 7 }), { graceMs: 60_000 });
    const { pid } = await roll.arrived("root");
    process.kill(pid, "SIGSTOP");
    command.stop("preempted");
    expect(await command.finished).toMatchObject({ exitCode: 7 });
  });

  it("is stopped by its wall clock", async () => {
    const outcome = await run(roll.command({ role: "root" }), { wallClockMs: 150 }).finished;
    expect(outcome).toMatchObject({ stoppedBy: "wall_clock", signal: "SIGTERM" });
    expect(outcome.elapsedMs).toBeGreaterThanOrEqual(149);
  });

  it("may be stopped at once", async () => {
    const command = run(roll.command({ role: "root" }));
    command.stop("at once");
    expect(await command.finished).toMatchObject({ stoppedBy: "at once" });
  });

  it("leaves no timer behind, even when it is stopped again after its end", async () => {
    let timers = 0;
    const clock: Clock = {
      ...realClock,
      after: (delayMs, action) => {
        timers += 1;
        let counted = true;
        const uncount = () => {
          if (counted) timers -= 1;
          counted = false;
        };
        const cancel = realClock.after(delayMs, () => {
          uncount();
          action();
        });
        return () => {
          uncount();
          cancel();
        };
      },
    };
    const command = run(roll.command({ role: "root" }), { clock, wallClockMs: 600_000, graceMs: 600_000 });
    await roll.arrived("root");
    expect(timers).toBeGreaterThan(0);
    command.stop("preempted");
    await command.finished;
    command.stop("again");
    expect(timers).toBe(0);
  });
});

describe.runIf(onLinux)("a command that is halted", () => {
  const children = [{ role: "child" }, { role: "strayed child", leavesSession: true }];

  it("stands still with all that it began, and goes on", async () => {
    const command = run(roll.command({ role: "root", exitsWhenDismissed: 4, children }), { graceMs: 100 });
    const pids = await pidsOf("root", "child", "strayed child");
    command.halt();
    await vi.waitFor(() => expect(pids.map(isHalted)).toEqual([true, true, true]));
    (await roll.arrived("root")).dismiss();
    command.goOn();
    expect(await command.finished).toMatchObject({ exitCode: 4, stoppedBy: undefined });
    expect(pids.filter(isRunning)).toEqual([]);
  });

  it("hears a stop all the same, and cannot be halted again", async () => {
    const command = run(roll.command({ role: "root", exitsOnSigterm: 7, children }), { graceMs: 60_000 });
    const pids = await pidsOf("root", "child", "strayed child");
    command.halt();
    await vi.waitFor(() => expect(pids.map(isHalted)).toEqual([true, true, true]));
    command.stop("preempted");
    command.halt();
    expect(await command.finished).toMatchObject({ exitCode: 7, stoppedBy: "preempted" });
    command.goOn();
  });
});

describe.runIf(onLinux)("what a command leaves running", () => {
  const polite = { exitsOnSigterm: 0 };

  it("is asked to end, then killed, before the command counts as finished", async () => {
    const children = [
      { role: "polite", ...polite, keepsOutputOpen: true },
      { role: "stubborn", ignoresSigterm: true, keepsOutputOpen: true },
    ];
    const command = run(roll.command({ role: "root", exitsWhenDismissed: 5, children }), { graceMs: 500 });
    const pids = await pidsOf("root", "polite", "stubborn");
    (await roll.arrived("root")).dismiss();
    expect(await command.finished).toMatchObject({ exitCode: 5, stoppedBy: undefined, leftBehind: [] });
    expect(pids.filter(isRunning)).toEqual([]);
  });

  it("is found although it left the session and its parent is gone", async () => {
    const grandchild = { role: "grandchild", ignoresSigterm: true, leavesSession: true };
    const child = { role: "child", exitsAtOnce: 0, leavesSession: true, children: [grandchild] };
    const command = run(roll.command({ role: "root", ...polite, children: [child] }), { graceMs: 200 });
    const pids = await pidsOf("root", "child", "grandchild");
    command.stop("preempted");
    await command.finished;
    expect(pids.filter(isRunning)).toEqual([]);
  });

  it("is found although it left the session and cleared its environment", async () => {
    const child = { role: "child", ignoresSigterm: true, leavesSession: true, clearsEnvironment: true };
    const command = run(roll.command({ role: "root", ...polite, children: [child] }), { graceMs: 200 });
    const pids = await pidsOf("root", "child");
    command.stop("preempted");
    await command.finished;
    expect(pids.filter(isRunning)).toEqual([]);
  });

  it("does not touch the processes of another command", async () => {
    const other = run(roll.command({ role: "other", children: [{ role: "other's child", leavesSession: true }] }));
    const command = run(roll.command({ role: "root" }));
    const others = await pidsOf("other", "other's child");
    await roll.arrived("root");
    command.stop("preempted", { graceMs: 0 });
    await command.finished;
    expect(others.filter(isRunning)).toEqual(others);
    other.stop("done");
    await other.finished;
  });
});

describe.runIf(onLinux)("usage", () => {
  it("beyond the memory limit stops the command, counted over all of its processes", async () => {
    const children = ["a", "b", "c"].map((role) => ({ role, allocatesBytes: 60 * MIB }));
    const memoryBytesMax = 200 * MIB;
    const outcome = await run(roll.command({ role: "root", children }), { memoryBytesMax }).finished;
    expect(outcome.stoppedBy).toBe("memory");
    expect(outcome.memoryPeakBytes).toBeGreaterThan(memoryBytesMax);
  });

  it("far beyond the memory limit leaves no grace", async () => {
    const orders = { role: "root", ignoresSigterm: true, allocatesBytes: 300 * MIB };
    const outcome = await run(roll.command(orders), { memoryBytesMax: 100 * MIB, graceMs: 600_000 }).finished;
    expect(outcome).toMatchObject({ stoppedBy: "memory", signal: "SIGKILL" });
  });

  it("is told while the command runs, and only grows where it must", async () => {
    const samples: UsageSample[] = [];
    const enough = Promise.withResolvers<void>();
    const onUsage = (sample: UsageSample) => {
      samples.push(sample);
      if (sample.memoryBytes > 50 * MIB && samples.length > 5) enough.resolve();
    };
    const command = run(roll.command({ role: "root", allocatesBytes: 50 * MIB, exitsOnSigterm: 0 }), {
      onUsage,
    });
    await enough.promise;
    command.stop("seen enough");
    const outcome = await command.finished;
    for (const [index, sample] of samples.entries()) {
      const before = samples[index - 1] ?? { elapsedMs: 0, memoryPeakBytes: 0, cpuMs: 0 };
      expect(sample.elapsedMs).toBeGreaterThanOrEqual(before.elapsedMs);
      expect(sample.memoryPeakBytes).toBeGreaterThanOrEqual(Math.max(before.memoryPeakBytes, sample.memoryBytes));
      expect(sample.cpuMs).toBeGreaterThanOrEqual(before.cpuMs);
    }
    expect(outcome.memoryPeakBytes).toBeGreaterThan(50 * MIB);
  });

  it("counts the CPU time of a command too short to be sampled, children included, and not that of another", async () => {
    const busy = "while (process.cpuUsage().user < 300_000);";
    const rarely = { sampleEveryMs: 60_000 };
    const child = `require("node:child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(busy)}])`;
    const outcomes = await Promise.all([node(busy, rarely), node(child, rarely), run(["true"], rarely)].map(cpuOf));
    expect(outcomes[0]).toBeGreaterThanOrEqual(280);
    expect(outcomes[1]).toBeGreaterThanOrEqual(280);
    expect(outcomes[2]).toBeLessThan(50);
  });

  it("that cannot be taken kills the command", async () => {
    const onUsage = () => {
      throw new Error("nobody to tell");
    };
    const command = run(roll.command({ role: "root" }), { onUsage });
    await expect(command.finished).rejects.toThrow("nobody to tell");
    expect(isRunning(command.pid ?? 0)).toBe(false);
  });
});

function cpuOf(command: { readonly finished: Promise<CommandOutcome> }): Promise<number> {
  return command.finished.then(({ cpuMs }) => cpuMs);
}
