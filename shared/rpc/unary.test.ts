import { credentials, Client as GrpcJsClient, type ServiceError } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { executionError, FaultError, RefusalError } from "#errors";
import { InvariantError, LIMITS } from "#std";
import type { CallContext } from "./service-handlers.ts";
import { echoMesh, pending, rejection } from "./testing/echo-mesh.ts";
import { TransportError } from "./transport-error.ts";

const TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

describe("a unary call", () => {
  test("carries the message there and back, from a handler that answers at once or later", async () => {
    const { client } = await echoMesh({
      say: ({ text, number }) => (number === 0 ? { text: `now ${text}` } : Promise.resolve({ text: `later ${text}` })),
    });
    expect((await client.say({ text: "a" })).text).toBe("now a");
    expect((await client.say({ text: "b", number: 1 })).text).toBe("later b");
  });

  test("shows the handler its deadline, headers, peer and trace", async () => {
    const seen = pending<Record<string, unknown>>();
    const { client } = await echoMesh({
      say: (_request, { deadlineLeftMs, peer, trace, header }: CallContext) => {
        seen.resolve({ deadlineLeftMs, peer, trace });
        expect(header).toBeTypeOf("function");
        return {};
      },
    });
    await client.say({}, { timeoutMs: 3_000, trace: { traceparent: TRACEPARENT, tracestate: "a=1" } });
    const { deadlineLeftMs, peer, trace } = await seen.promise;
    expect(deadlineLeftMs).toBeGreaterThan(1_000);
    expect(deadlineLeftMs).toBeLessThanOrEqual(3_000);
    expect(peer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(trace).toEqual({ traceparent: TRACEPARENT, tracestate: "a=1" });
  });

  test("has a deadline even when none is named, and a header is read by its name", async () => {
    const { client } = await echoMesh({
      say: (_request, context) => ({
        number: Math.ceil(context.deadlineLeftMs ?? 0),
        text: context.header("x-kind") ?? "",
      }),
    });
    const answer = await client.say({}, { headers: { "x-kind": "test" } });
    expect(answer.number).toBeGreaterThan(LIMITS.unaryDeadlineMs / 2);
    expect(answer.number).toBeLessThanOrEqual(LIMITS.unaryDeadlineMs);
    expect(answer.text).toBe("test");
  });

  test("past its deadline fails, and aborts the handler's signal", async () => {
    const aborted = pending<boolean>();
    let isReached = false;
    const { client, failures } = await echoMesh({
      say: (_request, { signal }) =>
        new Promise((_resolve, reject) => {
          isReached = true;
          signal.addEventListener("abort", () => {
            aborted.resolve(true);
            reject(signal.reason);
          });
        }),
    });
    // On a busy machine a short deadline may pass before the handler is reached.
    for (let timeoutMs = 30; !isReached; timeoutMs *= 2) {
      const error = await rejection(client.say({}, { timeoutMs }));
      expect(error).toBeInstanceOf(TransportError);
      expect(error).toMatchObject({ status: "DEADLINE_EXCEEDED" });
    }
    expect(await aborted.promise).toBe(true);
    expect(failures).toEqual([]);
  });

  test("cancelled by its caller fails at once and aborts the handler's signal", async () => {
    const started = pending<void>();
    const aborted = pending<boolean>();
    const { client } = await echoMesh({
      say: (_request, { signal }) => {
        signal.addEventListener("abort", () => aborted.resolve(true));
        started.resolve();
        return new Promise(() => undefined);
      },
    });
    const controller = new AbortController();
    const failed = rejection(client.say({}, { signal: controller.signal }));
    await started.promise;
    controller.abort();
    expect(await failed).toMatchObject({ status: "CANCELLED" });
    expect(await aborted.promise).toBe(true);
    expect(await rejection(client.say({}, { signal: controller.signal }))).toMatchObject({ status: "CANCELLED" });
  });
});

describe("errors of a unary call", () => {
  test("a refusal arrives as it was thrown", async () => {
    const thrown = new RefusalError({ reason: "STALE_EPOCH", message: "epoch 3 is over", currentEpoch: 4 });
    const { client, failures } = await echoMesh({ say: () => Promise.reject(thrown) });
    const error = await rejection(client.say({}));
    expect(error).toBeInstanceOf(RefusalError);
    expect((error as RefusalError).refusal).toEqual(thrown.refusal);
    expect(failures).toEqual([]);
  });

  test("a fault arrives as it was thrown", async () => {
    const thrown = executionError({ id: "e-1", type: "TIMEOUT", reach: "one", message: "the model did not answer" });
    const { client } = await echoMesh({
      say: () => {
        throw new FaultError(thrown);
      },
    });
    const error = await rejection(client.say({}));
    expect(error).toBeInstanceOf(FaultError);
    expect((error as FaultError).error).toEqual(thrown);
  });

  test("anything else is INTERNAL, tells nothing, and is reported", async () => {
    const { client, failures } = await echoMesh({
      say: () => {
        throw new Error("secret path /var/lib");
      },
    });
    const error = await rejection(client.say({}, { trace: { traceparent: TRACEPARENT } }));
    expect(error).toMatchObject({ status: "INTERNAL" });
    expect((error as Error).message).not.toContain("secret");
    expect(failures).toMatchObject([
      {
        method: "/bursar.testing.EchoService/Say",
        error: { message: "secret path /var/lib" },
        trace: { traceparent: TRACEPARENT },
      },
    ]);
  });

  test("a broken invariant ends the process, past every handler", async () => {
    const uncaught = pending<unknown>();
    const others = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.once("unhandledRejection", uncaught.resolve);
    onTestFinished(() => {
      for (const other of others) process.on("unhandledRejection", other);
    });
    const broken = new InvariantError("books do not balance");
    const { client, failures } = await echoMesh({ say: () => Promise.reject(broken) });
    expect(await rejection(client.say({}))).toMatchObject({ status: "INTERNAL" });
    expect(await uncaught.promise).toBe(broken);
    expect(failures).toMatchObject([{ error: broken }]);
  });

  test("a method without handler, or of a kind that is not served, is UNIMPLEMENTED and says so", async () => {
    const { client, connection } = await echoMesh({});
    const error = await rejection(client.unserved({}));
    expect((error as RefusalError).refusal.reason).toBe("UNIMPLEMENTED");
    expect((error as Error).message).toContain("/bursar.testing.EchoService/Unserved is in the contract");
    const collect = await rawCall(connection.address, "Collect", Buffer.alloc(0));
    expect(collect).toMatchObject({ code: 12 });
  });

  test("admit refuses before the handler runs", async () => {
    let ran = false;
    const refused = { reason: "NOT_PERMITTED", message: "no token", fieldViolations: [] } as const;
    const { client } = await echoMesh(
      {
        say: () => {
          ran = true;
          return {};
        },
      },
      { admit: (method) => (method.endsWith("/Say") ? refused : undefined) },
    );
    expect((await rejection(client.say({}))) as RefusalError).toMatchObject({ refusal: refused });
    expect(ran).toBe(false);
  });

  test("bytes that are no message are INVALID_ARGUMENT", async () => {
    const { connection, failures } = await echoMesh({ say: () => ({}) });
    const error = await rawCall(connection.address, "Say", Buffer.from([0xff, 0xff, 0xff]));
    expect(error).toMatchObject({ code: 3, details: expect.stringContaining("not a bursar.testing.Echo") });
    expect(failures).toEqual([]);
  });

  test("a request too large is refused before it is sent, and by the server when a stranger sends it", async () => {
    const { client, connection } = await echoMesh({ say: () => ({}) });
    const text = "x".repeat(LIMITS.messageBytesMax);
    expect((await rejection(client.say({ text }))) as RefusalError).toMatchObject({
      refusal: { reason: "MESSAGE_TOO_LARGE", message: expect.stringContaining("split it") },
    });
    const error = await rawCall(connection.address, "Say", Buffer.alloc(LIMITS.messageBytesMax + 1));
    expect(error).toMatchObject({ code: 8, details: expect.stringContaining(String(LIMITS.messageBytesMax)) });
    expect((await client.say({ text: "still there" })).text).toBe("");
  });

  test("an answer too large is refused by name", async () => {
    const { client } = await echoMesh({ say: () => ({ text: "x".repeat(LIMITS.messageBytesMax) }) });
    expect((await rejection(client.say({}))) as RefusalError).toMatchObject({
      refusal: { reason: "MESSAGE_TOO_LARGE" },
    });
  });
});

/** A call as a stranger makes it: any bytes, no bound of its own. */
function rawCall(address: string, method: string, bytes: Buffer): Promise<ServiceError | null> {
  const raw = new GrpcJsClient(address, credentials.createInsecure(), { "grpc.max_send_message_length": -1 });
  const same = (value: Buffer): Buffer => value;
  return new Promise((resolve) => {
    raw.makeUnaryRequest(`/bursar.testing.EchoService/${method}`, same, same, bytes, (error) => {
      raw.close();
      resolve(error);
    });
  });
}
