/**
 * What budgets can do beside being divided, as somebody uses it who has read the docs and types commands: credits kept for some, a final
 * step, reservations, names that are had alone, and a policy that is tried.
 */
import { expect, test, vi } from "vitest";
import { Agent, MeshForTests } from "./mesh-for-tests.ts";

// Commands take their time where the machine is busy.
vi.setConfig({ testTimeout: 120_000 });

const here = new MeshForTests({
  accounts: `
accounts:
  - name: org
    limits: { credits: 10_000 }
    accounts:
      - name: kept
        limits: { credits: 1_000, priority_bonus: 300 }
      - name: later
        limits: { credits: 1_000 }
      - name: named
        limits: { credits: 2_000 }
        strategy: QUEUE_AND_WAIT
      - name: tried
        limits: { credits: 1_000 }
        strategy: FIRST_COME_FIRST_SERVED
        shadow: { strategy: PRIORITY_BASED }
`,
});

interface Swarm {
  readonly account: string;
  readonly name: string;
  readonly credits: number;
  readonly priority?: string;
  /** Of its routine, in YAML. */
  readonly limits?: string;
  readonly steps?: string;
}

/** A document of a swarm; its one step is done by a worker, where nothing else is said. */
function document({ account, name, credits, priority = "NORMAL", ...routine }: Swarm): string {
  const { limits = `{ credits: ${credits} }` } = routine;
  const { steps = `      - { name: agent, limits: { credits: ${credits} }, worker: { kind: test } }` } = routine;
  return here.write(
    `${name}.yaml`,
    `
name: ${name}
account: org/${account}
limits: { credits: ${credits} }
priority: ${priority}
routines:
  - name: work
    limits: ${limits}
    steps:
${steps}
`,
  );
}

async function why(subject: string): Promise<string> {
  return (await here.bursar("why", subject)).out;
}

test("a priority bonus is there for HIGH work, and NORMAL work is refused it in words", async () => {
  const refused = await here.bursar("run", document({ account: "kept", name: "usual", credits: 800 }));
  expect(refused.code).toBe(4);
  expect(refused.err).toContain("org/kept has 700 credits free of the 800 wanted");
  const important = { account: "kept", name: "important", credits: 800, priority: "HIGH" };
  const high = here.command("run", document(important), "--json");
  const agent = await Agent.of(high);
  const { out: tree } = await here.bursar("tree");
  expect(tree).toMatch(/kept +account .* keeps bonus 200/);
  expect(tree).toMatch(/important +swarm .* drew bonus 100/);
  await agent.spend(50n);
  await agent.complete();
  expect(await high.ended).toMatchObject({ code: 0 });
  // What was spent counts as general credits first; what was kept is kept again.
  expect((await here.bursar("limits", "org/kept")).out).toMatch(/for HIGH and above +300/);
  expect((await here.bursar("tree")).out).toMatch(/kept +account .* keeps bonus 300/);
});

test("a final step is done on what was kept for it, when a step before has used up its credits", async () => {
  const steps = `
      - { name: greedy, limits: { credits: 100 }, code: { command: [node, -e, "setInterval(() => {}, 1000)"] } }
      - { name: next, limits: { credits: 50 }, code: { command: ["true"] } }
      - { name: report, limits: { credits: 200 }, wrap_up: true, code: { command: [echo, what there is so far] } }`;
  const limits = "{ credits: 400, wrap_up_reserve: 200 }";
  const swarm = { account: "kept", name: "wrapping", credits: 400, limits, steps };
  const { code, out, err } = await here.bursar("run", document(swarm));
  expect(code).toBe(1);
  expect(err).toMatch(/greedy (failed|stopped)/);
  expect(err).toContain("○ next skipped");
  expect(err).toMatch(/✔ report .*\n +what there is so far/);
  expect(out).toMatch(/report +step +✔ succeeded/);
});

test("budget is reserved, is there for who names it and for nobody else, and is listed until it is used up", async () => {
  const made = await here.bursar(
    "reserve",
    "org/later",
    "--credits",
    "600",
    "--for",
    "10m",
    "--name",
    "tonight",
    "--json",
  );
  expect(made.code).toBe(0);
  const [{ id }] = JSON.parse(made.out) as [{ readonly id: string }];
  expect((await here.bursar("reservations")).out).toMatch(/org\/later +tonight +ready +600 credits +for \d+ min/);
  const file = document({ account: "later", name: "nightly", credits: 500 });
  const refused = await here.bursar("run", file);
  expect(refused).toMatchObject({ code: 4, out: "" });
  const words = "org/later has 400 credits free of the 500 wanted";
  expect(refused.err).toContain(words);
  expect(refused.err).toContain(`600 are reserved as tonight (${id})`);
  expect(await why("org/later")).toContain(`600 are reserved as tonight (${id})`);
  expect(await why("later/nightly")).toContain(words);

  const run = here.command("run", file, "--json", "--reservation", id);
  await (await Agent.of(run)).complete();
  expect(await run.ended).toMatchObject({ code: 0 });
  const { out } = await here.bursar("reservations", "org/later", "--json");
  expect(JSON.parse(out)).toMatchObject([{ id, state: "ready", left: { credits: 100 } }]);
  expect((await here.bursar("unreserve", id)).out).toMatch(/tonight +cancelled/);
});

test("a name is had alone: another run is refused, or waits for it when it says so", async () => {
  const holder = here.command(
    "run",
    document({ account: "named", name: "one", credits: 500 }),
    "--json",
    "--exclusive",
    "browser",
  );
  const agent = await Agent.of(holder);
  expect((await here.bursar("tree")).out).toMatch(/work +run .* holds browser alone/);
  const file = document({ account: "named", name: "two", credits: 500 });
  const refused = await here.bursar("run", file, "--exclusive", "browser");
  expect(refused.code).toBe(4);
  const words = "EXCLUSIVE_ACCESS_REQUIRED: browser under org is held EXCLUSIVE by org/named/one/work";
  expect(refused.err).toContain(words);
  const waiting = here.command("run", file, "--json", "--shared", "browser", "--wait", "10m");
  const { reason } = await waiting.event("queued");
  expect(reason).toContain(words);
  expect(await why("two/work")).toContain(reason);
  await agent.complete();
  expect(await holder.ended).toMatchObject({ code: 0 });
  await (await Agent.of(waiting)).complete();
  expect(await waiting.ended).toMatchObject({ code: 0 });
});

test("a policy is tried: what it would have decided is told beside what was decided, and counted", async () => {
  const holder = here.command("run", document({ account: "tried", name: "holder", credits: 800 }), "--json");
  const agent = await Agent.of(holder);
  const denied = await here.bursar("run", document({ account: "tried", name: "late", credits: 500 }));
  expect(denied.code).toBe(4);
  expect(denied.err).toContain("shadow PRIORITY_BASED (its own): would have");
  expect(await why("tried/late")).toContain("shadow PRIORITY_BASED (its own): would have");
  expect(await why("org/tried")).toMatch(/shadow PRIORITY_BASED \(its own\): of \d+ requests decided here/);
  await agent.complete();
  expect(await holder.ended).toMatchObject({ code: 0 });
});
