import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { EXIT } from "../exit-code.ts";
import { runProgram } from "../program.ts";
import { type FakeMesh, startFakeMesh } from "../testing/fake-mesh.ts";
import { bursar, temporaryFolder, testSession } from "../testing/test-session.ts";
import type { CallLogEntry } from "./call-log.ts";

const PRICES =
  "models:\n  default: { context_token: 3, generated_token: 15 }\n  dear: { context_token: 300, generated_token: 1500 }\n";
const worst = (context: number): number => 3 * context + 15 * 2_048;
const cost = (context: number, generated: number): number => 3 * context + 15 * generated;

/** A log of calls, one a second, call i with 100 + i context tokens and i generated ones. */
function files(calls: number) {
  const folder = temporaryFolder();
  const [trace, prices] = [join(folder, "calls.csv"), join(folder, "prices.yaml")];
  const lines = Array.from({ length: calls }, (_, index) => {
    const time = new Date(Date.UTC(2026, 0, 1) + index * 1_000).toISOString().replace("T", " ").replace("Z", "0000");
    return `${time},${100 + index},${index}`;
  });
  writeFileSync(trace, `TIMESTAMP,ContextTokens,GeneratedTokens\n${lines.join("\n")}\n`);
  writeFileSync(prices, PRICES);
  const each = Array.from({ length: calls }, (_, index) => index);
  return {
    trace,
    prices,
    log: join(folder, "acknowledged.jsonl"),
    report: join(folder, "report.json"),
    totalCost: each.reduce((total, index) => total + cost(100 + index, index), 0),
    totalWorst: each.reduce((total, index) => total + worst(100 + index), 0),
  };
}

function replay(
  mesh: FakeMesh,
  { trace, prices, log, report }: ReturnType<typeof files>,
  ...options: string[]
): string[] {
  const own = ["--trace", trace, "--prices", prices, "--log", log, "--report", report, "--account", "global"];
  return ["replay", ...own, "--address", mesh.address, ...options];
}

