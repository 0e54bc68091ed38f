import { describe, expect, it } from "vitest";
import type { GrantAnswer } from "#ports";
import { LIMITS } from "#std";
import { some } from "./testing/tier.ts";
import { CHILD, TwoTiers } from "./testing/two-tiers.ts";

const REDIAL_MS = LIMITS.redialDelayMaxMs + 100;
const QUEUE = { strategy: "QUEUE_AND_WAIT" } as const;

async function withRun(options: ConstructorParameters<typeof TwoTiers>[0] = {}): Promise<TwoTiers> {
  const tiers = await new TwoTiers(options).start();
  await tiers.grant("run", { credits: 400 });
  return tiers;
}

const typesOf = (answers: readonly GrantAnswer[]) => answers.map(({ type }) => type);
const accountOf = async (tiers: TwoTiers) => (await tiers.parent.node("account")).books.credits;

describe("a request for more", () => {
  it("is raised, and the budget is there when the answer is told", async () => {
    const tiers = await withRun();
    const held: string[] = [];
    tiers.uplink.ask(tiers.raise("more", "run", 100), (answer) => {
      held.push(answer.type);
      tiers.child.loop.submit(tiers.reserve("run", 500), (outcome) => held.push(outcome.type));
    });
    await tiers.clock.settle();
    expect(held).toEqual(["raised", "held"]);
    expect(await accountOf(tiers)).toMatchObject({ available: 500, granted: 500 });
  });

  it("says when it got less", async () => {
    const tiers = await withRun();
    const answers = tiers.ask({ ...tiers.raise("more", "run", 900), min: tiers.raise("", "run", 1).min });
    await tiers.clock.settle();
    expect(answers).toMatchObject([{ type: "raised", partial: true, grantedTotal: { credits: 1_000 } }]);
  });

  it("is denied in the words of the conflict, with the holders and a time", async () => {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.raise("more", "run", 601));
    await tiers.clock.settle();
    const [answer] = answers;
    if (answer?.type !== "denied" || !("error" in answer.error)) throw new Error(JSON.stringify(answers));
    expect(answer.error.error).toMatchObject({
      type: "RESOURCE_ALLOCATION_FAILED",
      tier: "process",
      ancestor: "account",
      resource: "credits",
      holders: ["run"],
      retryAfterMs: LIMITS.retryAfterMs,
    });
    expect(answer.error.message).toContain("account has 600 credits free of the 601 wanted; held by account/run (400)");
  });

  it("may succeed later under the same id: a refusal is not an effect", async () => {
    const tiers = await withRun();
    const first = tiers.ask(tiers.raise("more", "run", 601));
    await tiers.clock.settle();
    await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: tiers.raise("", "run", 0).min });
    await tiers.clock.settle();
    const second = tiers.ask(tiers.raise("more", "run", 601));
    await tiers.clock.settle();
    expect([typesOf(first), typesOf(second)]).toEqual([["denied"], ["raised"]]);
  });

  it("with the id of another one is refused", async () => {
    const tiers = await withRun();
    tiers.ask(tiers.raise("more", "run", 100));
    await tiers.clock.settle();
    const answers = tiers.ask(tiers.raise("more", "run", 101));
    await tiers.clock.settle();
    expect(answers).toMatchObject([{ type: "denied", error: { refusal: { reason: "REQUEST_ID_REUSED" } } }]);
  });

  it("of an old epoch is refused by name", async () => {
    const tiers = await withRun();
    const by = tiers.raise("", "run", 10).min;
    const answers = tiers.ask(
      tiers.raise("more", "run", 10, { target: { type: "raise", allocationId: "run", epoch: 7, by } }),
    );
    await tiers.clock.settle();
    expect(answers).toMatchObject([{ type: "denied", error: { refusal: { reason: "STALE_EPOCH", currentEpoch: 1 } } }]);
  });

  it("beyond the bound of waiting requests is not asked", async () => {
    const tiers = await withRun();
    tiers.wire.reachable = false;
    tiers.wire.cut();
    await tiers.clock.settle();
    for (let n = 0; n < LIMITS.asksInFlightMax; n += 1)
      tiers.uplink.ask(tiers.raise(`r${n}`, "run", 1), () => undefined);
    expect(tiers.uplink.ask(tiers.raise("one more", "run", 1), () => undefined)).toBe(false);
  });
});

