/**
 * PROPORTIONAL_SHARING through the three daemons: what runs have is divided by their weight while they work. Who comes is given what the others
 * have not used, which comes back out of the daemons that hold it; who goes leaves it to the others.
 */
import { expect, test, vi } from "vitest";
import { WorkOutcome } from "../../shared/gen/bursar/v1/run_pb.js";
import { whyOf } from "./decisions.ts";
import { Agent, eventOf, failureOf, MeshForTests } from "./mesh-for-tests.ts";

// Commands take their time where the machine is busy.
vi.setConfig({ testTimeout: 120_000 });

const here = new MeshForTests({
  accounts: `
accounts:
  - name: lab
    limits: { credits: 1_200 }
    strategy: PROPORTIONAL_SHARING
`,
});

/** What it was raised by is known to its daemon a moment after coordination has granted it. */
async function spends(agent: Agent, credits: bigint): Promise<void> {
  await vi.waitFor(() => agent.spend(credits), { timeout: 30_000 });
}

test("three runs of weight 1, 1 and 2 share; a fourth of weight 4 gets its half out of them, exactly; one goes, and the rest grow", async () => {
  const swarm = await here.swarm({ account: "lab", name: "mine", credits: 1_200n });
  const limits = async () => {
    const { children } = await here.look(swarm);
    return Object.fromEntries(children.map(({ name, credits }) => [name, credits?.limit]));
  };
  const has = (wanted: object) => vi.waitFor(async () => expect(await limits()).toEqual(wanted), { timeout: 30_000 });
  // Each could use all there is, and can do with a little.
  const start = (name: string, weight: number) =>
    here.run(swarm, { name, weight, credits: 1_200n, minCredits: 50n, waitMs: 60_000 });

  const one = start("one", 1);
  const first = await Agent.of(one);
  await has({ one: 1_200n });
  const two = start("two", 1);
  const second = await Agent.of(two);
  await has({ one: 600n, two: 600n });
  const three = start("three", 2);
  const third = await Agent.of(three);
  await has({ one: 300n, two: 300n, three: 600n });

  // Work that goes on spends, and holds what a call needs.
  await first.spend(100n);
  const held = await third.reserve(120n);
  const four = start("four", 4);
  const fourth = await Agent.of(four);
  await has({ one: 150n, two: 150n, three: 300n, four: 600n });
  expect(eventOf(four.events, "queued")?.reason).toContain("PROPORTIONAL_SHARING (inherited from lab)");

  // What was given back can not be spent any more; what is left can, to the last credit.
  await expect(first.spend(51n)).rejects.toThrow("has 50 credits free of the 51 wanted");
  await first.spend(50n);
  await spends(fourth, 600n);
  const why = (await whyOf(here.client, "mine/two")).flatMap(({ decisions }) => decisions.map(({ reason }) => reason));
  expect(why).toContainEqual(expect.stringMatching(/^preempted \(SHRINK\) .* its share of lab\/mine is smaller now$/));

  // Nobody is granted what is of no use to it: the least that it wants is more than its part.
  const greedy = here.run(swarm, { name: "greedy", weight: 1, credits: 1_200n, minCredits: 700n });
  expect((await failureOf(greedy)).message).toContain("free of the 700 wanted");

  // The 300 of three are divided among the others, by their weights.
  if (held.case === "held") {
    const { holdId } = held.value;
    const { allocationId } = await three.workerReady;
    await third.worker.send({ case: "settle", value: { allocationId, holdId, credits: 0n, final: true } });
  }
  await third.complete();
  expect((await three.ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
  await vi.waitFor(async () => expect(await grown()).toEqual({ one: 200n, two: 200n, four: 800n }), {
    timeout: 30_000,
  });
  await spends(fourth, 200n);
  await spends(second, 200n);

  async function grown() {
    const { three: _, ...rest } = await limits();
    return rest;
  }
  for (const agent of [first, second, fourth]) await agent.complete();
  for (const run of [one, two, four]) {
    expect((await run.ended).event.value).toMatchObject({ outcome: WorkOutcome.SUCCEEDED });
  }
  expect((await here.look(swarm)).credits).toMatchObject({ limit: 1_200n, spent: 1_150n, granted: 0n, available: 50n });
});
