/** What waits in a queue when the daemon that keeps the queue is killed: it goes on waiting, is served or refused, and nothing is lost. */
import { expect, test, vi } from "vitest";
import { ConflictStrategy, ExecutionPriority, WorstPreemption } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { type RunEvent, type WorkerReady, WorkOutcome } from "../../shared/gen/bursar/v1/run_pb.js";
import { DEMO_ACCOUNT, FollowedRun } from "./client.ts";
import { Agent, eventOf, MeshForTests, type StartedRun } from "./mesh-for-tests.ts";

// Daemons take their time to start where the machine is busy.
vi.setConfig({ testTimeout: 120_000 });
const AT_LEAST = { timeout: 60_000, interval: 50 };

const here = new MeshForTests();

type Swarm = Awaited<ReturnType<typeof here.swarm>>;

async function killed(tier: "coordination" | "process", meanwhile = async () => {}): Promise<void> {
  await here.mesh[tier].end("SIGKILL");
  await meanwhile();
  await here.restart(tier);
}

/** A run that has given way to another one, and waits to be tried again. */
async function preempted(name: string) {
  const rules = { worst: WorstPreemption.STOP, protectMs: 0, coolDownMs: 60_000, graceMs: 300, worthPercentMin: 0 };
  const policy = { strategy: ConflictStrategy.PREEMPTION_ALLOWED, preemption: rules };
  const swarm = await here.swarm({ account: DEMO_ACCOUNT, name, credits: 3_000n, branches: 2n, policy });
  const wish = { credits: 1_000n, branches: 1n, waitMs: 60_000 };
  const low = here.run(swarm, { ...wish, name: "low", priority: ExecutionPriority.LOW });
  await (await Agent.of(low)).spend(30n);
  const high = here.run(swarm, { ...wish, name: "high", priority: ExecutionPriority.HIGH });
  const agent = await Agent.of(high);
  await agent.spend(70n);
  await vi.waitFor(() => expect(caseOf(low.events.at(-1))).toBe("queued"), AT_LEAST);
  return { swarm, low, high, agent };
}

const caseOf = (event: RunEvent | undefined) => event?.event.case;

/** The run as whoever comes later finds it, by its first allocation. */
function watched(run: StartedRun): FollowedRun {
  const runId = eventOf(run.events, "started")?.run?.allocationId ?? "";
  return new FollowedRun(here.client.coordination.watchRun({ runId }));
}

/** Nothing of the swarm is open any more, and all that it did not spend is there. */
async function hasLeft(swarm: Swarm, spent: bigint): Promise<void> {
  await vi.waitFor(async () => {
    const { credits, waiting } = await here.look(swarm);
    const { limit = 0n } = swarm.credits ?? {};
    expect({ credits, waiting }).toMatchObject({
      credits: { spent, granted: 0n, inDoubt: 0n, debt: 0n, available: limit - spent },
      waiting: 0,
    });
  }, AT_LEAST);
}

async function spendsAndEnds(run: FollowedRun, credits: bigint): Promise<void> {
  const agent = await Agent.of(run);
  await agent.spend(credits);
  await agent.complete();
  expect((await run.ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
}

test("a next attempt goes on waiting over a kill of coordination, and is tried when there is room", async () => {
  const { swarm, low, high, agent } = await preempted("waits-on");
  await killed("coordination");
  const [waiting] = await vi.waitFor(async () => {
    const { waiters } = await here.look(swarm);
    expect(waiters).toHaveLength(1);
    return waiters;
  }, AT_LEAST);
  expect(waiting).toMatchObject({ name: "low", conflict: { position: 1 } });
  const again = watched(low);
  await vi.waitFor(() => expect(again.events.map(caseOf)).toEqual(["preempted", "queued"]), AT_LEAST);
  expect(eventOf(again.events, "preempted")).toMatchObject({ nextAttempt: 2, usage: { credits: 30n } });

  const ended = watched(high).ended;
  await agent.complete();
  expect((await ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
  await spendsAndEnds(again, 400n);
  await hasLeft(swarm, 30n + 70n + 400n);
});

test("an attempt that is granted by the hello which tells of the room is taken by the daemon whose hello does not name it", async () => {
  const { swarm, low, agent } = await preempted("by-hello");
  // What process tells first of all is that the other run has ended: it cannot know of the grant that follows from that.
  await killed("coordination", () => agent.complete());
  const again = watched(low);
  await spendsAndEnds(again, 400n);
  expect(again.events.map(caseOf).filter((name) => name === "preempted")).toHaveLength(1);
  await hasLeft(swarm, 30n + 70n + 400n);
});

test("a next attempt that nobody wants any more is refused after a kill of coordination", async () => {
  const { swarm, low, agent } = await preempted("refused");
  await killed("coordination");
  const again = watched(low);
  await vi.waitFor(() => expect(again.events.map(caseOf)).toContain("queued"), AT_LEAST);
  const run = eventOf(again.events, "preempted")?.nextAllocationId ?? "";
  await here.client.coordination.stopRun({ run, reason: "test" });
  const end = await again.ended;
  expect(end.event.value).toMatchObject({ outcome: WorkOutcome.STOPPED });
  await agent.complete();
  await hasLeft(swarm, 30n + 70n);
});

test("a branch that waits beside its sibling goes on waiting over a kill of process, and is begun when there is room", async () => {
  const policy = { strategy: ConflictStrategy.QUEUE_AND_WAIT };
  const swarm = await here.swarm({ account: DEMO_ACCOUNT, name: "branches", credits: 1_000n, policy });
  const limits = { maxCredits: 200n };
  const work = { case: "worker", value: { kind: "test", attachWithinMs: 60_000 } };
  const branches = ["a", "b"].map((name) => ({ name, limits, steps: [{ name: "agent", limits, work }] }));
  const all = { name: "all", limits: { maxCredits: 300n }, work: { case: "parallel", value: { branches } } };
  const run = here.run(swarm, { name: "wide", credits: 300n, steps: [all] });
  const first = await Agent.of(run);
  await first.spend(50n);
  const waits = () =>
    vi.waitFor(async () => {
      const [step] = (await here.look(swarm)).children.flatMap(({ children }) => children);
      expect(step).toMatchObject({ name: "all", waiting: 1, waiters: [{ name: "b", conflict: { position: 1 } }] });
      return step?.waiters[0]?.requestId;
    }, AT_LEAST);
  const requestId = await waits();
  await killed("process");
  expect(await waits()).toBe(requestId);

  await first.complete();
  const ready = await vi.waitFor(() => {
    const calls = run.events.flatMap(({ event }) => (event.case === "workerReady" ? [event.value] : []));
    const found = calls.find(({ path }) => path.endsWith("/b/agent"));
    if (!found) throw new Error("b has not begun");
    return found satisfies WorkerReady;
  }, AT_LEAST);
  const second = await Agent.of({ workerReady: Promise.resolve(ready) });
  await second.spend(60n);
  await second.complete();
  expect((await run.ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
  await hasLeft(swarm, 110n);
});
