import { once } from "node:events";
import { setImmediate as nextTurn } from "node:timers/promises";
import { credentials, Client as GrpcJsClient } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { RefusalError } from "#errors";
import { LIMITS } from "#std";
import { type DuplexStream, iterate } from "./duplex-stream.ts";
import { Feed } from "./feed.ts";
import { bidiFromIterables } from "./service-handlers.ts";
import { echoMesh, pending, rejection } from "./testing/echo-mesh.ts";
import { type Echo, EchoService } from "./testing/echo-service.ts";

type EchoStream = DuplexStream<Echo, object>;

const collect = async (source: AsyncIterable<Echo>): Promise<number[]> => {
  const numbers: number[] = [];
  for await (const { number } of source) numbers.push(number);
  return numbers;
};

const ended = (stream: Pick<EchoStream, "onEnd">): Promise<Error | undefined> =>
  new Promise((resolve) => stream.onEnd(resolve));

describe("server streaming", () => {
  test("gives everything in order, then ends", async () => {
    const { client } = await echoMesh({
      async *count({ number }) {
        for (let index = 0; index < number; index += 1) yield { number: index };
      },
    });
    expect(await collect(client.count({ number: 1_000 }))).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });

  test("answers the call before there is anything to tell", async () => {
    const { server, client } = await echoMesh({
      async *count() {
        await told.promise;
        yield { number: 1 };
      },
    });
    const told = pending<void>();
    const bare = new GrpcJsClient(server.address, credentials.createInsecure());
    onTestFinished(() => bare.close());
    const same = (bytes: Buffer): Buffer => bytes;
    const { typeName, method } = EchoService;
    const path = `/${typeName}/${method.count.name}`;
    const call = bare.makeServerStreamRequest(path, same, same, Buffer.alloc(0));
    await once(call, "metadata");
    told.resolve();
    expect(await once(call, "data")).toHaveLength(1);
    expect(await collect(client.count({ number: 1 }))).toEqual([1]);
  });

  test("a refusal is one, before the call is answered or after", async () => {
    const { client } = await echoMesh({
      async *count({ number }) {
        for (let turn = 0; turn < number; turn += 1) await nextTurn();
        yield* [];
        throw new RefusalError({ reason: "NOT_FOUND", message: "gone" });
      },
    });
    for (const turns of [0, 1, 2, 3, 10]) {
      expect(await rejection(collect(client.count({ number: turns })))).toMatchObject({
        refusal: { reason: "NOT_FOUND" },
      });
    }
  });

  test("gives what came before a failure, then the failure", async () => {
    const { client } = await echoMesh({
      async *count() {
        yield { number: 1 };
        yield { number: 2 };
        throw new RefusalError({ reason: "NOT_FOUND", message: "gone" });
      },
    });
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { number } of client.count({})) seen.push(number);
    })();
    expect((await rejection(reading)) as RefusalError).toMatchObject({
      refusal: { reason: "NOT_FOUND", message: "gone" },
    });
    expect(seen).toEqual([1, 2]);
  });

  test("leaving the loop cancels the call and stops the handler", async () => {
    const stopped = pending<boolean>();
    const { client } = await echoMesh({
      async *count(_request, { signal }) {
        signal.addEventListener("abort", () => stopped.resolve(true));
        for (let number = 0; ; number += 1) yield { number };
      },
    });
    for await (const { number } of client.count({})) if (number === 10) break;
    expect(await stopped.promise).toBe(true);
  });

  test("a handler that pushes into a feed is told when the caller leaves, though nothing is pushed any more", async () => {
    const left = pending<boolean>();
    const { client } = await echoMesh({
      count: () => {
        const feed = new Feed<{ number: number }>({ onLeft: () => left.resolve(true) });
        feed.push({ number: 1 });
        return feed;
      },
    });
    for await (const _ of client.count({})) break;
    expect(await left.promise).toBe(true);
  });

  test("a call that ended well does not abort its signal; one that failed after the caller left is reported", async () => {
    const signals: AbortSignal[] = [];
    const { client, failures } = await echoMesh({
      async *count({ number }, { signal }) {
        signals.push(signal);
        yield { number };
        if (number === 1) return;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        throw new Error("cleaning up failed");
      },
      say: () => ({}),
    });
    await collect(client.count({ number: 1 }));
    await client.say({});
    expect(signals[0]?.aborted).toBe(false);
    for await (const _ of client.count({ number: 2 })) break;
    await vi.waitFor(() => expect(failures).toMatchObject([{ error: { message: "cleaning up failed" } }]));
  });

  test("a handler that throws before its first item, and one that breaks, end the call", async () => {
    const { client, failures } = await echoMesh({
      count: ({ text }) => {
        throw text === "known" ? new RefusalError({ reason: "NOT_FOUND", message: "gone" }) : new Error("secret");
      },
    });
    expect(await rejection(collect(client.count({ text: "known" })))).toBeInstanceOf(RefusalError);
    expect(await rejection(collect(client.count({})))).toMatchObject({ status: "INTERNAL" });
    expect(failures).toMatchObject([{ error: { message: "secret" } }]);
  });

  test("the source runs no faster than the reader reads", async () => {
    let made = 0;
    const text = "x".repeat(64 * 1024);
    const { client } = await echoMesh({
      async *count() {
        for (; made < 1_000; made += 1) yield { number: made, text };
      },
    });
    let read = 0;
    let leadMax = 0;
    for await (const _ of client.count({})) {
      read += 1;
      leadMax = Math.max(leadMax, made - read);
    }
    expect(read).toBe(1_000);
    expect(leadMax).toBeLessThan(100);
  });
});

