/** PAUSE and STOP through the three daemons: real processes stand still, go on, end in peace or by force, and nothing is spent meanwhile. */
import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { AllocationState, type AllocationView } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { PreemptionMode, type PreemptResponse } from "../../shared/gen/bursar/v1/preemption_service_pb.js";
import { WorkOutcome } from "../../shared/gen/bursar/v1/run_pb.js";
import { createSwarm, type FollowedRun, runRoutine, TestWorker } from "./client.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const here = new MeshForTests();

interface Begun {
  readonly followed: FollowedRun;
  readonly runId: string;
  /** Path of the swarm. */
  readonly swarm: string;
}

async function begin(steps: readonly object[], credits = 5_000n): Promise<Begun> {
  const { allocationId: swarmId } = await createSwarm(here.client, credits);
  const name = `r-${randomUUID().slice(0, 8)}`;
  const routine = { name, limits: { maxCredits: credits }, steps: steps as never };
  const followed = runRoutine(here.client, { requestId: randomUUID(), swarmId, routine });
  const runId = await vi.waitFor(async () => {
    const { swarm } = await here.client.coordination.getSwarm({ swarm: swarmId });
    const id = swarm?.children[0]?.allocationId;
    if (id === undefined) throw new Error("no run yet");
    return id;
  });
  return { followed, runId, swarm: swarmId };
}

async function runOf({ swarm }: Begun): Promise<AllocationView> {
  const found = (await here.client.coordination.getSwarm({ swarm })).swarm?.children[0];
  if (!found) throw new Error("the swarm shows no run");
  return found;
}

async function preempt(
  { runId }: Begun,
  how: {
    readonly mode: PreemptionMode;
    readonly graceMs?: number;
    readonly preemptionId?: string;
    readonly waitMs?: number;
  },
): Promise<PreemptResponse> {
  const { preemptionId = randomUUID(), waitMs = 10_000, ...more } = how;
  let last: PreemptResponse | undefined;
  for await (const { progress } of here.client.coordination.preemptRun({
    preemptionId,
    runId,
    reason: "test",
    waitMs,
    ...more,
  }))
    last = progress;
  if (!last) throw new Error("PreemptRun said nothing");
  return last;
}

const pauseRun = (begun: Begun, preemptionId = randomUUID()) =>
  preempt(begun, { mode: PreemptionMode.PAUSE, preemptionId });
const resume = ({ runId: run }: Begun) => here.client.coordination.resume({ requestId: randomUUID(), run });

/** Writes a line every 20 ms, and its pid first. */
function ticking(log: string, { untilLines = 1_000_000, ignoresTerm = false } = {}) {
  const script = `
    const fs = require("node:fs");
    ${ignoresTerm ? 'process.on("SIGTERM", () => fs.appendFileSync(process.env.LOG, "term\\n"));' : ""}
    fs.appendFileSync(process.env.LOG, process.pid + "\\n");
    console.log("begun");
    let lines = 0;
    setInterval(() => { fs.appendFileSync(process.env.LOG, "tick\\n"); if (++lines >= ${untilLines}) process.exit(0); }, 20);
  `;
  const code = { command: ["node", "-e", script], env: { LOG: log } };
  return { name: "code", limits: { maxCredits: 4_000n }, work: { case: "code", value: code } } as const;
}

const linesOf = (log: string): string[] => readFileSync(log, "utf8").split("\n").filter(Boolean);
const pidOf = (log: string): number => Number(linesOf(log)[0]);

async function begunTicking(log: string): Promise<void> {
  await vi.waitFor(() => expect(linesOf(log).length).toBeGreaterThan(3), { timeout: 10_000 });
}

