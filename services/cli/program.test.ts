import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { EXIT } from "./exit-code.ts";
import { bursar, temporaryFolder } from "./testing/test-session.ts";

/** An address at which nobody listens. */
async function deadAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const bound = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${typeof bound === "object" ? bound?.port : ""}`;
}

describe("help", () => {
  test("leads with examples, names every command and every exit code, and is no failure", async () => {
    const { exitCode, out, err } = await bursar("--help");
    expect(exitCode).toBe(EXIT.ok);
    expect(err).toBe("");
    expect(out).toMatch(/^Examples:\n {2}bursar up /);
    for (const name of [
      "start",
      "up",
      "run",
      "replay",
      "tree",
      "get",
      "ls",
      "why",
      "stop",
      "preempt",
      "resume",
      "limits",
    ]) {
      expect(out).toMatch(new RegExp(`^ {2}${name} `, "m"));
    }
    for (const code of Object.values(EXIT)) expect(out).toMatch(new RegExp(`^ +${code} {2}\\w`, "m"));
  });

  test.each(["start", "up", "run", "replay", "tree", "get", "ls", "why", "stop", "preempt", "resume", "limits"])(
    "of %s too",
    async (name) => {
      const { exitCode, out } = await bursar(name, "--help");
      expect(exitCode).toBe(EXIT.ok);
      expect(out).toMatch(/^Examples:\n/);
      expect(out).toContain("--json");
      expect(out).not.toContain("default: false");
    },
  );
});

test.each([
  [["rnu"], "unknown command 'rnu'"],
  [["run"], "missing required argument 'swarm.yaml'"],
  [["run", "a.yaml", "b.yaml"], "too many arguments"],
  [["replay"], "required option '--trace <file>' not specified"],
  [["replay", "--trace", "x", "--prices", "y", "--branches", "0"], "whole number from 1 to 4096"],
  [["replay", "--trace", "x", "--prices", "y", "--limit", "-3"], "whole number from 1 to"],
  [["tree", "--address", "nowhere"], "HOST:PORT"],
  [["tree", "--wach"], "Did you mean --watch?"],
  [["preempt", "r", "--credits", "5", "--all"], "cannot be used with option '--all'"],
  [["preempt", "r", "--mode", "nuke"], "Allowed choices are shrink, pause, stop"],
  [["limits", "r", "--memory", "5 stones"], "whole number of bytes like 1_000_000, 512MiB"],
  [["limits", "r", "--duration", "soon"], "must be a duration like 500ms, 90s"],
  [["limits", "r", "--credits", "-1"], "whole number from 0 to"],
  [["limits", "r", "--strategy", "LOTTERY"], "must be one of FIRST_COME_FIRST_SERVED, PRIORITY_BASED"],
  [["run", "s.yaml", "--priority", "URGENT"], "must be one of LOW, NORMAL, HIGH, CRITICAL, EMERGENCY"],
  [["up", "--address", "127.0.0.1:7410"], "up starts a mesh of its own"],
  [["up", "--port-base", "65530"], "whole number from 0 to 65515"],
])("%j is wrong usage, and says what is wrong", async (argv, message) => {
  const { exitCode, out, err } = await bursar(...argv);
  expect(exitCode).toBe(EXIT.usage);
  expect(out).toBe("");
  expect(err).toContain("bursar: ");
  expect(err).toContain(message);
});

test("no command at all shows the help, as wrong usage", async () => {
  const { exitCode, out, err } = await bursar();
  expect(exitCode).toBe(EXIT.usage);
  expect(out).toBe("");
  expect(err).toMatch(/^Examples:/);
});

describe("bad files", () => {
  test("a document with problems: all of them, with line and field, before anything is asked of the mesh", async () => {
    const file = join(temporaryFolder(), "swarm.yaml");
    writeFileSync(file, "name: Bad Name\naccount: global\nlimits: { credits: -5, foo: 3 }\nroutines: []\n");
    const { exitCode, err } = await bursar("run", file, "--address", "127.0.0.1:1");
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toContain("has 4 problems; nothing was started");
    expect(err).toContain(`${file}:1:7  name: `);
    expect(err).toContain(`${file}:3:20  limits.credits: `);
    expect(err).toContain("limits.foo: unknown key");
    expect(err).toContain("routines: ");
  });

  test("a file that is not there, a folder, a report that has no place to go to", async () => {
    const folder = temporaryFolder();
    const file = join(folder, "swarm.yaml");
    expect(await bursar("run", file)).toMatchObject({
      exitCode: EXIT.usage,
      err: expect.stringContaining("no such file"),
    });
    expect(await bursar("run", folder)).toMatchObject({
      exitCode: EXIT.usage,
      err: expect.stringContaining("a folder"),
    });
    const nowhere = join(folder, "gone", "report.json");
    const swarm = join(import.meta.dirname, "..", "..", "examples", "research-swarm.yaml");
    const { exitCode, err } = await bursar("run", swarm, "--report", nowhere);
    expect(exitCode).toBe(EXIT.usage);
    expect(err).toContain(`cannot write the report to ${nowhere}`);
  });
});

describe("an unreachable mesh", () => {
  test.each([["tree"], ["ls"], ["get", "x"], ["stop", "x"], ["preempt", "x"]])(
    "%s says what to do",
    async (...argv) => {
      const address = await deadAddress();
      const { exitCode, out, err } = await bursar(...argv, "--address", address);
      expect(exitCode).toBe(EXIT.unreachable);
      expect(out).toBe("");
      expect(err).toContain(`the mesh at ${address} cannot be reached: nothing listens there`);
      expect(err).toContain("start one here with: bursar up");
    },
  );

  test("one that the state folder still names is told apart", async () => {
    const state = temporaryFolder();
    const address = await deadAddress();
    const addresses = { coordination: address, process: address, execution: address };
    const pids = { supervisor: 1234, coordination: 1, process: 2, execution: 3 };
    writeFileSync(join(state, "mesh.json"), JSON.stringify({ addresses, pids }));
    const { exitCode, err } = await bursar("ls", "--state", state);
    expect(exitCode).toBe(EXIT.unreachable);
    expect(err).toContain(`${state}/mesh.json names this address`);
    expect(err).toContain("process 1234");
  });
});
