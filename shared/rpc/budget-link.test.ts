/** Links over real gRPC on loopback, both sides together. */
import { describe, expect, test, vi } from "vitest";
import { type Amount, amountsOf, NOTHING } from "#budget";
import { executionError, FaultError, RefusalError } from "#errors";
import type { GrantAsk, HeldAllocation, ItemError, UpItem, UsageAck, UsageItem, Welcome } from "#ports";
import { LIMITS } from "#std";
import { dial, fail, hello, startParent } from "./testing/link-mesh.ts";

const welcome: Welcome = { welcomeId: "welcome-1", instance: "process-1", incarnation: "life-9", allocations: [] };

const usage = {
  credits: 7 as Amount,
  toolCalls: 1 as Amount,
  overrunCredits: 0 as Amount,
  overrunToolCalls: 0 as Amount,
  branchesPeak: 0 as Amount,
  memoryPeakBytes: 0 as Amount,
  networkBytes: 0,
  diskBytes: 0,
  gpuMs: 0,
  callsPerTool: [["search", 1]],
  corrections: 0,
  provisional: false,
} as const;

function ask(number: number): GrantAsk {
  return {
    requestId: `request-${number}`,
    target: { type: "raise", allocationId: "step-1", epoch: 1, by: amountsOf({ credits: 5 as Amount }) },
    min: NOTHING,
    priority: "NORMAL",
    weight: 1,
    waitMs: 0,
    strategy: undefined,
    trace: { traceparent: "00-11111111111111111111111111111111-2222222222222222-01" },
  };
}

function report(sequence: number): UsageItem {
  const returnedTotal = amountsOf({ credits: 2 as Amount });
  const trace = undefined;
  return { allocationId: "step-1", epoch: 1, sequence, usage, state: "open", final: false, returnedTotal, trace };
}

function ack(sequence: number, error?: ItemError): UsageAck {
  const lease = { epoch: 1, ttlMs: 15_000 };
  return { allocationId: "step-1", sequence, lease, directive: undefined, reason: "", final: false, error };
}

/** A link with hello and welcome behind it. */
async function connected() {
  const parent = await startParent();
  const child = dial(parent);
  child.link.send([{ type: "hello", hello }]);
  const up = await parent.link();
  up.link.send([{ type: "welcome", welcome }]);
  await vi.waitFor(() => expect(child.items.length).toBe(1));
  return { parent, child, up };
}

