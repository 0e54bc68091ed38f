import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Clock } from "#ports";
import { LIMITS } from "#std";
import { systemClock } from "#tier";
import { temporaryFolder } from "../testing/test-session.ts";
import { DaemonKeeper, exitText, isHopeless } from "./daemon-keeper.ts";
import type { DaemonExit } from "./daemon-process.ts";

interface Life {
  readonly serve?: boolean;
  readonly exit?: number;
  readonly deaf?: boolean;
}

/** Restarts at once; everything else at its time. */
const hasty: Clock = {
  ...systemClock,
  after: (delayMs, action) =>
    systemClock.after(delayMs <= LIMITS.daemonRestartFirstMs + LIMITS.daemonRestartMaxMs ? 0 : delayMs, action),
};

function keep(lives: readonly Life[]) {
  const counter = join(temporaryFolder(), "starts");
  const told: string[] = [];
  const waiting = new Set<() => void>();
  const tell = (text: string): void => {
    told.push(text);
    for (const look of waiting) look();
  };
  const keeper = new DaemonKeeper({
    plan: {
      tier: "process",
      program: join(import.meta.dirname, "..", "testing", "fake-daemon.mjs"),
      args: (address) => [JSON.stringify(lives), counter, address],
      cwd: ".",
      listen: "127.0.0.1:0",
    },
    clock: hasty,
    ids: { fraction: () => 0.5 },
    onLine: (line) => tell(line),
    onServing: ({ address }) => tell(`serving ${address}`),
    onRestart: (exit) => tell(`restart after ${exitText(exit)}`),
    onGivenUp: (exit) => tell(`given up after ${exitText(exit)}`),
  });
  onTestFinished(() => keeper.kill());
  return {
    keeper,
    told,
    starts: () => readFileSync(counter, "utf8").trim().split("\n"),
    says: (text: string) =>
      new Promise<void>((resolve) => {
        const look = (): void => {
          if (told.includes(text)) resolve();
        };
        waiting.add(look);
        look();
      }),
  };
}

test("a daemon that dies is started again, at the address it had", async () => {
  const { keeper, says, starts } = keep([{ serve: true, exit: 5 }, { serve: true }]);
  expect(await keeper.start()).toBeUndefined();
  expect(keeper.address).toBe("127.0.0.1:4711");
  await says("restart after code 5");
  await says("life 2");
  await says("warming up");
  expect(starts()).toEqual(["127.0.0.1:0", "127.0.0.1:4711"]);
  await keeper.stop();
  expect(keeper.running).toBe(false);
});

test("one that cannot run is not started again", async () => {
  const { keeper, told, says, starts } = keep([{ serve: true, exit: 4 }]);
  await keeper.start();
  await says("given up after code 4: its journal cannot be used");
  expect(told.join()).not.toContain("restart");
  expect(starts()).toHaveLength(1);
});

test("one that dies again and again is given up", async () => {
  const { keeper, told, says } = keep([{ serve: true, exit: 1 }]);
  await keeper.start();
  await says("given up after code 1");
  expect(told.filter((text) => text === "restart after code 1")).toHaveLength(LIMITS.daemonRestartsPerMinuteMax);
});

test("one that ends before it serves says how, and is the caller's to judge", async () => {
  const { keeper, told } = keep([{ exit: 3 }]);
  expect(await keeper.start()).toEqual({ code: 3, signal: null });
  expect(told).toEqual(["life 1"]);
});

test("a restart that fails for good is given up", async () => {
  const { keeper, says } = keep([{ serve: true, exit: 1 }, { exit: 3 }]);
  await keeper.start();
  await says("given up after code 3: its address is in use or not allowed");
});

test("one that does not hear is killed", async () => {
  const { keeper } = keep([{ serve: true, deaf: true }]);
  await keeper.start();
  const stopped = keeper.stop();
  expect(keeper.running).toBe(true);
  keeper.kill();
  await stopped;
  expect(keeper.running).toBe(false);
});

test.each<[DaemonExit, boolean, string]>([
  [{ code: 0, signal: null }, false, "code 0"],
  [{ code: 2, signal: null }, true, "code 2: its configuration is wrong"],
  [{ code: null, signal: "SIGKILL" }, false, "signal SIGKILL"],
  [{ code: null, signal: null, failure: new Error("no node") }, true, "it could not be started: no node"],
])("%o", (exit, hopeless, text) => {
  expect(isHopeless(exit)).toBe(hopeless);
  expect(exitText(exit)).toBe(text);
});