describe("a request for a new allocation", () => {
  it("is opened for its holder, under an id, a token and a lease of the parent's", async () => {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.open("side", "side", 50));
    await tiers.clock.settle();
    const [answer] = answers;
    if (answer?.type !== "opened") throw new Error(JSON.stringify(answers));
    const { grant } = answer;
    expect(grant).toMatchObject({
      path: "account/side",
      kind: "step",
      limits: { credits: 50 },
      epoch: 1,
      leaseTtlMs: LIMITS.leaseTtlMs,
      token: expect.stringContaining("token"),
    });
    expect(await tiers.parent.node(grant.allocationId)).toMatchObject({ side: "delegated", peer: CHILD });
  });

  it("says how much of its deadline is left when it is answered again", async () => {
    const tiers = await withRun();
    const ask = tiers.open("side", "side", 50);
    const timed = {
      ...ask,
      target: { ...ask.target, limits: { ...Reflect.get(ask.target, "limits"), durationMs: 60_000 } },
    };
    const first = tiers.ask(timed as typeof ask);
    await tiers.clock.settle();
    await tiers.clock.advance(10_000);
    const second = tiers.ask(timed as typeof ask);
    await tiers.clock.settle();
    expect([first, second].flat()).toMatchObject([
      { grant: { deadlineLeftMs: 60_000 } },
      { grant: { deadlineLeftMs: 50_000 } },
    ]);
  });

  it("is not for a stranger to the parent", async () => {
    const tiers = await new TwoTiers().start();
    const answers = tiers.ask(tiers.open("side", "side", 50));
    await tiers.clock.settle();
    expect(answers).toMatchObject([{ type: "denied", error: { refusal: { reason: "NOT_PERMITTED" } } }]);
  });
});

describe("a request that waits", () => {
  const waiting = { waitMs: 60_000 };

  it("is told its place at once, and the grant when there is room", async () => {
    const tiers = await withRun({ policy: QUEUE });
    await tiers.grant("other", { credits: 600 });
    const answers = tiers.ask(tiers.raise("more", "run", 100, waiting));
    await tiers.clock.settle();
    expect(answers).toMatchObject([{ type: "queued", conflict: { position: 1, ancestorId: "account" } }]);
    await tiers.child.run({ type: "close", allocationId: "other", reason: "done" });
    await tiers.clock.settle();
    expect(typesOf(answers)).toEqual(["queued", "raised"]);
    expect((await tiers.child.node("run")).books.credits.limit).toBe(500);
  });

  it("gets its answer after a loss, when it was decided while the link was down", async () => {
    const tiers = await withRun({ policy: QUEUE });
    await tiers.grant("other", { credits: 600 });
    const answers = tiers.ask(tiers.raise("more", "run", 100, waiting));
    await tiers.clock.settle();
    tiers.wire.cut();
    await tiers.parent.run({
      type: "set_limits",
      allocationId: "account",
      limits: { credits: 2_000 } as never,
      policy: QUEUE,
    });
    await tiers.clock.settle();
    expect(typesOf(answers)).toEqual(["queued"]);
    await tiers.clock.advance(REDIAL_MS);
    expect(typesOf(answers)).toEqual(["queued", "raised"]);
    expect((await tiers.parent.node("run")).books.credits.limit).toBe(500);
  });

  it("ends with a denial when its time is over", async () => {
    const tiers = await withRun({ policy: QUEUE });
    await tiers.grant("other", { credits: 600 });
    const answers = tiers.ask(tiers.raise("more", "run", 100, { waitMs: 2_000 }));
    await tiers.clock.advance(2_000 + 2 * LIMITS.dueBucketMs);
    expect(typesOf(answers)).toEqual(["queued", "denied"]);
  });

  it("ends with a denial when it is cancelled", async () => {
    const tiers = await withRun({ policy: QUEUE });
    await tiers.grant("other", { credits: 600 });
    const answers = tiers.ask(tiers.raise("more", "run", 100, waiting));
    await tiers.clock.settle();
    tiers.uplink.cancel("more");
    await tiers.clock.settle();
    expect(typesOf(answers)).toEqual(["queued", "denied"]);
    expect((await tiers.parent.node("account")).waiters.size).toBe(0);
  });

  it.each(["the link is down", "the cancel is lost on its way"])("stays cancelled when %s", async (what) => {
    const tiers = await withRun({ policy: QUEUE });
    await tiers.grant("other", { credits: 600 });
    const answers = tiers.ask(tiers.raise("more", "run", 100, waiting));
    await tiers.clock.settle();
    if (what === "the link is down") {
      tiers.wire.cut();
      await tiers.clock.settle();
      tiers.uplink.cancel("more");
    } else {
      tiers.uplink.cancel("more");
      tiers.wire.cut();
    }
    await tiers.clock.advance(REDIAL_MS);
    expect(answers.at(-1)?.type).toBe("denied");
    await tiers.child.run({ type: "close", allocationId: "other", reason: "done" });
    await tiers.clock.advance(1_000);
    expect((await tiers.child.node("run")).books.credits.limit).toBe(400);
    expect(await accountOf(tiers)).toMatchObject({ available: 600, granted: 400 });
  });

  it("that was granted before its cancel arrived says so", async () => {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.raise("more", "run", 100));
    tiers.uplink.cancel("more");
    await tiers.clock.settle();
    expect(typesOf(answers)).toEqual(["raised"]);
    expect((await tiers.child.node("run")).books.credits.limit).toBe(500);
  });
});

