/** Limits that change while work goes on, and budgets that run low, through the three daemons and the command line client. */
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { RefusalError } from "#errors";
import { clientOf, DEMO_ACCOUNT, runRoutine, type TestClient, TestWorker, workerRoutine } from "./client.ts";
import { startDaemon, temporaryFolder } from "./mesh.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const PRIORITY_BASED = 2;
const QUEUE_AND_WAIT = 5;
/** Of a strategy: the node's own policy names it. */
const OWN = 2;
const SUCCEEDED = 1;

const here = new MeshForTests();

interface SwarmOptions {
  readonly credits: bigint;
  readonly policy?: object;
}

async function swarmOf({ credits: maxCredits, policy = {} }: SwarmOptions): Promise<string> {
  const name = `limits-${randomUUID().slice(0, 8)}`;
  const order = { requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits: { maxCredits }, policy };
  const { swarm } = await here.client.coordination.createSwarm(order);
  return swarm?.path ?? "";
}

async function show(path: string) {
  const { swarm } = await here.client.coordination.getSwarm({ swarm: path });
  if (!swarm) throw new Error(`${path} is gone`);
  return swarm;
}

const update = (allocationId: string, overrides: object, requestId: string = randomUUID()) =>
  here.client.coordination.updateLimits({ requestId, allocationId, overrides });

async function run(path: string, routine: object, more: object = {}) {
  const swarmId = (await show(path)).allocationId;
  return runRoutine(here.client, { requestId: randomUUID(), swarmId, routine: routine as never, ...more });
}

/** A worker of the run, attached. Its step draws on the run's credits when it has none of its own. */
async function workerIn(followed: Awaited<ReturnType<typeof run>>) {
  const ready = await followed.workerReady;
  const worker = new TestWorker(ready.address);
  await worker.attach(ready);
  const { allocationId } = ready;
  const reserve = (credits: bigint) =>
    worker.send({
      case: "reserve",
      value: { requestId: randomUUID(), allocationId, kind: 1, name: "m", wanted: { credits } },
    });
  const spend = async (credits: bigint) => {
    const held = await reserve(credits);
    const holdId = held.case === "held" ? held.value.holdId : "";
    return await worker.send({ case: "settle", value: { allocationId, holdId, credits, final: true } });
  };
  const complete = async () => {
    await worker.send({ case: "complete", value: { allocationId } });
    const end = await followed.ended;
    worker.close();
    return end;
  };
  return { worker, reserve, spend, complete };
}

/** A routine of one worker step that has no credits of its own. */
function drawingRoutine(maxCredits: bigint) {
  const step = { name: "agent", work: { case: "worker", value: { kind: "test", attachWithinMs: 10_000 } } };
  return { name: "work", limits: { maxCredits }, steps: [step] };
}