describe("a two-way stream", () => {
  test("echoes each message and ends when both sides are done", async () => {
    const { client } = await echoMesh({
      chat: (stream) => {
        stream.onMessage((message) => stream.send({ number: message.number + 1 }));
        stream.onEnd(() => stream.close());
      },
    });
    const stream = client.chat();
    const seen: number[] = [];
    stream.onMessage(({ number }) => seen.push(number));
    for (let number = 0; number < 100; number += 1) stream.send({ number });
    stream.close();
    expect(await ended(stream)).toBeUndefined();
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    expect(stream.send({})).toBe(false);
  });

  test("may be written with iterables on both sides", async () => {
    const { client } = await echoMesh({
      chat: bidiFromIterables(async function* (requests: AsyncIterable<Echo>) {
        for await (const { number } of requests) yield { number: number * 2 };
      }),
    });
    const stream = client.chat();
    const numbers = collect(iterate(stream));
    for (const number of [1, 2, 3]) stream.send({ number });
    stream.close();
    expect(await numbers).toEqual([2, 4, 6]);
  });

  test("a handler that stops reading its requests may go on answering", async () => {
    const { client } = await echoMesh({
      chat: bidiFromIterables(async function* (requests: AsyncIterable<Echo>) {
        for await (const _ of requests) break;
        yield { number: 7 };
      }),
    });
    const stream = client.chat();
    for (let number = 0; number < 100; number += 1) stream.send({ number });
    expect(await collect(iterate(stream))).toEqual([7]);
  });

  test("a server ends it with a refusal after its last words", async () => {
    const { client } = await echoMesh({
      chat: (stream) => {
        stream.send({ number: 1 });
        stream.close(new RefusalError({ reason: "QUEUE_FULL", message: "too many wait", retryAfterMs: 250 }));
      },
    });
    const stream = client.chat();
    const seen: number[] = [];
    stream.onMessage(({ number }) => seen.push(number));
    expect(await ended(stream)).toMatchObject({ refusal: { reason: "QUEUE_FULL", retryAfterMs: 250 } });
    expect(seen).toEqual([1]);
  });

  test("a client that cancels ends it for the handler and aborts its signal", async () => {
    const served = pending<EchoStream>();
    const aborted = pending<unknown>();
    const { client } = await echoMesh({
      chat: (stream, { signal }) => {
        stream.onMessage(() => undefined);
        signal.addEventListener("abort", () => aborted.resolve(signal.reason));
        served.resolve(stream as EchoStream);
      },
    });
    const stream = client.chat();
    stream.send({});
    const atServer = await served.promise;
    const end = ended(atServer).then(() => "ended");
    stream.close(new Error("enough"));
    expect(await end).toBe("ended");
    expect(await aborted.promise).toMatchObject({ status: "CANCELLED" });
    expect(atServer.send({})).toBe(false);
  });

  test("an aborted signal ends it for the client at once", async () => {
    const { client } = await echoMesh({ chat: (stream) => stream.onMessage(() => undefined) });
    const controller = new AbortController();
    const stream = client.chat({ signal: controller.signal });
    const end = ended(stream);
    controller.abort();
    expect(await end).toMatchObject({ status: "CANCELLED" });
    expect(await ended(client.chat({ signal: controller.signal }))).toMatchObject({ status: "CANCELLED" });
  });

  test("a handler that throws, now or at a message, gives INTERNAL and is reported", async () => {
    const { client, failures } = await echoMesh({
      chat: (stream, context) => {
        if (context.header("x-when") === "now") throw new Error("secret now");
        stream.onMessage(() => {
          throw new Error("secret later");
        });
      },
    });
    const now = client.chat({ headers: { "x-when": "now" } });
    now.onMessage(() => undefined);
    expect(await ended(now)).toMatchObject({ status: "INTERNAL", message: expect.not.stringContaining("secret") });
    const later = client.chat();
    later.onMessage(() => undefined);
    later.send({});
    expect(await ended(later)).toMatchObject({ status: "INTERNAL" });
    expect(failures.map(({ error }) => (error as Error).message)).toEqual(["secret now", "secret later"]);
  });

  test("a message too large ends it by name, on either side", async () => {
    const text = "x".repeat(LIMITS.messageBytesMax);
    const serverEnd = pending<Error | undefined>();
    const { client } = await echoMesh({
      chat: (stream) => {
        stream.onEnd(serverEnd.resolve);
        stream.onMessage(() => stream.send({ text }));
      },
    });
    const fromServer = client.chat();
    fromServer.onMessage(() => undefined);
    fromServer.send({});
    const tooLarge = { refusal: { reason: "MESSAGE_TOO_LARGE" } };
    expect(await ended(fromServer)).toMatchObject(tooLarge);
    expect(await serverEnd.promise).toMatchObject(tooLarge);
    const fromClient = client.chat();
    const end = ended(fromClient);
    expect(fromClient.send({ text })).toBe(false);
    expect(await end).toMatchObject(tooLarge);
  });
});

