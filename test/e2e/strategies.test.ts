/**
 * The strategies that an accounts file names, through the three daemons, as those see them who ask: over the API, and by the command. Shares
 * stand in shares.test.ts, PREEMPTION_ALLOWED in preempt-automatic.test.ts.
 */
import { writeFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { ExecutionPriority } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { WorkOutcome } from "../../shared/gen/bursar/v1/run_pb.js";
import { DecisionKind } from "../../shared/gen/bursar/v1/watch_service_pb.js";
import { lastReason, whyOf } from "./decisions.ts";
import { Agent, eventOf, failureOf, faultOf, MeshForTests, QUICK, type StartedRun } from "./mesh-for-tests.ts";

function accounts(changing: string, turning: string): string {
  return `
accounts:
  - name: shop
    limits: { credits: 100_000 }
    accounts:
      - { name: first, limits: { credits: 1_000 }, strategy: FIRST_COME_FIRST_SERVED }
      - { name: ranked, limits: { credits: 10_000 }, strategy: PRIORITY_BASED }
      - { name: queued, limits: { credits: 10_000 }, strategy: QUEUE_AND_WAIT }
      - { name: doors, limits: { credits: 1_000 }, strategy: QUEUE_AND_WAIT, queue: { length_max: 1 } }
      - { name: changing, limits: { credits: 10_000 }, strategy: ${changing} }
      - { name: turning, limits: { credits: 10_000 }, strategy: ${turning} }
`;
}

// Commands take their time where the machine is busy.
vi.setConfig({ testTimeout: 120_000 });

const here = new MeshForTests({ accounts: accounts("QUEUE_AND_WAIT", "FIRST_COME_FIRST_SERVED") });

/** A swarm of one worker step, whose worker is the test. */
function document(account: string, name: string, credits: number): string {
  return here.write(
    `${name}.yaml`,
    `
name: ${name}
account: ${account}
limits: { credits: ${credits} }
routines:
  - name: work
    limits: { credits: ${credits} }
    steps: [{ name: agent, limits: { credits: ${credits} }, worker: { kind: test } }]
`,
  );
}

/** The names of those that were granted, in the order in which they were. */
function grantedUnder(path: string): string[] {
  return here.watched.decisions
    .filter(({ kind, parentPath }) => kind === DecisionKind.GRANTED && parentPath === path)
    .map((decision) => decision.path.slice(path.length + 1));
}

async function queuedAt(run: StartedRun): Promise<number | undefined> {
  await here.watched.first(({ requestId, kind }) => requestId === run.requestId && kind === DecisionKind.QUEUED);
  await vi.waitFor(() => expect(eventOf(run.events, "queued")).toBeDefined());
  return eventOf(run.events, "queued")?.conflict?.position;
}

async function succeeded(...runs: readonly StartedRun[]): Promise<void> {
  for (const run of runs) {
    expect((await run.ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
  }
}

test("FIRST_COME_FIRST_SERVED: what does not fit is denied with the time to try again, and why says the same; later it fits", async () => {
  const first = here.command("run", document("shop/first", "one", 800), "--json");
  const agent = await Agent.of(first);
  const second = document("shop/first", "two", 500);
  const denied = await here.bursar("run", second);
  const words =
    "INSUFFICIENT_CREDITS: shop/first has 200 credits free of the 500 wanted; held by shop/first/one (800); " +
    "FIRST_COME_FIRST_SERVED (its own) denies what does not fit now; try again in 1000 ms";
  expect(denied).toMatchObject({ code: 4, out: "" });
  expect(denied.err).toContain(words);
  expect(denied.err).toContain("may succeed in 1 s");
  expect((await here.bursar("why", "first/two")).out).toContain(words);

  // The same over the API: in a swarm below, which inherits the strategy.
  const swarm = await here.swarm({ account: "shop/first", name: "three", credits: 200n });
  const fault = await faultOf(here.run(swarm, { name: "big", credits: 201n, waitMs: 60_000 }));
  expect(fault.message).toContain("it can never fit");
  const holder = here.run(swarm, { name: "holder", credits: 150n });
  const late = await Agent.of(holder);
  const denials = await faultOf(here.run(swarm, { name: "late", credits: 100n, waitMs: 60_000 }));
  expect(denials.retryAfterMs).toBe(1_000);
  expect(denials.message).toContain("FIRST_COME_FIRST_SERVED (inherited from shop/first) denies what does not fit now");
  expect(await lastReason(here.client, "three/late")).toBe(denials.message);

  await Promise.all([late.complete(), agent.complete()]);
  await succeeded(holder);
  expect(await first.ended).toMatchObject({ code: 0 });
  const again = here.command("run", second, "--json");
  await (await Agent.of(again)).complete();
  expect(await again.ended).toMatchObject({ code: 0 });
});

test("PRIORITY_BASED: a HIGH run that came last goes first, then the earlier deadline, then who came first", async () => {
  const swarm = await here.swarm({ account: "shop/ranked", name: "hot", credits: 3_000n });
  const holder = here.run(swarm, { name: "holder", credits: 2_000n });
  const agent = await Agent.of(holder);
  const watching = here.command("why", swarm.path, "--watch");
  await watching.says("its children compete under PRIORITY_BASED (inherited from shop/ranked)");

  // Each takes more than half, so that they run one after the other.
  const each = { credits: 1_500n, steps: [QUICK], waitMs: 60_000 };
  const early = here.run(swarm, { ...each, name: "early" });
  expect(await queuedAt(early)).toBe(1);
  const hurried = here.run(swarm, { ...each, name: "hurried", durationMs: 30_000n });
  expect(await queuedAt(hurried)).toBe(1);
  const high = here.run(swarm, { ...each, name: "high", priority: ExecutionPriority.HIGH });
  expect(await queuedAt(high)).toBe(1);
  const last = here.run(swarm, { ...each, name: "last", priority: ExecutionPriority.LOW });
  expect(await queuedAt(last)).toBe(4);
  const [now] = await whyOf(here.client, early.requestId);
  expect(now?.standing[0]).toContain("it waits at place 3 under PRIORITY_BASED (inherited from shop/ranked)");
  await watching.says("hot/last (request");

  await agent.complete();
  await succeeded(holder, high, hurried, early, last);
  expect(grantedUnder(swarm.path)).toEqual(["holder", "high", "hurried", "early", "last"]);
  // Who watched was told the same, in the same order.
  const told = await watching.until(({ out }) => {
    const granted = [...out.matchAll(/hot\/(\w+) \(request [^)]*\) asked[^\n]*\n +granted in full after waiting/g)];
    return granted.length === 4 ? granted.map(([, name]) => name) : undefined;
  });
  expect(told).toEqual(["high", "hurried", "early", "last"]);
  watching.interrupt();
  expect(await watching.ended).toMatchObject({ code: 130 });
});

describe("QUEUE_AND_WAIT", () => {
  test("waits first in first out; a small one passes by when it delays nobody; one is cancelled, one waits in vain, one too many is refused", async () => {
    const swarm = await here.swarm({
      account: "shop/queued",
      name: "line",
      credits: 5_000n,
      branches: 10n,
      policy: { queueLengthMax: 3 },
    });
    const holder = here.run(swarm, { name: "holder", credits: 4_000n, branches: 5n, durationMs: 60_000n });
    const agent = await Agent.of(holder);
    // Six of ten slots are taken: the head needs five of them and its own, when the holder has ended at the latest.
    const each = { steps: [QUICK], waitMs: 60_000 };
    const first = { ...each, name: "head", credits: 300n, branches: 5n };
    const head = here.run(swarm, first);
    expect(await queuedAt(head)).toBe(1);
    // Who lost the stream meanwhile asks again, and is told of the same run from its beginning.
    const same = here.run(swarm, { ...first, requestId: head.requestId });
    expect(await queuedAt(same)).toBe(1);
    // Nothing is left of the slots beside what the head waits for: only who has ended by then may have some.
    const small = here.run(swarm, { ...each, name: "small", credits: 300n, branches: 1n, durationMs: 5_000n });
    await succeeded(small);
    expect(small.events.map(({ event }) => event.case)).not.toContain("queued");
    const endless = here.run(swarm, { ...each, name: "endless", credits: 300n, branches: 1n });
    expect(await queuedAt(endless)).toBe(2);

    const unwanted = here.run(swarm, { ...each, name: "unwanted", credits: 300n, branches: 5n });
    expect(await queuedAt(unwanted)).toBe(3);
    const full = await failureOf(here.run(swarm, { ...each, name: "full", credits: 300n, branches: 5n }));
    expect(full.message).toBe("3 requests already wait at shop/queued/line");
    const cancelled = await here.bursar("stop", "line/unwanted");
    expect(cancelled).toMatchObject({ code: 0, out: "line/unwanted waits no longer\n" });
    expect((await failureOf(unwanted)).message).toBe(
      "shop/queued/line/unwanted waits no longer: cancelled by the caller",
    );

    const timed = here.run(swarm, { ...each, name: "timed", credits: 300n, branches: 5n, waitMs: 300 });
    expect(await queuedAt(timed)).toBe(3);
    const inVain = await faultOf(timed);
    expect(inVain.message).toMatch(
      /it waited \d+ ms under QUEUE_AND_WAIT \(inherited from shop\/queued\), and may not wait longer;/,
    );
    expect(await lastReason(here.client, timed.requestId)).toBe(inVain.message);

    await agent.complete();
    await succeeded(holder, head, endless, same);
    expect(same.events).toEqual(head.events);
    expect(grantedUnder(swarm.path)).toEqual(["holder", "small", "head", "endless"]);
    expect(await here.look(swarm)).toMatchObject({ waiting: 0, openChildren: 0 });
  });
});

test("swarms wait for room in their account as its entry in the file says", async () => {
  const first = here.command("run", document("shop/doors", "inside", 800), "--json");
  const agent = await Agent.of(first);
  const second = here.command("run", document("shop/doors", "outside", 500), "--json", "--wait", "10m");
  const queued = await here.watched.first(({ path }) => path === "shop/doors/outside");
  expect(queued.reason).toContain("it waits at place 1 under QUEUE_AND_WAIT (its own)");
  const third = await here.bursar("run", document("shop/doors", "far", 500), "--wait", "10m");
  expect(third.err).toContain("1 request already waits at shop/doors");
  // Credits do not come back: not even a small one may take what the one that waits will need.
  const tiny = await here.bursar("run", document("shop/doors", "tiny", 100));
  expect(tiny.err).toContain("200 credits free, enough for the 100 wanted, and others have their turn before");
  await agent.complete();
  expect(await first.ended).toMatchObject({ code: 0 });
  await (await Agent.of(second)).complete();
  expect(await second.ended).toMatchObject({ code: 0 });

  // Whoever leaves waits no longer.
  const holder = await here.swarm({ account: "shop/doors", name: "holder", credits: 900n });
  const left = here.command("run", document("shop/doors", "left", 500), "--wait", "10m");
  await here.watched.first(({ path }) => path === "shop/doors/left");
  left.interrupt();
  expect(await left.ended).toMatchObject({ code: 130 });
  const gone = await here.watched.first(
    ({ path, kind }) => path === "shop/doors/left" && kind === DecisionKind.REFUSED,
  );
  expect(gone.reason).toBe("shop/doors/left waits no longer: cancelled by the caller");
  await here.bursar("stop", holder.path);
});

/** A worker step, and after it branches that do not fit beside each other. */
const WIDE = [
  { name: "agent", work: { case: "worker", value: { kind: "test", attachWithinMs: 60_000 } } },
  {
    name: "all",
    limits: { maxCredits: 300n },
    work: {
      case: "parallel",
      value: {
        branches: ["a", "b", "c"].map((name) => ({
          name,
          limits: { maxCredits: 180n },
          steps: [{ ...QUICK, limits: { maxCredits: 50n } }],
        })),
      },
    },
  },
];

test("the strategy changes in the file while work runs and others wait: these follow the new order, and so do the branches of that work", async () => {
  const swarm = await here.swarm({ account: "shop/changing", name: "flow", credits: 3_000n });
  const holder = here.run(swarm, { name: "holder", credits: 2_000n });
  const agent = await Agent.of(holder);
  const each = { credits: 1_500n, steps: [QUICK], waitMs: 60_000 };
  const low = here.run(swarm, { ...each, name: "low", priority: ExecutionPriority.LOW });
  expect(await queuedAt(low)).toBe(1);
  const high = here.run(swarm, { ...each, name: "high", priority: ExecutionPriority.HIGH });
  expect(await queuedAt(high)).toBe(2);

  // Under the strategy that was in force when it began its branches would be refused.
  const turning = await here.swarm({ account: "shop/turning", name: "turn", credits: 1_000n });
  const wide = here.run(turning, { name: "wide", credits: 300n, steps: WIDE });
  const early = await Agent.of(wide);

  writeFileSync(here.accountsFile, accounts("PRIORITY_BASED", "QUEUE_AND_WAIT"));
  const { pid, log } = here.mesh.coordination;
  process.kill(pid, "SIGHUP");
  await vi.waitFor(() => expect(log()).toContain("was read again and applied"), { timeout: 10_000 });
  const [now] = await whyOf(here.client, high.requestId);
  expect(now?.standing[0]).toContain("it waits at place 1 under PRIORITY_BASED (inherited from shop/changing)");

  writeFileSync(here.accountsFile, accounts("PRIORITY_BASED", "FIRST_COME_SERVED"));
  process.kill(pid, "SIGHUP");
  await vi.waitFor(() => expect(log()).toContain("not all of the files could be applied"), { timeout: 10_000 });
  expect(log()).toContain("strategy");

  await Promise.all([agent.complete(), early.complete()]);
  await succeeded(holder, high, low, wide);
  expect(grantedUnder(swarm.path)).toEqual(["holder", "high", "low"]);
});