/** The letter of its state in /proc; undefined when it is gone. */
function processState(pid: number): string | undefined {
  try {
    return /^\d+ \(.*\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

/** Time of the processor that it has used, in ticks. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Until code that is not paused has written so many lines more. */
async function whileOthersTick(log: string, lines: number): Promise<void> {
  const before = linesOf(log).length;
  await vi.waitFor(() => expect(linesOf(log).length).toBeGreaterThan(before + lines), { timeout: 20_000 });
}

describe("a code step", { timeout: 60_000 }, () => {
  test("that is paused stands still, gives back what is free, and goes on where it was", async () => {
    const [log, witness] = [join(here.folder, "paused.log"), join(here.folder, "witness.log")];
    const begun = await begin([ticking(log, { untilLines: 120 })]);
    const other = await begin([ticking(witness)]);
    await begunTicking(log);
    await begunTicking(witness);
    const pid = pidOf(log);

    const answer = await pauseRun(begun);
    expect(answer).toMatchObject({ met: true, done: true, pending: { credits: 0n } });
    const paused = await runOf(begun);
    expect(paused).toMatchObject({ state: AllocationState.PAUSED, reason: "test" });
    // All that was not spent is back.
    expect(paused.credits?.limit).toBe(paused.usage?.credits);
    expect((await here.client.coordination.getSwarm({ swarm: begun.swarm })).swarm?.credits?.available).toBe(
      5_000n - (paused.usage?.credits ?? 0n),
    );
    expect(processState(pid)).toBe("T");
    const [size, ticks] = [statSync(log).size, cpuTicks(pid)];
    await whileOthersTick(witness, 35);
    expect([statSync(log).size, cpuTicks(pid)]).toEqual([size, ticks]);
    expect((await runOf(begun)).usage?.credits).toBe(paused.usage?.credits);

    const { granted, run } = await resume(begun);
    expect(granted?.credits).toBe(answer.reclaimed?.credits);
    expect(run?.state).toBe(AllocationState.OPEN);
    const { event } = await begun.followed.ended;
    expect(event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
    expect(pidOf(log)).toBe(pid);
    expect(linesOf(log)).toHaveLength(121);
    await preempt(other, { mode: PreemptionMode.STOP, graceMs: 0 });
    await other.followed.ended;
  });

  test("that hears a stop ends within the grace, keeps its output, and says who stopped it", async () => {
    const log = join(here.folder, "stopped.log");
    const begun = await begin([ticking(log)]);
    await begunTicking(log);
    const answer = await preempt(begun, { mode: PreemptionMode.STOP, graceMs: 5_000 });
    expect(answer).toMatchObject({ met: true, done: true });
    await vi.waitFor(() => expect(processState(pidOf(log))).toBeUndefined(), { timeout: 10_000 });
    const { event } = await begun.followed.ended;
    expect(event.value).toMatchObject({
      outcome: WorkOutcome.STOPPED,
      error: { message: expect.stringContaining("test") },
    });
    const step = begun.followed.events.find(({ event: { case: name } }) => name === "stepFinished")?.event.value;
    expect(step).toMatchObject({ outcome: WorkOutcome.STOPPED, error: { message: expect.stringContaining("test") } });
    const { output } = step as { output?: { stdout: Uint8Array } };
    expect(Buffer.from(output?.stdout ?? []).toString()).toBe("begun\n");
  });

  test("that does not hear it is killed after the grace, and no process is left", async () => {
    const log = join(here.folder, "deaf.log");
    const begun = await begin([ticking(log, { ignoresTerm: true })]);
    await begunTicking(log);
    const pid = pidOf(log);
    const since = performance.now();
    const answer = await preempt(begun, { mode: PreemptionMode.STOP, graceMs: 500 });
    expect(answer).toMatchObject({ met: true, done: true });
    await vi.waitFor(() => expect(processState(pid)).toBeUndefined(), { timeout: 10_000 });
    expect(performance.now() - since).toBeGreaterThanOrEqual(500);
    expect(linesOf(log)).toContain("term");
    await begun.followed.ended;
    const { swarm } = await here.client.coordination.getSwarm({ swarm: begun.swarm });
    expect(swarm?.credits?.available).toBe(5_000n - (swarm?.usage?.credits ?? 0n));
  });

  test("that is paused can be stopped", async () => {
    const log = join(here.folder, "both.log");
    const begun = await begin([ticking(log)]);
    await begunTicking(log);
    await pauseRun(begun);
    expect(await preempt(begun, { mode: PreemptionMode.STOP, graceMs: 2_000 })).toMatchObject({ met: true });
    // It has nothing set aside any more, so that its books close before it is gone.
    await vi.waitFor(() => expect(processState(pidOf(log))).toBeUndefined(), { timeout: 10_000 });
    await begun.followed.ended;
  });
});

const worker = {
  name: "agent",
  limits: { maxCredits: 1_000n },
  work: { case: "worker", value: { kind: "test", attachWithinMs: 20_000 } },
} as const;

async function attached({ followed }: Begun) {
  const ready = await followed.workerReady;
  const at = new TestWorker(ready.address);
  await at.attach(ready);
  const { allocationId } = ready;
  const reserve = (requestId: string, credits: bigint) =>
    at.send({ case: "reserve", value: { requestId, allocationId, kind: 1, name: "m", wanted: { credits } } });
  const settle = (holdId: string, credits: bigint) =>
    at.send({ case: "settle", value: { allocationId, holdId, credits, final: true } });
  return { at, allocationId, reserve, settle, ready };
}

const holdIdOf = (result: Awaited<ReturnType<TestWorker["send"]>>) =>
  result.case === "held" ? result.value.holdId : "";

describe("a worker step", { timeout: 60_000 }, () => {
  test("that is paused settles what is in flight and reserves nothing, until it goes on", async () => {
    const begun = await begin([worker, { ...worker, name: "after" }]);
    const { at, allocationId, reserve, settle } = await attached(begun);
    const holdId = holdIdOf(await reserve("a", 300n));

    const preemptionId = randomUUID();
    const first = await preempt(begun, { mode: PreemptionMode.PAUSE, preemptionId, waitMs: 500 });
    expect(first).toMatchObject({ met: false, done: true, reclaimed: { credits: 4_700n }, pending: { credits: 300n } });
    expect(first.victims).toEqual([allocationId]);
    await vi.waitFor(() =>
      expect(at.notices.map(({ notice }) => notice)).toContainEqual(
        expect.objectContaining({
          case: "preempted",
          value: expect.objectContaining({ mode: PreemptionMode.PAUSE, reason: "test" }),
        }),
      ),
    );
    const refused = await reserve("b", 10n);
    expect(refused).toMatchObject({ case: "error", value: { message: expect.stringContaining("paused") } });
    await settle(holdId, 120n);
    expect(await preempt(begun, { mode: PreemptionMode.PAUSE, preemptionId })).toMatchObject({
      met: true,
      reclaimed: { credits: 4_880n },
      pending: { credits: 0n },
    });
    // After the answer nothing below can be spent, and the same pause changes nothing.
    expect((await reserve("c", 1n)).case).toBe("error");
    const before = await here.client.coordination.getSwarm({ swarm: begun.swarm });
    expect(before.swarm?.credits).toMatchObject({ available: 4_880n, granted: 120n });

    await resume(begun);
    await vi.waitFor(() => expect(at.notices.map(({ notice }) => notice.case)).toContain("resumed"));
    expect((await reserve("d", 880n)).case).toBe("held");
    await at.send({ case: "complete", value: { allocationId } });
    at.close();
    await preempt(begun, { mode: PreemptionMode.STOP, graceMs: 0 });
    await begun.followed.ended;
  });

  test("that is stopped may settle and complete within its grace", async () => {
    const begun = await begin([worker]);
    const { at, allocationId, reserve, settle } = await attached(begun);
    const holdId = holdIdOf(await reserve("a", 300n));
    const stopping = preempt(begun, { mode: PreemptionMode.STOP, graceMs: 8_000 });
    await vi.waitFor(() => expect(at.notices.map(({ notice }) => notice.case)).toContain("closing"));
    const extend = await at.send({ case: "extend", value: { allocationId, holdId, ttlMs: 60_000 } });
    expect(extend.case).toBe("error");
    await settle(holdId, 111n);
    const output = Buffer.from("half of it");
    await at.send({ case: "complete", value: { allocationId, outcome: WorkOutcome.STOPPED, output } });
    expect(await stopping).toMatchObject({ met: true, done: true });
    at.close();
    const { event } = await begun.followed.ended;
    expect(event.value).toMatchObject({ outcome: WorkOutcome.STOPPED, run: { usage: { credits: 111n } } });
    const step = begun.followed.events.find(({ event: { case: name } }) => name === "stepFinished")?.event.value;
    expect(Buffer.from((step as { output: { stdout: Uint8Array } }).output.stdout).toString()).toBe("half of it");
  });

  test("that says nothing lapses at the end of the grace: what it may have spent is unconfirmed, and then spent", async () => {
    const begun = await begin([worker]);
    const { at, reserve } = await attached(begun);
    await reserve("a", 300n);
    expect(await preempt(begun, { mode: PreemptionMode.STOP, graceMs: 400 })).toMatchObject({ met: true, done: true });
    at.close();
    const { event } = await begun.followed.ended;
    expect(event.value).toMatchObject({ outcome: WorkOutcome.STOPPED, run: { usage: { credits: 300n } } });
  });
});

describe("daemons that are killed or silent", { timeout: 90_000 }, () => {
  test("a pause outlives each of them", async () => {
    const begun = await begin([worker]);
    const first = await attached(begun);
    await first.reserve("a", 100n);
    const preemptionId = randomUUID();
    await preempt(begun, { mode: PreemptionMode.PAUSE, preemptionId, waitMs: 500 });
    first.at.close();
    for (const tier of ["execution", "process"] as const) {
      await here.mesh[tier].end("SIGKILL");
      await here.restart(tier);
    }
    const again = new TestWorker(first.ready.address);
    await vi.waitFor(async () => expect((await again.attach(first.ready)).case).toBe("done"), { timeout: 10_000 });
    const { allocationId } = first;
    const reserve = (requestId: string) =>
      again.send({ case: "reserve", value: { requestId, allocationId, kind: 1, name: "m", wanted: { credits: 50n } } });
    expect(await reserve("b")).toMatchObject({ case: "error", value: { message: expect.stringContaining("paused") } });
    expect(await runOf(begun)).toMatchObject({ state: AllocationState.PAUSED });
    await vi.waitFor(async () => expect((await resume(begun)).run?.state).toBe(AllocationState.OPEN), {
      timeout: 10_000,
    });
    await vi.waitFor(async () => expect((await reserve("c")).case).toBe("held"), { timeout: 20_000, interval: 100 });
    again.close();
    await preempt(begun, { mode: PreemptionMode.STOP, graceMs: 0 });
    await begun.followed.ended;
  });

  test("code that is paused when execution is killed does not live on, and what it gave back stays back", async () => {
    const log = join(here.folder, "killed.log");
    const begun = await begin([ticking(log)]);
    await begunTicking(log);
    const pid = pidOf(log);
    expect(await pauseRun(begun)).toMatchObject({ met: true });
    const { available } = (await here.client.coordination.getSwarm({ swarm: begun.swarm })).swarm?.credits ?? {};
    await here.mesh.execution.end("SIGKILL");
    await vi.waitFor(() => expect(processState(pid)).toBeUndefined(), { timeout: 10_000 });
    await here.restart("execution");
    await begun.followed.ended;
    const { swarm } = await here.client.coordination.getSwarm({ swarm: begun.swarm });
    expect(swarm?.credits?.available).toBeGreaterThanOrEqual(available ?? 0n);
    expect(swarm?.credits).toMatchObject({ granted: 0n, inDoubt: 0n });
  });

  test("a process daemon that does not answer delays the stop, and nothing of it is given to anybody", async () => {
    const begun = await begin([worker]);
    const { at } = await attached(begun);
    process.kill(here.mesh.process.pid, "SIGSTOP");
    const preemptionId = randomUUID();
    const silent = await preempt(begun, { mode: PreemptionMode.STOP, preemptionId, graceMs: 100, waitMs: 400 });
    expect(silent).toMatchObject({ met: false, done: true, reclaimed: { credits: 0n } });
    expect((await here.client.coordination.getSwarm({ swarm: begun.swarm })).swarm?.credits).toMatchObject({
      available: 0n,
      granted: 5_000n,
    });
    process.kill(here.mesh.process.pid, "SIGCONT");
    expect(await preempt(begun, { mode: PreemptionMode.STOP, preemptionId })).toMatchObject({ met: true, done: true });
    at.close();
    await begun.followed.ended;
    expect((await here.client.coordination.getSwarm({ swarm: begun.swarm })).swarm?.credits).toMatchObject({
      available: 5_000n,
    });
  });
});

test("what cannot be asked is refused by name, and what is not paused stays as it is", async () => {
  const begun = await begin([worker]);
  await begun.followed.workerReady;
  const { runId } = begun;
  const asked = async (more: object) => {
    const request = { preemptionId: randomUUID(), runId, reason: "test", ...more };
    for await (const _ of here.client.coordination.preemptRun(request));
  };
  await expect(asked({ mode: PreemptionMode.STOP, amounts: { credits: 5n } })).rejects.toThrow(/amounts.*SHRINK/);
  await expect(asked({ mode: PreemptionMode.PAUSE, graceMs: 5 })).rejects.toThrow(/grace_ms.*STOP/);
  await expect(asked({ mode: PreemptionMode.STOP, graceMs: 700_000 })).rejects.toThrow(/grace_ms/);
  await expect(asked({ mode: 17 })).rejects.toThrow(/mode/);
  expect(await resume(begun)).toMatchObject({ granted: { credits: 0n }, run: { state: AllocationState.OPEN } });
  await expect(here.client.coordination.resume({ requestId: "r", run: "no/such/run" })).rejects.toThrow(/no run/);
  await preempt(begun, { mode: PreemptionMode.STOP, graceMs: 0 });
  await begun.followed.ended;
  await expect(resume(begun)).rejects.toThrow(/takes no new work/);
});