describe("UpdateLimits", () => {
  test("grows a swarm, and the run that waited for room in it starts at once", async () => {
    const path = await swarmOf({ credits: 100n, policy: { strategy: QUEUE_AND_WAIT } });
    const waiting = await run(path, workerRoutine(150n), { waitMs: 60_000 });
    const never = await waiting.ended.catch((error: unknown) => error);
    expect(never).toMatchObject({ message: expect.stringContaining("can never fit") });

    const first = await workerIn(await run(path, workerRoutine(80n)));
    const second = await run(path, workerRoutine(60n), { waitMs: 60_000 });
    await vi.waitFor(() => expect(second.events[0]?.event.case).toBe("queued"));
    expect(await update(path, { maxCredits: 140n })).toMatchObject({
      before: { maxCredits: 100n },
      after: { maxCredits: 140n },
      allocation: { path, credits: { limit: 140n, granted: 140n } },
      note: "",
    });
    const started = await workerIn(second);
    expect(second.events.map(({ event }) => event.case).slice(0, 2)).toEqual(["queued", "started"]);
    for (const { complete } of [first, started]) await complete();
    expect((await show(path)).credits).toMatchObject({ limit: 140n, available: 140n });
  });

  test("sets the strategy of a swarm at once for who waits in it, and tells whose it is", async () => {
    const path = await swarmOf({ credits: 100n, policy: { strategy: QUEUE_AND_WAIT } });
    const first = await workerIn(await run(path, workerRoutine(60n)));
    const low = await run(path, workerRoutine(80n), { waitMs: 60_000, priority: 1 });
    await vi.waitFor(() => expect(low.events[0]?.event.case).toBe("queued"));
    const high = await run(path, workerRoutine(40n), { waitMs: 60_000, priority: 3 });
    await vi.waitFor(() => expect(high.events[0]?.event.case).toBe("queued"));
    const order = { requestId: randomUUID(), allocationId: path, strategy: PRIORITY_BASED };
    const own = { strategy: PRIORITY_BASED, strategySource: OWN, strategyPath: path };
    expect(await here.client.coordination.updateLimits(order)).toMatchObject(own);
    const second = await workerIn(high);
    expect(low.events.map(({ event }) => event.case)).toEqual(["queued"]);
    const unknown = { ...order, requestId: randomUUID(), strategy: 99 };
    const refused = await here.client.coordination.updateLimits(unknown).catch((error: unknown) => error);
    expect((refused as RefusalError).refusal.fieldViolations).toMatchObject([{ field: "strategy" }]);
    for (const { complete } of [first, second]) await complete();
    await (await workerIn(low)).complete();
  });

  test("refuses by name to shrink below what is in use, and changes nothing", async () => {
    const path = await swarmOf({ credits: 100n });
    const { complete } = await workerIn(await run(path, workerRoutine(70n)));
    const before = await show(path);
    const refused = await update(path, { maxCredits: 69n, maxMemoryBytes: 1n }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(RefusalError);
    const { refusal } = refused as RefusalError;
    expect(refusal).toMatchObject({
      reason: "INVALID_ARGUMENT",
      fieldViolations: [
        { field: "overrides.max_credits", description: expect.stringContaining("70 is the least that is possible") },
        { field: "overrides.max_memory_bytes" },
      ],
    });
    const run1 = before.children[0]?.path ?? "";
    await expect(update(run1, { maxCredits: 60n })).rejects.toThrow(`bursar preempt ${run1}`);
    expect((await show(path)).credits).toEqual(before.credits);
    expect(await update(path, { maxCredits: 70n })).toMatchObject({ after: { maxCredits: 70n } });
    await complete();
  });

  test("grows a run while it works: its worker can spend more, and one request has one effect", async () => {
    const path = await swarmOf({ credits: 1_000n });
    const { reserve, spend, complete } = await workerIn(await run(path, drawingRoutine(100n)));
    await spend(90n);
    expect(await reserve(50n)).toMatchObject({ case: "error" });
    const requestId = randomUUID();
    const run1 = (await show(path)).children[0]?.path ?? "";
    await update(run1, { maxCredits: 300n }, requestId);
    expect(await update(run1, { maxCredits: 300n }, requestId)).toMatchObject({ before: { maxCredits: 100n } });
    await expect(update(run1, { maxCredits: 301n }, requestId)).rejects.toThrow("used before with other content");
    // The answer comes with the journal of coordination; process hears of it a moment later.
    await vi.waitFor(async () => expect((await spend(150n)).case).toBe("settled"));
    expect((await complete()).event).toMatchObject({ case: "finished", value: { outcome: SUCCEEDED } });
    expect((await show(path)).credits).toMatchObject({ limit: 1_000n, granted: 0n, spent: 240n });
  });

  test("moves the deadline of a run that works: later, and its step with it", async () => {
    const path = await swarmOf({ credits: 1_000n });
    const command = ["node", "-e", "setTimeout(() => console.log('in time'), 2_500)"];
    const step = { name: "slow", limits: { maxCredits: 500n }, work: { case: "code", value: { command } } };
    const routine = { name: "work", limits: { maxCredits: 900n, maxDurationMs: 1_500n }, steps: [step] };
    const followed = await run(path, routine);
    await vi.waitFor(() => expect(followed.events.some(({ event }) => event.case === "stepStarted")).toBe(true));
    const run1 = (await show(path)).children[0]?.path ?? "";
    await update(run1, { maxDurationMs: 60_000n });
    expect((await followed.ended).event).toMatchObject({ case: "finished", value: { outcome: SUCCEEDED } });
  });

  test("of an account says how long it holds against the accounts file; the command shows what was and is", async () => {
    const cli = (...words: readonly string[]) => here.bursar("limits", ...words);
    const shown = await cli(DEMO_ACCOUNT, "--json");
    const { before } = JSON.parse(shown.out) as { before: { max_credits: number } };
    const lowered = await cli("demo", "--credits", String(before.max_credits - 1));
    expect(lowered.out).toMatch(/^global\/research\/demo\ncredits +[\d,]+ → [\d,]+\n/);
    expect(lowered.err).toContain("accounts file");
    expect(await cli("demo", "--credits", String(before.max_credits))).toMatchObject({ code: 0 });
  });

  test("of an account outlasts a restart with the same accounts file, and the file changed is what counts", async () => {
    const own = temporaryFolder();
    const file = join(own.folder, "accounts.yaml");
    const life = async (limit: number, act: (client: TestClient) => Promise<unknown>) => {
      writeFileSync(file, `accounts:\n  - { name: team, limits: { credits: ${limit} } }\n`);
      const started = { tier: "coordination", folder: own.folder, arguments: ["--accounts", file] } as const;
      const daemon = await startDaemon(started);
      const there = clientOf(daemon.address);
      const { accounts } = await there.coordination.getAccounts({});
      await act(there);
      there.connection.close();
      expect(await daemon.end()).toBe(0);
      return accounts[0]?.credits?.limit;
    };
    const request = () => ({ requestId: randomUUID() });
    const raised = await life(100, async ({ coordination }) => {
      await coordination.updateLimits({ ...request(), allocationId: "team", overrides: { maxCredits: 200n } });
      await coordination.createSwarm({ ...request(), account: "team", name: "big", limits: { maxCredits: 150n } });
    });
    expect(raised).toBe(100n);
    expect(await life(100, async () => undefined)).toBe(200n);
    expect(await life(150, async () => undefined)).toBe(150n);
    await expect(life(149, async () => undefined)).rejects.toThrow("team uses or has granted 150");
    expect(await life(150, async () => undefined)).toBe(150n);
    own.remove();
  });
});

test("a budget that runs low is told once for each threshold: to the worker, the run's follower, and in the tree", async () => {
  const path = await swarmOf({ credits: 1_000n, policy: { lowBudgetPercents: [50, 90] } });
  const followed = await run(path, drawingRoutine(100n));
  const { worker, spend, complete } = await workerIn(followed);
  const run1 = `${path}/work`;
  const noticed = () => worker.notices.flatMap(({ notice }) => (notice.case === "lowBudget" ? [notice.value] : []));
  const followedLow = () => followed.events.flatMap(({ event }) => (event.case === "lowBudget" ? [event.value] : []));

  await spend(49n);
  await spend(1n);
  await vi.waitFor(() => expect(noticed()).toMatchObject([{ percent: 50, resource: "credits", path: run1 }]));
  await spend(10n);
  await spend(35n);
  await vi.waitFor(() => expect(noticed()).toMatchObject([{ percent: 50 }, { percent: 90, path: run1 }]));
  await vi.waitFor(() =>
    expect(followedLow()).toMatchObject([
      { percent: 50, path: run1, limit: 100n },
      { percent: 90, path: run1, limit: 100n },
    ]),
  );
  await vi.waitFor(async () => expect((await show(path)).children[0]).toMatchObject({ lowBudgetPercent: 90 }));

  // The limit grows: use is below both again. What comes then is told again, the highest of what is passed at once.
  await update(run1, { maxCredits: 1_000n });
  await vi.waitFor(async () => expect((await show(path)).children[0]).toMatchObject({ lowBudgetPercent: 0 }));
  await vi.waitFor(async () => expect(await spend(805n)).toMatchObject({ case: "settled" }));
  await vi.waitFor(() => expect(noticed().map(({ percent }) => percent)).toEqual([50, 90, 90]));
  // By now the swarm itself has 900 of 1,000 used.
  await vi.waitFor(() => expect(followedLow().map((low) => `${low.path} ${low.percent}`)).toContain(`${path} 90`));
  await complete();
});
