import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { type DaemonKnowledgeSchema, DecisionKind, DecisionSchema } from "#gen/bursar/v1/watch_service_pb.js";
import { EXIT } from "../exit-code.ts";
import { runProgram } from "../program.ts";
import { startFakeMesh } from "../testing/fake-mesh.ts";
import { bursar, testSession } from "../testing/test-session.ts";

type Knowledge = MessageInitShape<typeof DaemonKnowledgeSchema>;

const AT = BigInt(Date.UTC(2026, 0, 2, 3, 4, 5, 67));

const refused = create(DecisionSchema, {
  wallTimeMs: AT,
  tier: "coordination",
  kind: DecisionKind.REFUSED,
  asked: "a run with 500 credits, NORMAL",
  reason: "INSUFFICIENT_CREDITS: g/s has 200 credits free of the 500 wanted",
  requestId: "r-1",
  path: "g/s/work",
  conflict: { resource: "credits", wanted: 500n, available: 200n, retryAfterMs: 1_000 },
});

const queued = create(DecisionSchema, {
  ...refused,
  kind: DecisionKind.QUEUED,
  reason: "it waits",
  wallTimeMs: AT - 1n,
});

function meshThatKnows(daemons: readonly Knowledge[], told: readonly (typeof refused)[] = []) {
  return startFakeMesh({
    watch: {
      why: () => ({ daemons: [...daemons] }),
      watchDecisions: async function* (_, { signal }) {
        yield {};
        for (const decision of told) yield { decision };
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      },
    },
  });
}

const coordination = { tier: "coordination", instance: "coordination-1", decisionsNoted: 7n, startedWallTimeMs: AT };

test("reads like a transcript: how it stands, then what was asked, decided and why", async () => {
  const { address } = await meshThatKnows([
    { ...coordination, standing: ["open: 3 credits free"], decisions: [refused, queued], decisionsForgotten: 2n },
    { tier: "process", instance: "process-1", failure: "it did not answer in time" },
  ]);
  const { exitCode, out } = await bursar("why", "work", "--address", address);
  expect(exitCode).toBe(EXIT.ok);
  expect(out.split("\n")).toEqual([
    "work",
    "",
    "now",
    "  coordination: open: 3 credits free",
    "  process: process-1 was asked too: it did not answer in time",
    "",
    "decisions",
    "  2026-01-02 03:04:05.066  coordination: g/s/work (request r-1) asked for a run with 500 credits, NORMAL",
    "      queued: it waits",
    "  2026-01-02 03:04:05.067  coordination: g/s/work (request r-1) asked for a run with 500 credits, NORMAL",
    "      refused: INSUFFICIENT_CREDITS: g/s has 200 credits free of the 500 wanted",
    "  coordination coordination-1 has forgotten 2 older decisions",
  ]);
});

test("a subject that nobody knows: where it looked, and what may have happened", async () => {
  const { address } = await meshThatKnows([
    { ...coordination, decisionsForgotten: 2n },
    { tier: "process", instance: "process-1", failure: "it did not answer in time" },
  ]);
  const { exitCode, out, err } = await bursar("why", "nobody", "--address", address);
  expect({ exitCode, out }).toEqual({ exitCode: EXIT.refused, out: "" });
  expect(err.split("\n")).toEqual([
    "bursar: nothing is known of nobody",
    "  asked coordination coordination-1: up since 2026-01-02 03:04:05.067 UTC, 7 decisions since then, 2 of them forgotten",
    "  asked process process-1: it did not answer in time",
    "  it was decided before these daemons were started, or is forgotten by now, or was never asked of this mesh",
    "  bursar tree shows everything that is known now",
  ]);
});

test("as JSON", async () => {
  const { address } = await meshThatKnows([{ ...coordination, decisions: [refused] }]);
  const { out } = await bursar("why", "r-1", "--json", "--address", address);
  expect(JSON.parse(out)).toMatchObject({
    subject: "r-1",
    daemons: [
      {
        tier: "coordination",
        decisions: [{ decided: "REFUSED", request_id: "r-1", conflict: { wanted: 500, retry_after_ms: 1_000 } }],
      },
    ],
  });
});

test("watched: what is decided about it, and not about others, until Ctrl-C", async () => {
  const other = create(DecisionSchema, { ...refused, requestId: "r-2", path: "g/s/other", reason: "of another" });
  const below = create(DecisionSchema, { ...refused, requestId: "c-1", path: "g/s/work/step", reason: "below" });
  const { address } = await meshThatKnows([{ ...coordination, standing: ["open"], path: "g/s/work" }], [other, below]);
  const session = testSession();
  const ended = runProgram(["why", "s/work", "--watch", "--address", address], session);
  await session.terminal.says("refused: below");
  session.interrupt();
  expect(await ended).toBe(EXIT.interrupted);
  expect(session.terminal.out()).not.toContain("of another");
});

test("what daemons say cannot steer the terminal", async () => {
  const { address } = await meshThatKnows([{ ...coordination, standing: ["\u001b[2J gone"] }]);
  expect((await bursar("why", "x", "--address", address)).out).toContain("\\u{1b}[2J gone");
});
