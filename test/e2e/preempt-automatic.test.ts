/** More important work has less important work give way, through the three daemons; and what gave way goes on by itself. */
import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { ConflictStrategy, ExecutionPriority, WorstPreemption } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { PreemptionMode } from "../../shared/gen/bursar/v1/preemption_service_pb.js";
import { type RunEvent, WorkOutcome } from "../../shared/gen/bursar/v1/run_pb.js";
import { DEMO_ACCOUNT, type FollowedRun, runRoutine, TestWorker } from "./client.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const here = new MeshForTests();

/** A swarm whose runs may have to give way, at once and in short times. */
async function swarmWith(limits: object, worst: WorstPreemption): Promise<string> {
  const rules = { worst, protectMs: 0, coolDownMs: 60_000, graceMs: 300, worthPercentMin: 0 };
  const policy = { strategy: ConflictStrategy.PREEMPTION_ALLOWED, preemption: rules };
  const name = `s-${randomUUID().slice(0, 8)}`;
  const request = { requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits, policy };
  const { swarm } = await here.client.coordination.createSwarm(request);
  if (!swarm) throw new Error("CreateSwarm answered no swarm");
  return swarm.allocationId;
}

interface Work {
  readonly name: string;
  readonly priority: ExecutionPriority;
  readonly limits: { readonly maxCredits: bigint; readonly maxConcurrentBranches?: bigint };
  readonly step: object;
}

function run(swarmId: string, { name, priority, limits, step }: Work): FollowedRun {
  const routine = { name, limits, steps: [{ name: "only", limits: { maxCredits: limits.maxCredits }, ...step }] };
  return runRoutine(here.client, {
    requestId: randomUUID(),
    swarmId,
    routine: routine as never,
    priority,
    waitMs: 60_000,
  });
}

/** Writes one line, and ends at once when another one had written one before; or after `lastsMs`. */
function code(log: string, lastsMs: number) {
  const script = `
    const fs = require("node:fs");
    const before = fs.readFileSync(process.env.LOG, "utf8").split("\\n").length - 1;
    console.log("made so far by attempt " + (before + 1));
    // What it has written is read by now.
    setTimeout(() => fs.appendFileSync(process.env.LOG, "begun\\n"), 50);
    setTimeout(() => process.exit(0), before > 0 ? 60 : ${lastsMs});
  `;
  return { work: { case: "code", value: { command: ["node", "-e", script], env: { LOG: log } } } };
}

const caseOf = ({ event }: RunEvent) => event.case;

async function untilBegun(log: string): Promise<void> {
  await vi.waitFor(() => expect(existsSync(log) && readFileSync(log, "utf8")).toContain("begun"), { timeout: 10_000 });
}

function find<C extends NonNullable<RunEvent["event"]["case"]>>(events: readonly RunEvent[], name: C) {
  return events.flatMap(({ event, wallTimeMs }) => (event.case === name ? [{ ...event, wallTimeMs }] : [])) as {
    readonly case: C;
    readonly value: Extract<RunEvent["event"], { readonly case: C }>["value"];
    readonly wallTimeMs: bigint;
  }[];
}

