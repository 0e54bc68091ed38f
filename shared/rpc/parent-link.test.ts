/** The parent's side of links against children that keep to the contract in their own way, over real gRPC on loopback. */
import { describe, expect, test, vi } from "vitest";
import type { DownItem, UsageAck } from "#ports";
import { LIMITS } from "#std";
import { rawHello, rawStreams, startParent } from "./testing/link-mesh.ts";

function ack(sequence: number): UsageAck {
  const plain = { lease: undefined, directive: undefined, reason: "", final: false, error: undefined } as const;
  return { allocationId: "step-1", sequence, ...plain };
}

const violations = (fields: readonly string[]) => ({
  refusal: { reason: "INVALID_ARGUMENT", fieldViolations: fields.map((field) => ({ field })) },
});

describe("a child by the contract alone", () => {
  test("has no link while one stream is missing, and leaves no trace when it goes", async () => {
    const parent = await startParent();
    const first = rawStreams(parent);
    first.grants.send({ hello: rawHello });
    first.grants.close();
    expect(await first.grants.ended).toBeUndefined();
    const second = rawStreams(parent);
    second.usage.send({ hello: rawHello });
    second.grants.send({ hello: rawHello });
    const up = await parent.link();
    expect(parent.links.length).toBe(1);
    second.grants.close();
    expect(await second.usage.ended).toBeUndefined();
    await vi.waitFor(() => expect(up.closed).toEqual({}));
  });

  test("joins streams of the same life only", async () => {
    const parent = await startParent();
    const old = rawStreams(parent);
    old.grants.send({ hello: rawHello });
    const now = rawStreams(parent);
    now.usage.send({ hello: { ...rawHello, incarnation: "life-2" } });
    now.grants.send({ hello: { ...rawHello, incarnation: "life-2" } });
    const up = await parent.link();
    expect(up.items).toMatchObject([{ hello: { incarnation: "life-2" } }]);
    expect(parent.links.length).toBe(1);
  });

  test("that opens a stream anew while it waits loses the old one", async () => {
    const parent = await startParent();
    const first = rawStreams(parent);
    first.grants.send({ hello: rawHello });
    const second = rawStreams(parent);
    second.grants.send({ hello: rawHello });
    expect(await first.grants.ended).toMatchObject({ refusal: { reason: "STATE_FORBIDS" } });
    second.usage.send({ hello: rawHello });
    expect((await parent.link()).items).toMatchObject([{ type: "hello" }]);
  });

  test("must say hello first, in full, and once", async () => {
    const parent = await startParent();
    const silent = rawStreams(parent);
    silent.grants.send({ cancels: [{ requestId: "r" }] });
    expect(await silent.grants.ended).toMatchObject(violations(["hello"]));
    const vague = rawStreams(parent);
    vague.usage.send({ hello: { ...rawHello, instance: "", tier: "moon" } });
    expect(await vague.usage.ended).toMatchObject(violations(["hello.tier", "hello.instance"]));
    const insistent = rawStreams(parent);
    insistent.usage.send({ hello: rawHello });
    insistent.grants.send({ hello: rawHello });
    insistent.grants.send({ hello: rawHello });
    expect(await insistent.grants.ended).toMatchObject(violations(["hello"]));
    const up = await parent.link();
    expect(up.closed?.error).toMatchObject(violations(["hello"]));
  });

  test("sends with its hello and at once: nothing is lost while the other stream is missing", async () => {
    const parent = await startParent();
    const { grants, usage: reports } = rawStreams(parent);
    grants.send({ hello: rawHello, cancels: [{ requestId: "r-1" }] });
    grants.send({ cancels: [{ requestId: "r-2" }] });
    reports.send({ hello: rawHello });
    const up = await parent.link();
    await vi.waitFor(() => expect(up.items.length).toBe(3));
    expect(up.items.slice(1)).toEqual([
      { type: "cancel", requestId: "r-1" },
      { type: "cancel", requestId: "r-2" },
    ]);
  });

  test("cannot send without end while the other stream is missing", async () => {
    const parent = await startParent();
    const { grants } = rawStreams(parent);
    grants.send({ hello: rawHello });
    const cancels = Array.from({ length: LIMITS.streamItemsMax }, () => ({ requestId: "r" }));
    grants.send({ cancels });
    grants.send({ cancels });
    expect(await grants.ended).toMatchObject({ refusal: { reason: "QUEUE_FULL" } });
  });

  test("gets an answer for a wrong item, and its link goes on", async () => {
    const parent = await startParent();
    const { grants, usage: reports } = rawStreams(parent);
    grants.send({ hello: rawHello });
    reports.send({ hello: rawHello });
    const place = { allocationId: "a", epoch: 1n };
    const good = { ...place, requestId: "r-1", limits: { maxCredits: 5n } };
    grants.send({ requests: [good, { ...place, requestId: "r-2", limits: { maxCredits: -5n } }] });
    const up = await parent.link();
    await vi.waitFor(() => expect(grants.messages.length).toBe(1));
    expect(grants.messages).toMatchObject([{ decisions: [{ requestId: "r-2", outcome: 4, error: { code: 3 } }] }]);
    expect(up.items.slice(1)).toMatchObject([{ type: "ask", ask: { requestId: "r-1" } }]);
    expect(up.closed).toBeUndefined();
  });

  test("loses its link, with the reason, for an item that cannot be answered", async () => {
    const parent = await startParent();
    const { grants, usage: reports } = rawStreams(parent);
    grants.send({ hello: rawHello });
    reports.send({ hello: rawHello });
    const up = await parent.link();
    grants.send({ returns: [{ allocationId: "a", epoch: 1n, returnedTotal: { credits: -1n } }] });
    const field = "returns[0].returned_total.credits";
    expect(await grants.ended).toMatchObject(violations([field]));
    expect(await reports.ended).toMatchObject(violations([field]));
    expect(up.closed?.error).toMatchObject(violations([field]));
  });

  test("a parent whose child does not read gives the link up", async () => {
    const parent = await startParent();
    const { grants, usage: reports } = rawStreams(parent);
    grants.pause();
    reports.pause();
    grants.send({ hello: rawHello });
    reports.send({ hello: rawHello });
    const up = await parent.link();
    const acks = Array.from(
      { length: LIMITS.streamItemsMax },
      (_, index): DownItem => ({ type: "ack", ack: ack(index) }),
    );
    await vi.waitFor(() => expect(up.link.send(acks)).toBe(false), { timeout: 20_000, interval: 0 });
    expect(up.closed?.error).toMatchObject({ refusal: { reason: "READER_TOO_SLOW" } });
  });
});