describe("a request across a loss has one effect", () => {
  const losses = {
    "on its way up": async (tiers: TwoTiers) => tiers.wire.cut(),
    "before it was decided": async (tiers: TwoTiers) => tiers.wire.cut({ parentLearnsAfterMs: 1_000 }),
    "while its answer was on its way": async (tiers: TwoTiers) => {
      tiers.parent.syncMs = "by hand";
      await tiers.clock.settle();
      tiers.parent.syncMs = 0;
      tiers.parent.disk.sync();
      tiers.wire.cut({ parentLearnsAfterMs: 1_000 });
    },
    "before it was durable, in the memory of a parent that died": async (tiers: TwoTiers) => {
      tiers.parent.syncMs = "by hand";
      await tiers.clock.settle();
      tiers.restartParent();
      tiers.parent.syncMs = 0;
    },
  };

  it.each(Object.keys(losses) as (keyof typeof losses)[])("when it was lost %s", async (when) => {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.raise("more", "run", 100));
    const opened = tiers.ask(tiers.open("side", "side", 50));
    await losses[when](tiers);
    await tiers.clock.advance(REDIAL_MS);
    expect([typesOf(answers), typesOf(opened)]).toEqual([["raised"], ["opened"]]);
    expect(await accountOf(tiers)).toMatchObject({ available: 450, granted: 550 });
    expect((await tiers.child.node("run")).books.credits.limit).toBe(500);
  });

  it("when it was lost unanswered but durable, with a parent that died", async () => {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.raise("more", "run", 100));
    tiers.parent.syncMs = "by hand";
    await tiers.clock.settle();
    tiers.restartParent({ keeping: 1 });
    tiers.parent.syncMs = 0;
    await tiers.clock.advance(REDIAL_MS);
    expect(typesOf(answers)).toEqual(["raised"]);
    expect(await accountOf(tiers)).toMatchObject({ available: 500, granted: 500 });
    expect((await tiers.child.node("run")).books.credits.limit).toBe(500);
  });

  it("when the link repeats it, and its answer", async () => {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.raise("more", "run", 100));
    await tiers.clock.settle();
    tiers.wire.cut({ repeat: 20 });
    await tiers.clock.advance(REDIAL_MS);
    expect(typesOf(answers)).toEqual(["raised"]);
    expect(tiers.wire.arrived.up.filter(({ type }) => type === "ask")).toHaveLength(2);
    expect(await accountOf(tiers)).toMatchObject({ available: 500, granted: 500 });
  });
});

describe("a new allocation whose answer was lost", () => {
  /** Granted and durable, but its answer never left. */
  async function lost(): Promise<{ readonly tiers: TwoTiers; readonly answers: GrantAnswer[] }> {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.open("side", "side", 50));
    tiers.parent.syncMs = "by hand";
    await tiers.clock.settle();
    tiers.parent.syncMs = 0;
    return { tiers, answers };
  }

  it("is not handed over again once a hello without it has returned it", async () => {
    const { tiers, answers } = await lost();
    // The new parent does not know whether this life of the child is a new one.
    tiers.restartParent({ keeping: 1 });
    await tiers.clock.advance(REDIAL_MS);
    expect(answers).toMatchObject([{ type: "denied", error: { refusal: { reason: "STATE_FORBIDS" } } }]);
    expect(await accountOf(tiers)).toMatchObject({ available: 600, granted: 400, spent: 0 });
  });

  it("is handed over with its STOP when it is closing, for only its holder can end it", async () => {
    const { tiers, answers } = await lost();
    tiers.wire.cut();
    tiers.parent.disk.sync();
    await tiers.parent.run({ type: "close", allocationId: "account", reason: "enough" });
    await tiers.clock.advance(REDIAL_MS);
    const [answer] = answers;
    if (answer?.type !== "opened") throw new Error(JSON.stringify(answers));
    expect(tiers.stops).toContain(`${answer.grant.allocationId}: enough`);
  });

  it("goes back when nobody waits for it: the link repeated a request that had been denied", async () => {
    const tiers = await withRun();
    const answers = tiers.ask(tiers.open("side", "side", 700, { min: some({ credits: 700 }) }));
    await tiers.clock.settle();
    expect(typesOf(answers)).toEqual(["denied"]);
    await tiers.child.run({ type: "return_surplus", allocationId: "run", keep: some({}) });
    tiers.wire.cut({ repeat: 5 });
    await tiers.clock.advance(REDIAL_MS);
    expect(typesOf(answers)).toEqual(["denied"]);
    expect(tiers.wire.arrived.down).toContainEqual(
      expect.objectContaining({ type: "decision", answer: expect.objectContaining({ type: "opened" }) }),
    );
    expect(await accountOf(tiers)).toMatchObject({ available: 1_000, granted: 0, spent: 0 });
  });

  it("that is answered twice stays with who took it first", async () => {
    const tiers = await withRun();
    const ask = tiers.open("side", "side", 50);
    const ids: string[] = [];
    tiers.uplink.ask(ask, (answer) => {
      if (answer.type !== "opened") return;
      ids.push(answer.grant.allocationId);
      tiers.child.loop.submit(tiers.receive(answer.grant), () => undefined);
    });
    await tiers.clock.settle();
    tiers.wire.cut({ repeat: 5 });
    await tiers.clock.advance(REDIAL_MS);
    expect(ids).toHaveLength(1);
    expect((await tiers.child.node(ids[0] ?? "")).state).toBe("open");
  });
});
