import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Amount, amountsOf } from "#budget";
import { amountsToProto, decodeCommit, encodeCommit } from "#codec";
import { RefusalError } from "#errors";
import { PreemptionService, type PreemptRequest } from "#gen/bursar/v1/preemption_service_pb.js";
import { openSqliteJournal } from "#journal";
import { bind, connect, startGrpcServer, toStatusMessage } from "#rpc";
import { LIMITS } from "#std";
import { systemClock, TierResourceManager } from "#tier";
import { Peers } from "./peers.ts";
import { PreemptChildren } from "./preempt-children.ts";

const EACH = 10;

let folder: string;
let loop: TierResourceManager;
let peers: Peers;
let children: PreemptChildren;
let kill: () => void;
/** The calls that the holders got, and the names of the allocations that refuse. */
let calls: PreemptRequest[];
let refusing: string[];
let warned: string[];
/** Allocations that give nothing, for those below have nothing free; they know that when they are asked again. */
let passing: string[];
/** Calls that their caller has left before their end. */
let left = 0;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "bursar-preempt-"));
  const codec = { encode: encodeCommit, decode: decodeCommit };
  const opened = openSqliteJournal({ path: join(folder, "j.db"), codec, tier: "process", journalId: "j" });
  const onFatal = (error: Error) => {
    throw error;
  };
  loop = new TierResourceManager({ opened, clock: systemClock, onFatal });
  [calls, refusing, warned, passing] = [[], [], [], []];
  const server = await startGrpcServer({
    listen: "127.0.0.1:0",
    allowInsecure: false,
    clock: systemClock,
    onError: () => undefined,
    services: [
      bind(PreemptionService, {
        preempt: async function* (request, context) {
          calls.push(request);
          for (const { preemptionId, allocationId, amounts } of request.items) {
            const name = { preemptionId, allocationId, done: true };
            const error = toStatusMessage(new RefusalError({ reason: "NOT_FOUND", message: "not here" }));
            if (refusing.includes(allocationId)) yield { ...name, error };
            else if (passing.includes(allocationId)) {
              const below = { ...name, ...(amounts && { pending: amounts }), waitingOn: ["below"] };
              yield { ...below, done: request.waitMs === 0 };
              if (request.waitMs > 0) yield { ...below, done: false, exhausted: true };
            } else yield { ...name, ...(amounts ? { reclaimed: amounts, returnedTotal: amounts } : {}), met: true };
          }
          if (request.waitMs === 0) return;
          // The wait goes on, but whoever asked has heard what it wanted to know.
          await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
          left += 1;
        },
      }),
    ],
  });
  kill = () => server.kill();
  peers = new Peers({ connect: (address) => connect({ address, clock: systemClock }) });
  const log = { info: () => undefined, error: () => undefined, warn: (_: object, text: string) => warned.push(text) };
  const { address } = server;
  const child = (instance: string) =>
    ({ instance, incarnation: "life", address, tier: "execution", capacity: 0 }) as const;
  children = new PreemptChildren({ base: { loop, log, clock: systemClock }, downlink: { child }, peers });
});

afterEach(async () => {
  peers.close();
  kill();
  await loop.close();
  rmSync(folder, { recursive: true });
});

async function open(allocationId: string, parentId: string, holder: string | undefined, credits: number) {
  const rank = {
    name: allocationId,
    kind: "step",
    priority: "NORMAL",
    weight: 1,
    policy: {},
    strategy: undefined,
  } as const;
  const terms = { holder, byHolder: false, leaseTtlMs: 15_000, waitMs: 0, pooled: [], token: "t" } as const;
  const amount = credits as Amount;
  const wish = {
    type: "open",
    caller: "test",
    requestId: allocationId,
    allocationId,
    parentId,
    ...rank,
    ...terms,
  } as const;
  const limits = { limits: { credits: amount }, min: amountsOf({ credits: amount }) };
  expect(await loop.ask({ type: "grant", wish: { ...wish, ...limits } })).toMatchObject({ type: "opened" });
}

/** A run with so many steps, held by two daemons in turn, which have all of its credits. */
async function runWith(steps: number): Promise<void> {
  const credits = (steps * EACH) as Amount;
  await loop.ask({ type: "open_root", allocationId: "root", name: "acme", limits: { credits }, policy: {} });
  await open("run", "root", undefined, credits);
  const opening = [];
  for (let i = 0; i < steps; i += 1) opening.push(open(`s${i}`, "run", `execution-${1 + (i % 2)}`, EACH));
  await Promise.all(opening);
}

const shrink = (credits: number, reason = "r") => {
  const amounts = amountsOf({ credits: credits as Amount });
  const which = { preemptionId: "p", allocationId: "run", epoch: undefined, amounts } as const;
  return loop.ask({ type: "reclaim", ...which, mode: "SHRINK", reason });
};

const standing = () => loop.read((state) => state.allocations.get("run")?.books.credits.limit);

it("asks each holder in one call, whatever number of its allocations is meant, and books what comes back of each", async () => {
  await runWith(100);
  expect(await shrink(100 * EACH)).toMatchObject({ type: "reclaimed", met: false });
  await expect.poll(standing).toBe(0);
  expect(calls.map(({ instance, items }) => [instance, items.length]).sort()).toEqual([
    ["execution-1", 50],
    ["execution-2", 50],
  ]);
  const [{ items = [] } = {}] = calls;
  expect(items[0]).toMatchObject({ epoch: 1n, amounts: amountsToProto(amountsOf({ credits: EACH as Amount })) });
});

it("an item that is refused does not keep the others from giving back", async () => {
  await runWith(10);
  refusing = ["s4"];
  await shrink(10 * EACH);
  await expect.poll(standing).toBe(EACH);
  expect(warned).toEqual(["a child refused to give budget back"]);
});

it("a call has no more items than fit into one message", async () => {
  await runWith(4_000);
  await shrink(4_000 * EACH, "…".repeat(LIMITS.reasonCharsMax));
  await expect.poll(standing, { timeout: 20_000 }).toBe(0);
  const numbers = calls.map(({ items }) => items.length);
  expect(numbers.length).toBe(4);
  expect(Math.max(...numbers)).toBeLessThanOrEqual(1_024);
}, 30_000);

it("a child that says hello is asked in one call for everything that it still owes", async () => {
  await runWith(10);
  refusing = ["s0", "s2"];
  await shrink(10 * EACH);
  await expect.poll(standing).toBe(2 * EACH);
  [calls, refusing] = [[], []];
  children.repeat("execution-1");
  await expect.poll(standing).toBe(0);
  expect(calls.map(({ items }) => items.map(({ allocationId }) => allocationId))).toEqual([["s0", "s2"]]);
  children.repeat("execution-1");
  await loop.read(() => undefined);
  expect(calls).toHaveLength(1);
});

it("a child that has asked others itself is listened to until it knows that nothing more is free", async () => {
  await runWith(4);
  passing = ["s1", "s3"];
  await shrink(4 * EACH);
  const exhausted = () =>
    loop.read(({ allocations }) =>
      [...allocations.values()].flatMap(({ id, reclaims }) =>
        [...reclaims.values()].some((reclaim) => reclaim.exhausted) ? [id] : [],
      ),
    );
  await expect.poll(exhausted).toEqual(["s1", "s3"]);
  await expect.poll(() => left).toBe(1);
  expect(await standing()).toBe(2 * EACH);
  const second = calls.filter(({ waitMs }) => waitMs > 0);
  expect(second.map(({ items }) => items.map(({ allocationId }) => allocationId))).toEqual([["s1", "s3"]]);
});