describe("a LOW run", { timeout: 60_000 }, () => {
  test("is stopped for a HIGH one, keeps its output, and is tried again before newcomers of its rank", async () => {
    const swarm = await swarmWith({ maxCredits: 3_000n, maxConcurrentBranches: 2n }, WorstPreemption.STOP);
    const limits = { maxCredits: 1_000n, maxConcurrentBranches: 1n };
    const [logOfLow, logOfHigh, logOfNew] = ["low", "high", "new"].map((name) => join(here.folder, `${name}.log`));
    for (const log of [logOfLow, logOfHigh, logOfNew]) appendFileSync(log ?? "", "");
    const { LOW, HIGH } = ExecutionPriority;
    const low = run(swarm, { name: "low", priority: LOW, limits, step: code(logOfLow ?? "", 600_000) });
    await untilBegun(logOfLow ?? "");

    const high = run(swarm, { name: "high", priority: HIGH, limits, step: code(logOfHigh ?? "", 600) });
    await untilBegun(logOfHigh ?? "");
    const newcomer = run(swarm, { name: "newcomer", priority: LOW, limits, step: code(logOfNew ?? "", 0) });

    const ends = await Promise.all([high.ended, low.ended, newcomer.ended]);
    for (const { event } of ends) expect(event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
    expect(low.events.map(caseOf).filter((name) => name !== "lowBudget")).toEqual([
      "started",
      "stepStarted",
      "stepFinished",
      "preempted",
      "queued",
      "started",
      "stepStarted",
      "stepFinished",
      "finished",
    ]);
    const [stopped, done] = find(low.events, "stepFinished");
    expect(stopped?.value.outcome).toBe(WorkOutcome.STOPPED);
    expect(Buffer.from(stopped?.value.output?.stdout ?? []).toString()).toBe("made so far by attempt 1\n");
    expect(Buffer.from(done?.value.output?.stdout ?? []).toString()).toBe("made so far by attempt 2\n");

    const [first, again] = find(low.events, "started");
    const [gaveWay] = find(low.events, "preempted");
    expect(gaveWay?.value).toMatchObject({
      allocationId: first?.value.run?.allocationId,
      nextAllocationId: again?.value.run?.allocationId,
      nextAttempt: 2,
      reason: expect.stringContaining("LOW below HIGH"),
    });
    expect(gaveWay?.value.usage?.credits).toBe(stopped?.value.usage?.credits);
    // Who came first has its turn first.
    const [begun] = find(newcomer.events, "started");
    expect(Number(again?.wallTimeMs)).toBeLessThanOrEqual(Number(begun?.wallTimeMs));
    // Whoever looks for the run by its first allocation finds how it ended.
    let last: RunEvent | undefined;
    const runId = first?.value.run?.allocationId ?? "";
    for await (const { events } of here.client.coordination.watchRun({ runId })) last = events.at(-1) ?? last;
    expect(last?.event).toMatchObject({ case: "finished", value: { outcome: WorkOutcome.SUCCEEDED } });
  });

  test("is paused for a HIGH one where it may not be stopped, and goes on when that has ended", async () => {
    const swarm = await swarmWith({ maxCredits: 1_000n }, WorstPreemption.PAUSE);
    const worker = { work: { case: "worker", value: { kind: "test", attachWithinMs: 10_000 } } };
    const { LOW, HIGH } = ExecutionPriority;
    const low = run(swarm, { name: "low", priority: LOW, limits: { maxCredits: 1_000n }, step: worker });
    const ready = await low.workerReady;
    const agent = new TestWorker(ready.address);
    await agent.attach(ready);
    const { allocationId } = ready;
    const reserve = (credits: bigint) => {
      const value = { requestId: randomUUID(), allocationId, kind: 1, name: "m", wanted: { credits }, ttlMs: 60_000 };
      return agent.send({ case: "reserve", value });
    };
    const held = await reserve(900n);
    const holdId = held.case === "held" ? held.value.holdId : "";

    const log = join(here.folder, "pausing.log");
    appendFileSync(log, "");
    const high = run(swarm, { name: "high", priority: HIGH, limits: { maxCredits: 500n }, step: code(log, 300) });
    // It is asked for what it has free first, and has it in flight.
    const isPaused = () =>
      agent.notices.some(({ notice }) => notice.case === "preempted" && notice.value.mode === PreemptionMode.PAUSE);
    await vi.waitFor(() => expect(isPaused()).toBe(true), { timeout: 20_000 });
    expect((await reserve(1n)).case).not.toBe("held");
    await agent.send({ case: "settle", value: { allocationId, holdId, credits: 20n, final: true } });
    const end = await high.ended;
    expect(end.event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });

    // It has again what it gave.
    const again = await vi.waitFor(
      async () => {
        const answer = await reserve(700n);
        if (answer.case !== "held") throw new Error("not yet");
        return answer.value.holdId;
      },
      { timeout: 10_000 },
    );
    await agent.send({ case: "settle", value: { allocationId, holdId: again, credits: 700n, final: true } });
    await agent.send({ case: "complete", value: { allocationId } });
    expect((await low.ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
    expect(low.events.map(caseOf)).not.toContain("preempted");
    agent.close();
  });
});

test("the strategy of a swarm holds inside its runs: branches that do not fit beside each other wait for each other", async () => {
  const begin = async (strategy: ConflictStrategy) => {
    const name = `s-${randomUUID().slice(0, 8)}`;
    const request = { requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits: { maxCredits: 1_000n } };
    const { swarm } = await here.client.coordination.createSwarm({ ...request, policy: { strategy } });
    const code = { command: ["node", "-e", "setTimeout(() => {}, 100)"] };
    const branches = ["a", "b", "c"].map((branch) => ({
      name: branch,
      limits: { maxCredits: 200n },
      steps: [{ name: "only", limits: { maxCredits: 200n }, work: { case: "code", value: code } }],
    }));
    const step = { name: "all", limits: { maxCredits: 300n }, work: { case: "parallel", value: { branches } } };
    const routine = { name: "wide", limits: { maxCredits: 300n }, steps: [step] };
    const swarmId = swarm?.allocationId ?? "";
    return runRoutine(here.client, { requestId: randomUUID(), swarmId, routine: routine as never }).ended;
  };
  const waiting = await begin(ConflictStrategy.QUEUE_AND_WAIT);
  expect(waiting.event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
  const denied = await begin(ConflictStrategy.FIRST_COME_FIRST_SERVED);
  expect(denied.event.value).toMatchObject({ outcome: WorkOutcome.FAILED });
}, 60_000);
