/**
 * Whose strategy decides, where others than that of the account do: the request's, where the policy lets it choose, and a run's own. By the
 * accounts file, the document of a swarm, the command line and the API.
 */
import { randomUUID } from "node:crypto";
import { expect, test, vi } from "vitest";
import { RefusalError } from "#errors";
import { ConflictStrategy } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { WorkOutcome } from "../../shared/gen/bursar/v1/run_pb.js";
import { DecisionKind } from "../../shared/gen/bursar/v1/watch_service_pb.js";
import { runRoutine, workerRoutine } from "./client.ts";
import { lastReason } from "./decisions.ts";
import { Agent, eventOf, failureOf, MeshForTests } from "./mesh-for-tests.ts";

const ACCOUNTS = `
accounts:
  - name: shop
    limits: { credits: 100_000 }
    accounts:
      - { name: open, limits: { credits: 1_000 }, request_may_choose: true }
      - { name: strict, limits: { credits: 1_000 } }
`;

// Commands take their time where the machine is busy.
vi.setConfig({ testTimeout: 120_000 });

const here = new MeshForTests({ accounts: ACCOUNTS });

interface Described {
  readonly account: string;
  readonly name: string;
  readonly credits: number;
  /** More of the swarm. */
  readonly more?: string;
}

/** A swarm of one worker step, whose worker is the test. */
function document({ account, name, credits, more = "" }: Described): string {
  const step = `{ name: agent, limits: { credits: ${credits} }, worker: { kind: test } }`;
  const routine = `{ name: work, limits: { credits: ${credits} }, steps: [${step}] }`;
  const swarm = `name: ${name}\naccount: ${account}\nlimits: { credits: ${credits} }\n${more}\n`;
  return here.write(`${name}.yaml`, `${swarm}routines: [${routine}]\n`);
}

test("a swarm waits by its own choice where others are denied; elsewhere it may not choose", async () => {
  const first = here.command("run", document({ account: "shop/open", name: "one", credits: 800 }), "--json");
  const agent = await Agent.of(first);
  const denied = await here.bursar(
    "run",
    document({ account: "shop/open", name: "two", credits: 500 }),
    "--wait",
    "1m",
  );
  expect(denied.code).toBe(4);
  expect(denied.err).toContain("FIRST_COME_FIRST_SERVED (by default) denies what does not fit now");

  const chosen = document({
    account: "shop/open",
    name: "three",
    credits: 500,
    more: "request_strategy: QUEUE_AND_WAIT",
  });
  const waiting = here.command("run", chosen, "--json", "--wait", "10m");
  const queued = await here.watched.first(({ path }) => path === "shop/open/three");
  expect(queued.reason).toContain("it waits at place 1 under QUEUE_AND_WAIT (the request's)");
  expect((await here.bursar("why", "open/three")).out).toContain(queued.reason);
  await agent.complete();
  await (await Agent.of(waiting)).complete();
  expect(await waiting.ended).toMatchObject({ code: 0 });
  expect(await first.ended).toMatchObject({ code: 0 });

  const words = ["--request-strategy", "QUEUE_AND_WAIT", "--wait", "10m"];
  const refused = await here.bursar("run", document({ account: "shop/strict", name: "four", credits: 1 }), ...words);
  expect(refused).toMatchObject({ code: 4, out: "" });
  expect(refused.err).toContain("the policy of shop/strict does not let a request choose its strategy");
  const wrong = document({ account: "shop/open", name: "five", credits: 1, more: "request_strategy: LOTTERY" });
  const unread = await here.bursar("run", wrong);
  expect(unread.code).toBe(2);
  expect(unread.err).toContain("request_strategy");
});

test("a run chooses in a swarm that lets it, once for a request", async () => {
  const swarm = await here.swarm({
    account: "shop/open",
    name: "runs",
    credits: 100n,
    policy: { requestMayChoose: true },
  });
  const order = (credits: bigint, requestStrategy?: ConflictStrategy, name = "run") => ({
    requestId: randomUUID(),
    swarmId: swarm.allocationId,
    routine: workerRoutine(credits, name),
    waitMs: 60_000,
    ...(requestStrategy !== undefined && { requestStrategy }),
  });
  const holder = runRoutine(here.client, order(80n));
  const agent = await Agent.of(holder);
  const asked = order(60n, ConflictStrategy.QUEUE_AND_WAIT, "chooses");
  const waiting = runRoutine(here.client, asked);
  await vi.waitFor(() => expect(eventOf(waiting.events, "queued")).toBeDefined());
  expect(eventOf(waiting.events, "queued")?.reason).toContain("under QUEUE_AND_WAIT (the request's)");
  const queued = await here.watched.first(({ requestId }) => requestId === asked.requestId);
  expect(queued).toMatchObject({ kind: DecisionKind.QUEUED, strategy: ConflictStrategy.QUEUE_AND_WAIT });

  const other = await failureOf(
    runRoutine(here.client, { ...asked, requestStrategy: ConflictStrategy.PRIORITY_BASED }),
  );
  expect(other).toBeInstanceOf(RefusalError);
  expect(other instanceof RefusalError && other.refusal.reason).toBe("REQUEST_ID_REUSED");
  const unknown = await failureOf(runRoutine(here.client, order(1n, 99 as ConflictStrategy)));
  const fields = unknown instanceof RefusalError ? unknown.refusal.fieldViolations.map(({ field }) => field) : [];
  expect(fields).toEqual(["request_strategy"]);

  await agent.complete();
  await (await Agent.of(waiting)).complete();
  expect((await waiting.ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
  expect(await lastReason(here.client, asked.requestId)).toContain("granted in full after waiting");
});

test("a run has a strategy of its own for what is in it, and a branch for what is in that", async () => {
  // Both want one name, which they can have one after the other.
  const step = "{ name: only, limits: { credits: 100 }, code: { command: [sleep, '0.1'] } }";
  const branches = ["a", "b"].map(
    (name) => `{ name: ${name}, limits: { credits: 100 }, exclusive: [desk], steps: [${step}] }`,
  );
  const both = `{ name: both, limits: { credits: 200 }, parallel: [${branches}] }`;
  const run = (name: string, competes: string, steps = both) =>
    `{ name: ${name}, limits: { credits: 200 }, ${competes} steps: [${steps}] }`;
  const outcomeOf = async (name: string, routine: string) => {
    const text = `name: ${name}\naccount: shop/strict\nlimits: { credits: 200 }\nroutines: [${routine}]\n`;
    const { code, out } = await here.bursar("run", here.write(`${name}.yaml`, text), "--json");
    return [code, (JSON.parse(out) as { outcome: string }).outcome];
  };
  expect(await outcomeOf("denies", run("inherits", ""))).toEqual([1, "failed"]);
  expect(await outcomeOf("waits", run("own", "strategy: QUEUE_AND_WAIT,"))).toEqual([0, "succeeded"]);
  const inner = `{ name: inner, limits: { credits: 200 }, strategy: QUEUE_AND_WAIT, steps: [${both}] }`;
  const outer = `{ name: outer, limits: { credits: 200 }, parallel: [${inner}] }`;
  expect(await outcomeOf("nested", run("nested", "", outer))).toEqual([0, "succeeded"]);
});
