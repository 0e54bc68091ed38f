/** Bad input at the door of the real daemons: a clear error that says what to do, and nothing changed. */
import { randomUUID } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FaultError, RefusalError } from "#errors";
import { createSwarm, DEMO_ACCOUNT, runRoutine, TestWorker, workerRoutine } from "./client.ts";
import { MeshForTests } from "./mesh-for-tests.ts";

const here = new MeshForTests();

/** What stands in the accounts, as text: equal before and after whatever was refused. */
async function standing(): Promise<string> {
  const { accounts } = await here.client.coordination.getAccounts({ depth: 10 });
  const plain = (_key: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
  return JSON.stringify(accounts, plain).replaceAll(/"deadlineLeftMs":"\d+"/g, "");
}

async function refusalOf(act: () => Promise<unknown>): Promise<RefusalError | FaultError> {
  const before = await standing();
  const error = await act().then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(await standing()).toBe(before);
  if (error instanceof RefusalError || error instanceof FaultError) return error;
  throw new Error(`expected a refusal, got ${String(error)}`);
}

function fieldsOf(error: RefusalError | FaultError): string[] {
  return error instanceof RefusalError ? error.refusal.fieldViolations.map(({ field }) => field) : [];
}

const good = () => ({ requestId: randomUUID(), account: DEMO_ACCOUNT, name: "good", limits: { maxCredits: 10n } });

describe("CreateSwarm", () => {
  it("names every wrong field at once", async () => {
    const limits = { maxCredits: -5n, maxToolCalls: 2n ** 60n };
    const error = await refusalOf(() =>
      here.client.coordination.createSwarm({ ...good(), requestId: "", name: "Not A Name", limits }),
    );
    expect(fieldsOf(error)).toEqual(["request_id", "name", "limits.max_credits", "limits.max_tool_calls"]);
  });

  it("refuses more than the account has, and says who refused", async () => {
    const limits = { maxCredits: 9_007_199_254_740_991n };
    const error = await refusalOf(() => here.client.coordination.createSwarm({ ...good(), limits }));
    expect(error).toBeInstanceOf(FaultError);
    expect(error.message).toContain("INSUFFICIENT_CREDITS");
    expect(error.message).toContain("it can never fit");
    expect(error instanceof FaultError && error.error.allocationPath).toBe(DEMO_ACCOUNT);
  });

  it("refuses an unknown account", async () => {
    const error = await refusalOf(() => here.client.coordination.createSwarm({ ...good(), account: "global/nobody" }));
    expect(error.message).toContain("no account global/nobody is known");
  });

  it("refuses a request_id that was used with other content, and answers an equal one again", async () => {
    const request = { ...good(), name: "twice" };
    const first = await here.client.coordination.createSwarm(request);
    const again = await here.client.coordination.createSwarm(request);
    expect(again.swarm?.allocationId).toBe(first.swarm?.allocationId);
    const error = await refusalOf(() =>
      here.client.coordination.createSwarm({ ...request, limits: { maxCredits: 11n } }),
    );
    expect(error instanceof RefusalError && error.refusal.reason).toBe("REQUEST_ID_REUSED");
  });

  it("refuses a strategy that no version has", async () => {
    const odd = { ...good(), name: "odd", policy: { strategy: 99 as never } };
    const error = await refusalOf(() => here.client.coordination.createSwarm(odd));
    expect(fieldsOf(error)).toEqual(["policy.strategy"]);
  });

  it("refuses a message that is too large", async () => {
    const name = "x".repeat(5 * 1024 * 1024);
    await expect(here.client.coordination.createSwarm({ ...good(), name })).rejects.toThrow(
      /larger than|too large|max/i,
    );
  });
});

describe("RunRoutine", () => {
  it("refuses a run that asks for more than its swarm has", async () => {
    const swarm = await createSwarm(here.client, 100n, "small");
    const request = { requestId: randomUUID(), swarmId: swarm.allocationId, routine: workerRoutine(101n) };
    const error = await refusalOf(() => runRoutine(here.client, request).ended);
    expect(error.message).toContain("has 100 credits free of the 101 wanted");
  });

  it("refuses an unknown swarm and a routine without steps", async () => {
    const unknown = { requestId: randomUUID(), swarmId: randomUUID(), routine: workerRoutine(1n) };
    expect((await refusalOf(() => runRoutine(here.client, unknown).ended)).message).toContain(
      "no parent allocation with id",
    );
    const swarm = await createSwarm(here.client, 10n, "empty");
    const empty = { requestId: randomUUID(), swarmId: swarm.allocationId, routine: { name: "none", steps: [] } };
    expect(fieldsOf(await refusalOf(() => runRoutine(here.client, empty).ended))).toContain("routine.steps");
  });
});

describe("UpdateLimits", () => {
  it("names every field that is wrong, and what is not there", async () => {
    const overrides = { maxCredits: -1n, maxDurationMs: 1n << 60n };
    const wrong = await refusalOf(() => here.client.coordination.updateLimits({ requestId: "", overrides }));
    const fields = ["request_id", "allocation_id", "overrides.max_credits", "overrides.max_duration_ms"];
    expect(fieldsOf(wrong)).toEqual(expect.arrayContaining(fields));
    const unknown = { requestId: randomUUID(), allocationId: "global/nobody", overrides: { maxCredits: 1n } };
    expect((await refusalOf(() => here.client.coordination.updateLimits(unknown))).message).toContain("global/nobody");
  });
});

describe("Meter", () => {
  it("refuses a wrong token, an item before Attach, and a child's step that asks too much", async () => {
    const swarm = await createSwarm(here.client, 100n, "metered");
    const run = runRoutine(here.client, {
      requestId: randomUUID(),
      swarmId: swarm.allocationId,
      routine: workerRoutine(50n),
    });
    const ready = await run.workerReady;
    const worker = new TestWorker(ready.address);
    const { allocationId } = ready;
    const reserve = (credits: bigint) => ({
      requestId: randomUUID(),
      allocationId,
      kind: 1,
      name: "m",
      wanted: { credits },
    });
    const errorOf = async (sent: ReturnType<TestWorker["send"]>) => {
      const answer = await sent;
      return answer.case === "error" ? answer.value : undefined;
    };
    expect(await errorOf(worker.send({ case: "reserve", value: reserve(1n) }))).toMatchObject({ code: 7 });
    expect(await errorOf(worker.attach({ allocationId, token: "guessed" }))).toMatchObject({ code: 7 });
    expect(await errorOf(worker.attach({ allocationId: randomUUID(), token: ready.token }))).toMatchObject({ code: 7 });
    expect((await worker.attach(ready)).case).toBe("done");
    const refused = await errorOf(worker.send({ case: "reserve", value: reserve(51n) }));
    expect(refused).toMatchObject({ code: 8 });
    expect(refused?.message).toContain("has 50 credits free of the 51 wanted");
    expect(await errorOf(worker.send({ case: "reserve", value: { ...reserve(-1n), name: "" } }))).toMatchObject({
      code: 3,
    });
    expect(
      await errorOf(worker.send({ case: "settle", value: { allocationId, holdId: "none", final: true } })),
    ).toMatchObject({ code: 5 });
    await worker.send({ case: "complete", value: { allocationId } });
    await run.ended;
    worker.close();
  });
});