describe("a reader that does not read", () => {
  const batch = { items: Array.from({ length: 1_000 }, (_, index) => ({ id: `allocation-${index}`, amount: index })) };

  test("holds the sender back, then lets it go on", async () => {
    const held = pending<number>();
    const drained = pending<boolean>();
    const { client } = await echoMesh({
      chat: (stream) => {
        stream.onDrain(() => {
          drained.resolve(true);
          stream.close();
        });
        let sent = 1;
        while (stream.send(batch)) sent += 1;
        held.resolve(sent);
      },
    });
    const stream = client.chat();
    stream.pause();
    let got = 0;
    stream.onMessage(() => {
      got += 1;
    });
    const sent = await held.promise;
    expect(sent).toBeGreaterThan(1);
    stream.resume();
    expect(await ended(stream)).toBeUndefined();
    expect(await drained.promise).toBe(true);
    expect(got).toBe(sent);
  });

  test("on the client: past the bound the server ends the stream with RESOURCE_EXHAUSTED and holds nothing more", async () => {
    const serverEnd = pending<Error | undefined>();
    const served = pending<{ sent: number; refusedAfterwards: boolean; aborted: boolean }>();
    const { client, failures } = await echoMesh({
      chat: (stream, { signal }) => {
        let over = false;
        stream.onEnd((failure) => {
          over = true;
          serverEnd.resolve(failure);
        });
        let sent = 0;
        for (; !over && sent < 1_000; sent += 1) stream.send(batch);
        served.resolve({ sent, refusedAfterwards: !stream.send(batch), aborted: signal.aborted });
      },
    });
    const stream = client.chat();
    stream.pause();
    stream.onMessage(() => undefined);
    const tooSlow = { refusal: { reason: "READER_TOO_SLOW" } };
    expect(await serverEnd.promise).toMatchObject(tooSlow);
    const { sent, refusedAfterwards, aborted } = await served.promise;
    expect({ refusedAfterwards, aborted }).toEqual({ refusedAfterwards: true, aborted: true });
    expect(sent * batch.items.length).toBeGreaterThan(LIMITS.streamBacklogItemsMax);
    expect(sent * batch.items.length).toBeLessThan(2 * LIMITS.streamBacklogItemsMax);
    stream.resume();
    expect(await ended(stream)).toMatchObject(tooSlow);
    expect(failures).toEqual([]);
  });

  test("on the server: past the bound the client's stream ends the same way", async () => {
    const { client } = await echoMesh({ chat: (stream) => stream.pause() });
    const stream = client.chat();
    let failure: Error | undefined;
    stream.onEnd((received) => {
      failure = received;
    });
    for (let sent = 0; failure === undefined && sent < 1_000; sent += 1) stream.send(batch);
    expect(failure).toMatchObject({ refusal: { reason: "READER_TOO_SLOW" } });
    expect(stream.send(batch)).toBe(false);
  });

  test("on the server: a call cancelled meanwhile is seen when it reads on", async () => {
    const served = pending<EchoStream>();
    const aborted = pending<unknown>();
    const { client } = await echoMesh({
      chat: (stream, { signal }) => {
        stream.pause();
        stream.onMessage(() => undefined);
        signal.addEventListener("abort", () => aborted.resolve(signal.reason));
        served.resolve(stream as EchoStream);
      },
    });
    const stream = client.chat();
    for (let sent = 0; sent < 10; sent += 1) stream.send(batch);
    const atServer = await served.promise;
    stream.close(new Error("enough"));
    atServer.resume();
    expect(await aborted.promise).toMatchObject({ status: "CANCELLED" });
  });
});