const entries = (file: string): CallLogEntry[] =>
  readFileSync(file, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("every call is reserved at its worst, settled at its true cost, logged, and reported", async () => {
  const mesh = await startFakeMesh();
  const given = files(500);
  const { exitCode, out, err } = await bursar(...replay(mesh, given));
  expect(err).toContain(
    `replaying 500 calls over 16 branches with ${given.totalWorst.toLocaleString("en-US")} credits`,
  );
  expect(err).toContain(
    `500 calls made, 500 settled, 0 refused for ${given.totalCost.toLocaleString("en-US")} credits`,
  );
  expect(exitCode).toBe(EXIT.ok);
  expect(out).toContain("500 calls made, 500 settled, 0 refused");
  expect(mesh.swarm).toEqual({ limit: given.totalWorst, spent: given.totalCost, reserved: 0, stopped: "done" });
  const report = JSON.parse(readFileSync(given.report, "utf8"));
  expect(report).toMatchObject({
    outcome: "succeeded",
    balanced: true,
    books: { spent: given.totalCost, overrun: 0 },
    calls: { made: 500, settled: 500, refused: 0, stopped_at_line: null },
  });

  const logged = entries(given.log);
  expect(logged).toHaveLength(1_000);
  const reserves = logged.filter(({ op }) => op === "reserve");
  expect(reserves.map(({ line }) => line).sort((left, right) => left - right)).toEqual(
    Array.from({ length: 500 }, (_, index) => index + 2),
  );
  for (const { line, request_id, credits, acknowledged, t } of reserves) {
    expect({ request_id, credits, acknowledged }).toEqual({
      request_id: `line-${line}`,
      credits: worst(100 + line - 2),
      acknowledged: true,
    });
    expect(t).toBeGreaterThan(1_700_000_000_000);
  }
  const settled = logged.filter(({ op }) => op === "settle").reduce((total, { credits }) => total + credits, 0);
  expect(settled).toBe(given.totalCost);
});

test("a branch has one call in flight at most, and what is ready goes into one message", async () => {
  const mesh = await startFakeMesh();
  await bursar(...replay(mesh, files(200), "--branches", "10"));
  expect(mesh.peaks.holdsOfOne).toBe(1);
  expect(mesh.peaks.itemsOfOne).toBe(10);
});

test("the routine: one parallel step, its branches worker steps without credits of their own", async () => {
  const mesh = await startFakeMesh();
  await bursar(...replay(mesh, files(3), "--branches", "2", "--limit", "1_000_000"));
  const [routine] = mesh.routines;
  expect(routine?.limits?.maxCredits).toBe(1_000_000n);
  expect(routine?.steps).toHaveLength(1);
  const [calls] = routine?.steps ?? [];
  const branches = calls?.work.case === "parallel" ? calls.work.value.branches : [];
  expect(branches.map(({ name }) => name)).toEqual(["branch-1", "branch-2"]);
  for (const { limits, steps } of branches) {
    expect([limits?.maxCredits, steps[0]?.limits?.maxCredits, steps.length]).toEqual([undefined, undefined, 1]);
    expect(steps[0]?.work.case).toBe("worker");
  }
  expect(calls?.limits?.maxCredits).toBeUndefined();
});

test("the first refusal stops the intake, what is in flight settles, and that is no failure", async () => {
  const mesh = await startFakeMesh();
  const given = files(300);
  const limit = Math.floor(given.totalCost / 2);
  const { exitCode, out } = await bursar(...replay(mesh, given, "--limit", String(limit), "--branches", "4"));
  expect(exitCode).toBe(EXIT.ok);
  const { calls, outcome, books } = JSON.parse(readFileSync(given.report, "utf8"));
  expect(outcome).toBe("stopped");
  expect(calls.settled).toBe(calls.made);
  expect(calls.refused).toBeGreaterThan(0);
  expect(calls.refused).toBeLessThanOrEqual(4);
  expect(calls.stopped_at_line).toBeGreaterThan(2);
  expect(books.reserved).toBe(0);
  expect(books.spent).toBeLessThanOrEqual(limit);
  expect(books.spent).toBeGreaterThanOrEqual(limit - 4 * worst(400));
  expect(out).toContain(`intake stopped at line ${calls.stopped_at_line} of the log`);
  expect(entries(given.log).filter(({ op }) => op === "settle")).toHaveLength(calls.settled);
});

test("without a limit the account's own is the limit when it is smaller", async () => {
  const given = files(50);
  const mesh = await startFakeMesh({ credits: 100_000 });
  await bursar(...replay(mesh, given));
  expect(mesh.swarm.limit).toBe(100_000);
});

test("another model has another price; a model without one is refused before anything starts", async () => {
  const given = files(3);
  const mesh = await startFakeMesh();
  await bursar(...replay(mesh, given, "--model", "dear"));
  expect(mesh.swarm.spent).toBe(100 * given.totalCost);
  writeFileSync(given.prices, "models:\n  dear: { context_token: 1, generated_token: 1 }\n");
  const { exitCode, err } = await bursar(...replay(mesh, given));
  expect(exitCode).toBe(EXIT.usage);
  expect(err).toContain("has no price for the model default, nor a default one");
});

test("at a speed the calls come when the log says, that many times faster", async () => {
  const mesh = await startFakeMesh();
  const given = files(6); // five seconds of log
  await bursar(...replay(mesh, given, "--speed", "20", "--branches", "6"));
  const times = entries(given.log)
    .filter(({ op }) => op === "reserve")
    .map(({ t }) => t);
  const took = (times.at(-1) ?? 0) - (times[0] ?? 0);
  expect(took).toBeGreaterThanOrEqual(240);
  expect(took).toBeLessThan(5_000);
});

test("a log with bad lines is refused with all of them, before anything starts", async () => {
  const given = files(3);
  writeFileSync(
    given.trace,
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2026-01-01 00:00:00,x,1\n2026-01-01 00:00:01,1,-1\n",
  );
  const mesh = await startFakeMesh();
  const { exitCode, err } = await bursar(...replay(mesh, given));
  expect(exitCode).toBe(EXIT.usage);
  expect(err).toContain(`${given.trace}:2:21  ContextTokens`);
  expect(err).toContain(`${given.trace}:3:23  GeneratedTokens`);
  expect(mesh.swarm.limit).toBe(0);
});

test("a mesh that is lost: it says so, and reports what was acknowledged", async () => {
  const mesh = await startFakeMesh();
  const given = files(400);
  const session = testSession();
  const ended = runProgram(replay(mesh, given, "--speed", "100"), session);
  await session.terminal.says("replay started");
  await vi.waitFor(() => expect(mesh.swarm.spent).toBeGreaterThan(0));
  mesh.kill();
  session.interrupt(); // nobody wants to wait for it to come back
  expect(await ended).toBe(EXIT.interrupted);
  const logged = entries(given.log);
  const { outcome, calls } = JSON.parse(readFileSync(given.report, "utf8"));
  expect(outcome).toBe("lost");
  expect(calls.made).toBe(logged.filter(({ op }) => op === "reserve").length);
  expect(calls.settled).toBe(logged.filter(({ op }) => op === "settle").length);
  expect(session.terminal.err()).toContain("the replay broke off");
  expect(session.terminal.err()).toContain("is left as it is");
});

test("Ctrl-C settles what is in flight and reports", async () => {
  const mesh = await startFakeMesh();
  const given = files(400);
  const session = testSession();
  const ended = runProgram(replay(mesh, given, "--speed", "100"), session);
  await vi.waitFor(() => expect(mesh.swarm.spent).toBeGreaterThan(0));
  session.interrupt();
  expect(await ended).toBe(EXIT.interrupted);
  const { outcome, calls, books } = JSON.parse(readFileSync(given.report, "utf8"));
  expect(outcome).toBe("stopped");
  expect(calls.settled).toBe(calls.made);
  expect(calls.stopped_at_line).toBeNull();
  expect(books.reserved).toBe(0);
  expect(mesh.swarm.stopped).toBe("done");
});

test("a wrong token ends it before a call is made, and the swarm is stopped", async () => {
  const mesh: FakeMesh = await startFakeMesh({
    meter: {
      meter: (stream) => {
        stream.onMessage(({ items }) => {
          const error = { code: 7, message: "wrong token" };
          stream.send({ answers: items.map(({ itemId }) => ({ itemId, result: { case: "error", value: error } })) });
        });
        stream.onEnd(() => stream.close());
      },
    },
  });
  const { exitCode, err } = await bursar(...replay(mesh, files(5)));
  expect(exitCode).toBe(EXIT.refused);
  expect(err).toContain("wrong token");
  expect(mesh.swarm.stopped).toBe("stopped by its caller");
});