describe("a link over two streams", () => {
  test("begins with hello and welcome", async () => {
    const { child, up } = await connected();
    expect(up.items).toEqual([{ type: "hello", hello }]);
    expect(child.items).toEqual([{ type: "welcome", welcome }]);
  });

  test("carries every kind of item both ways", async () => {
    const { child, up } = await connected();
    const asked: UpItem = { type: "ask", ask: ask(1) };
    const returned: UpItem = { type: "returned", allocationId: "step-1", epoch: 1, returnedTotal: NOTHING };
    const cancelled: UpItem = { type: "cancel", requestId: "request-1" };
    const reported: UpItem = { type: "usage", report: report(1) };
    child.link.send([returned, asked, cancelled, reported]);
    await vi.waitFor(() => expect(up.items.length).toBe(5));
    expect(up.items.filter(({ type }) => type !== "usage").slice(1)).toEqual([returned, asked, cancelled]);
    expect(up.items).toContainEqual(reported);

    const refusal = new RefusalError({ reason: "STALE_EPOCH", message: "old", currentEpoch: 2 });
    const fault = new FaultError(
      executionError({
        id: "e-1",
        type: "RESOURCE_ALLOCATION_FAILED",
        reach: "one",
        message: "no room",
        resource: "credits",
      }),
    );
    const grantedTotal = amountsOf({ credits: 9 as Amount });
    const counter = { allocationId: "step-1", epoch: 1, grantedTotal };
    up.link.send([
      { type: "decision", requestId: "request-1", answer: { type: "raised", ...counter, partial: false } },
      { type: "decision", requestId: "request-2", answer: { type: "denied", error: fault } },
      { type: "revision", ...counter },
      { type: "ack", ack: ack(1) },
      { type: "ack", ack: ack(2, refusal) },
    ]);
    await vi.waitFor(() => expect(child.items.length).toBe(6));
    const told = child.items.slice(1);
    expect(told).toContainEqual({ type: "revision", ...counter });
    expect(told).toContainEqual({ type: "ack", ack: ack(1) });
    expect(told.filter(({ type }) => type === "decision")).toMatchObject([
      { requestId: "request-1", answer: { type: "raised", grantedTotal } },
      { requestId: "request-2", answer: { type: "denied", error: { error: { ...fault.error } } } },
    ]);
    expect(told.filter(({ type }) => type === "ack")[1]).toMatchObject({
      ack: { sequence: 2, error: { refusal: { reason: "STALE_EPOCH", currentEpoch: 2 } } },
    });
  });

  test("keeps order over many messages", async () => {
    const { child, up } = await connected();
    const count = 3 * LIMITS.streamItemsMax;
    const asks = Array.from({ length: count }, (_, index): UpItem => ({ type: "ask", ask: ask(index) }));
    const reports = Array.from({ length: count }, (_, index): UpItem => ({ type: "usage", report: report(index) }));
    expect(child.link.send([...asks, ...reports])).toBe(true);
    await vi.waitFor(() => expect(up.items.length).toBe(1 + 2 * count), { timeout: 10_000 });
    expect(up.items.filter(({ type }) => type === "ask")).toEqual(asks);
    expect(up.items.filter(({ type }) => type === "usage")).toEqual(reports);
  });

  test("a hello and a welcome too large for a message arrive whole", async () => {
    const parent = await startParent();
    const child = dial(parent);
    const name = "x".repeat(60);
    const allocations = Array.from({ length: 30_000 }, (_, index): HeldAllocation => {
      const tools = [[`${name}-1`, index] as const, [`${name}-2`, index] as const];
      const held = { usage: { ...usage, callsPerTool: tools }, grantedTotal: NOTHING, returnedTotal: NOTHING };
      return { allocationId: `allocation-${index}`, epoch: index, final: false, ...held };
    });
    child.link.send([{ type: "hello", hello: { ...hello, allocations } }]);
    const up = await vi.waitFor(() => parent.links[0] ?? fail("no link yet"), { timeout: 10_000 });
    expect(up.items).toEqual([{ type: "hello", hello: { ...hello, allocations } }]);
    const standings = allocations.map(({ allocationId, epoch, grantedTotal }) => {
      return { allocationId, epoch, state: "open" as const, grantedTotal, lease: { epoch, ttlMs: 15_000 } };
    });
    up.link.send([{ type: "welcome", welcome: { ...welcome, allocations: standings } }]);
    await vi.waitFor(() => expect(child.items.length).toBe(1), { timeout: 10_000 });
    expect(child.items).toEqual([{ type: "welcome", welcome: { ...welcome, allocations: standings } }]);
  });

  test("items that overtake the welcome on the other stream wait for it", async () => {
    const parent = await startParent();
    const child = dial(parent);
    child.link.send([{ type: "hello", hello }]);
    const up = await parent.link();
    up.link.send([{ type: "ack", ack: ack(0) }]);
    // The acknowledgement has arrived when what was sent behind it on its stream is answered, but it is not told yet.
    child.link.send([{ type: "usage", report: report(1) }]);
    await vi.waitFor(() => expect(up.items.length).toBe(2));
    expect(child.items).toEqual([]);
    up.link.send([{ type: "welcome", welcome }]);
    await vi.waitFor(() => expect(child.items.length).toBe(2));
    expect(child.items.map(({ type }) => type)).toEqual(["welcome", "ack"]);
  });
});

describe("a link ends once, on both sides", () => {
  test("closed by the child, after what it sent", async () => {
    const { child, up } = await connected();
    const reported: UpItem = { type: "usage", report: report(5) };
    const returned: UpItem = { type: "returned", allocationId: "step-1", epoch: 1, returnedTotal: NOTHING };
    child.link.send([reported, returned]);
    child.link.close();
    expect(child.link.send([{ type: "cancel", requestId: "late" }])).toBe(false);
    await vi.waitFor(() => expect(up.closed).toEqual({}));
    expect(up.items.slice(1)).toEqual(expect.arrayContaining([reported, returned]));
    await vi.waitFor(() => expect(child.closed).toEqual({}));
  });

  test("closed by the parent, after what it sent", async () => {
    const { child, up } = await connected();
    const counter = { allocationId: "step-1", epoch: 1, grantedTotal: NOTHING };
    up.link.send([
      { type: "ack", ack: ack(7) },
      { type: "revision", ...counter },
    ]);
    up.link.close();
    expect(up.closed).toEqual({});
    await vi.waitFor(() => expect(child.closed).toEqual({}));
    expect(child.items.map(({ type }) => type).sort()).toEqual(["ack", "revision", "welcome"]);
    expect(up.link.send([{ type: "ack", ack: ack(8) }])).toBe(false);
  });

  test("the parent is gone", async () => {
    const { parent, child } = await connected();
    parent.server.kill();
    await vi.waitFor(() => expect(child.closed?.error).toMatchObject({ name: "TransportError" }));
  });

  test("the child is gone", async () => {
    const { parent, up } = await connected();
    parent.connection.close();
    await vi.waitFor(() => expect(up.closed).toBeDefined());
    expect(up.link.send([{ type: "ack", ack: ack(1) }])).toBe(false);
  });

  test("nobody listens", async () => {
    const parent = await startParent();
    parent.server.kill();
    const child = dial(parent);
    child.link.send([{ type: "hello", hello }]);
    await vi.waitFor(() => expect(child.closed?.error).toMatchObject({ status: "UNAVAILABLE" }), { timeout: 10_000 });
  });
});
