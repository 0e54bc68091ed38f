/** Wishes that make no sense under any policy, at the door of the real daemons: refused by name with the field, and nothing is changed. */
import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { RefusalError } from "#errors";
import { connect, fromStatusMessage } from "#rpc";
import { systemClock } from "#tier";
import { ExecutionPriority } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { PreemptionMode, PreemptionService } from "../../shared/gen/bursar/v1/preemption_service_pb.js";
import { DEMO_ACCOUNT, runRoutine, workerRoutine } from "./client.ts";
import { Agent, failureOf, MeshForTests } from "./mesh-for-tests.ts";

const PROPORTIONAL_SHARING = 3;
const WEIGHT_MAX = 1_000_000;

const here = new MeshForTests();

function fieldsOf(error: unknown): readonly string[] {
  if (!(error instanceof RefusalError)) throw error;
  return error.refusal.fieldViolations.map(({ field }) => field);
}

async function refused(act: Promise<unknown>): Promise<unknown> {
  return act.then(
    () => expect.fail("it was not refused"),
    (error: unknown) => error,
  );
}

test.each([0, WEIGHT_MAX + 1, 4_294_967_295])("a weight of %d", async (weight) => {
  const swarm = await here.swarm({
    account: DEMO_ACCOUNT,
    name: `weight-${weight}`,
    credits: 100n,
    policy: { strategy: PROPORTIONAL_SHARING },
  });
  const share = { weight };
  const name = `heavy-${weight}`;
  const order = { requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits: { maxCredits: 1n }, share };
  expect(fieldsOf(await refused(here.client.coordination.createSwarm(order)))).toEqual(["share.weight"]);
  const { steps, ...routine } = workerRoutine(10n);
  const asked = { requestId: randomUUID(), swarmId: swarm.allocationId, routine: { ...routine, steps }, share };
  expect(fieldsOf(await failureOf(runRoutine(here.client, asked)))).toEqual(["share.weight"]);
  const [step] = steps;
  const inside = { ...asked, share: {}, routine: { ...routine, share, steps: [{ ...step, share }] } };
  expect(fieldsOf(await failureOf(runRoutine(here.client, inside)))).toEqual(
    expect.arrayContaining(["routine.share.weight", "routine.steps[0].share.weight"]),
  );
  expect(await here.look(swarm)).toMatchObject({ openChildren: 0, credits: { available: 100n } });
});

test("a minimum above the maximum", async () => {
  const swarm = await here.swarm({ account: DEMO_ACCOUNT, name: "minimum", credits: 100n });
  const share = { minCredits: 11n, minToolCalls: 3n };
  const limits = { maxCredits: 10n, maxToolCalls: 2n };
  const asked = { requestId: randomUUID(), swarmId: swarm.allocationId, routine: workerRoutine(10n), limits, share };
  const fields = ["share.min_credits", "share.min_tool_calls"];
  expect(fieldsOf(await failureOf(runRoutine(here.client, asked)))).toEqual(fields);
  const order = { requestId: randomUUID(), account: DEMO_ACCOUNT, name: "minimum-too", limits, share };
  expect(fieldsOf(await refused(here.client.coordination.createSwarm(order)))).toEqual(fields);
  expect(await here.look(swarm)).toMatchObject({ openChildren: 0, credits: { available: 100n } });
});

test("a deadline in the past", async () => {
  const swarm = await here.swarm({ account: DEMO_ACCOUNT, name: "late", credits: 100n });
  const run = here.run(swarm, { name: "work", credits: 50n, durationMs: 60_000n });
  const agent = await Agent.of(run);
  const [before] = (await here.look(swarm)).children;
  const allocationId = before?.allocationId ?? "";
  const past = { requestId: randomUUID(), allocationId, overrides: { maxDurationMs: 0n } };
  expect(fieldsOf(await refused(here.client.coordination.updateLimits(past)))).toEqual(["overrides.max_duration_ms"]);
  const below = { ...past, requestId: randomUUID(), overrides: { maxDurationMs: -1n } };
  expect(fieldsOf(await refused(here.client.coordination.updateLimits(below)))).toEqual(["overrides.max_duration_ms"]);
  await agent.spend(10n);
  await agent.complete();
  await run.ended;
});

test("a preemption for the sake of an equal, or of somebody lower", async () => {
  const swarm = await here.swarm({ account: DEMO_ACCOUNT, name: "equals", credits: 100n });
  const run = here.run(swarm, { name: "work", credits: 50n, priority: ExecutionPriority.HIGH });
  const agent = await Agent.of(run);
  const [work] = (await here.look(swarm)).children;
  const connection = connect({ address: here.mesh.process.address, clock: systemClock });
  const { instance } = here.mesh.process;
  const asked = async (claimantPriority: ExecutionPriority, mode: PreemptionMode) => {
    const { allocationId = "", epoch = 0n } = work ?? {};
    const item = { preemptionId: randomUUID(), allocationId, epoch, mode, reason: "mine", claimantPriority };
    const answers = connection.client(PreemptionService).preempt({ instance, items: [item] });
    for await (const answer of answers) return answer;
    throw new Error("no answer");
  };
  for (const mode of [PreemptionMode.SHRINK, PreemptionMode.PAUSE, PreemptionMode.STOP]) {
    for (const priority of [ExecutionPriority.NORMAL, ExecutionPriority.HIGH]) {
      const { error } = await asked(priority, mode);
      expect(error && fieldsOf(fromStatusMessage(error))).toEqual(["claimant_priority"]);
    }
  }
  // It works on, with all that it had.
  await agent.spend(50n);
  await agent.complete();
  connection.close();
  await run.ended;
});
