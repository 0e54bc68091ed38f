import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parseExecuteSteps } from "#codec";
import { ExecutionService, StepOrderSchema } from "#gen/bursar/v1/execution_service_pb.js";
import type { RunEvent } from "#gen/bursar/v1/run_pb.js";
import { bind, connect, Feed, serveWork, startGrpcServer, TransportError } from "#rpc";
import { LIMITS } from "#std";
import { type ChildDaemon, systemClock } from "#tier";
import { Peers } from "./peers.ts";
import { WorkLines } from "./work-lines.ts";

type Order = { readonly grant: { readonly allocationId: string } };

const order = (allocationId: string): Order => ({ grant: { allocationId } });
const never = new AbortController().signal;

/** Time that passes when the test says so. */
class HandClock {
  readonly timers = new Set<{ readonly atMs: number; readonly action: () => void }>();
  #nowMs = 0;
  after = (delayMs: number, action: () => void) => {
    const timer = { atMs: this.#nowMs + delayMs, action };
    this.timers.add(timer);
    return () => void this.timers.delete(timer);
  };
  pass(ms: number): void {
    this.#nowMs += ms;
    for (const timer of this.timers) {
      if (timer.atMs <= this.#nowMs && this.timers.delete(timer)) timer.action();
    }
  }
}

let clock: HandClock;
let lines: WorkLines<Order>;
let peers: Peers;
let address: string;
let kill: () => void;
/** Who opened streams, in order, and what is followed there. */
let greeted: string[];
let feeds: Map<string, Feed<RunEvent>>;

beforeEach(async () => {
  [greeted, feeds] = [[], new Map()];
  const service = bind(ExecutionService, {
    executeSteps: (stream, context) =>
      serveWork(stream, context, {
        parse: parseExecuteSteps,
        greet: ({ incarnation, grantorIncarnation }) => greeted.push(`${incarnation} by ${grantorIncarnation}`),
        follow: async (spec) => {
          const feed = new Feed<RunEvent>();
          feeds.set(spec.type === "join" ? spec.allocationId : spec.grant.allocationId, feed);
          return feed;
        },
        onFault: (error) => {
          throw error;
        },
      }),
  });
  const listening = { listen: "127.0.0.1:0", allowInsecure: false, clock: systemClock };
  const server = await startGrpcServer({ ...listening, services: [service], onError: () => undefined });
  [address, kill] = [server.address, () => server.kill()];
  peers = new Peers({ connect: (to) => connect({ address: to, clock: systemClock }) });
  clock = new HandClock();
  lines = new WorkLines<Order>({
    base: { clock: { ...systemClock, after: clock.after }, incarnation: "parent-1" },
    peers,
    order: StepOrderSchema,
    open: (connection) => connection.client(ExecutionService).executeSteps(),
  });
});

afterEach(() => {
  peers.close();
  kill();
});

const child = (incarnation: string): ChildDaemon => ({
  instance: "execution-1",
  incarnation,
  address,
  tier: "execution",
  capacity: 0,
});

/** Gives the order and waits until it has arrived. */
async function followed(incarnation: string, allocationId: string) {
  const events = lines.follow(child(incarnation), order(allocationId), never);
  const told = await vi.waitUntil(() => feeds.get(allocationId), { timeout: 5_000, interval: 2 });
  return { events, told };
}

test("one life of a child has one stream for all of its orders, another life another", async () => {
  await followed("first", "a");
  await followed("first", "b");
  await followed("second", "c");
  await followed("first", "d");
  expect(greeted).toEqual(["first by parent-1", "second by parent-1"]);
});

test("a stream that is old is ended, what is followed on it is lost, and the next order opens another", async () => {
  const { events } = await followed("first", "a");
  clock.pass(LIMITS.workStreamAgeMs - 1);
  await followed("first", "b");
  expect(greeted).toHaveLength(1);
  clock.pass(1);
  await expect(events.next()).rejects.toThrow(TransportError);
  await followed("first", "c");
  expect(greeted).toHaveLength(2);
});

test("a stream that was lost is forgotten with its age: the next order opens another, which lives its own", async () => {
  const { events } = await followed("first", "a");
  clock.pass(1_000);
  peers.forget(address);
  await expect(events.next()).rejects.toThrow(TransportError);
  expect(clock.timers.size).toBe(0);
  const second = await followed("first", "b");
  clock.pass(LIMITS.workStreamAgeMs - 1);
  second.told.end();
  expect(await second.events.next()).toEqual({ done: true, value: undefined });
  expect(greeted).toHaveLength(2);
});
