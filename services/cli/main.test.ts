import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EXIT } from "./exit-code.ts";
import { startFakeMesh } from "./testing/fake-mesh.ts";
import { view } from "./testing/views.ts";

function bursar(...argv: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), ...argv], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [out, err] = ["", ""];
  child.stdout?.on("data", (bytes) => {
    out += bytes;
  });
  child.stderr?.on("data", (bytes) => {
    err += bytes;
  });
  const exited = once(child, "close").then(([exitCode]) => ({ exitCode, out, err }));
  return { child, exited };
}

const watched = () =>
  startFakeMesh({
    watch: {
      watchUsage: async function* (_, { signal }) {
        for (let spent = 0; !signal.aborted; spent += 1) {
          yield { snapshot: spent === 0, nodes: [view({ path: "global", limit: 1_000_000_000, spent })] };
        }
      },
    },
  });

test("as a process: results on stdout, the exit code, no colour off a terminal", async () => {
  const help = await bursar("--help").exited;
  expect(help.exitCode).toBe(EXIT.ok);
  expect(help.out).toMatch(/^Examples:/);
  const wrong = await bursar("nonsense").exited;
  expect(wrong).toMatchObject({ exitCode: EXIT.usage, out: "" });
  expect(help.out + wrong.err).not.toContain("\u001b");
});

test("Ctrl-C ends it with 130", async () => {
  const { address } = await watched();
  const { child, exited } = bursar("tree", "--watch", "--address", address);
  await once(child.stdout ?? child, "data");
  child.kill("SIGINT");
  expect(await exited).toMatchObject({ exitCode: EXIT.interrupted, err: "" });
});

test("a reader that has seen enough ends it in peace", async () => {
  const { address } = await watched();
  const { child, exited } = bursar("tree", "--watch", "--address", address);
  await once(child.stdout ?? child, "data");
  child.stdout?.destroy();
  expect(await exited).toMatchObject({ exitCode: EXIT.ok, err: "" });
});
