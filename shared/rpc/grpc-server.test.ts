import { describe, expect, test } from "vitest";
import { RefusalError } from "#errors";
import type { DuplexStream } from "./duplex-stream.ts";
import { startGrpcServer } from "./grpc-server.ts";
import { ListenError, listenAddress } from "./listen-address.ts";
import { echoMesh, pending, rejection, testClock } from "./testing/echo-mesh.ts";
import type { Echo } from "./testing/echo-service.ts";

const ended = (stream: Pick<DuplexStream<Echo, object>, "onEnd">): Promise<Error | undefined> =>
  new Promise((resolve) => stream.onEnd(resolve));

describe("where a daemon listens", () => {
  test.each([
    ["127.0.0.1:0", "127.0.0.1:0"],
    ["127.4.5.6:7600", "127.4.5.6:7600"],
    ["localhost:7600", "127.0.0.1:7600"],
    ["[::1]:7600", "[::1]:7600"],
    ["[0:0:0:0:0:0:0:1]:7600", "[0:0:0:0:0:0:0:1]:7600"],
  ])("%s is loopback", (listen, address) => {
    expect(listenAddress({ listen, allowInsecure: false })).toBe(address);
  });

  test.each(["0.0.0.0:7600", "[::]:7600", "10.0.0.1:0", "[2001:db8::1]:7600"])("%s must be allowed", (listen) => {
    expect(() => listenAddress({ listen, allowInsecure: false })).toThrow(/--allow-insecure/);
    expect(listenAddress({ listen, allowInsecure: true })).toBe(listen);
  });

  test.each(["7600", "example.com:7600", "127.0.0.1", "127.0.0.1:70000", "::1:7600", "127.0.0.1:http", ""])(
    "%j is refused with an example",
    (listen) => {
      expect(() => listenAddress({ listen, allowInsecure: true })).toThrow(/for example 127\.0\.0\.1:7600/);
    },
  );

  test("a port in use is named, with what to do", async () => {
    const { server } = await echoMesh({});
    const error = await rejection(
      startGrpcServer({
        listen: server.address,
        allowInsecure: false,
        services: [],
        clock: testClock,
        onError: () => undefined,
      }),
    );
    expect(error).toBeInstanceOf(ListenError);
    expect(error).toMatchObject({ fault: "IN_USE", address: server.address });
    expect((error as Error).message).toContain(`${server.address} is in use`);
    expect((error as Error).message).toContain("choose another port");
  });

  test("an address that is not this machine's is named", async () => {
    const options = { allowInsecure: true, services: [], clock: testClock, onError: () => undefined };
    const error = await rejection(startGrpcServer({ listen: "192.0.2.1:0", ...options }));
    expect(error).toMatchObject({ name: "ListenError", fault: "UNAVAILABLE", address: "192.0.2.1:0" });
  });
});

describe("draining", () => {
  test("lets calls finish, refuses new ones with a retry time, then closes", async () => {
    const started = pending<void>();
    const answer = pending<{ text: string }>();
    const { server, client } = await echoMesh({
      say: ({ text }) => {
        if (text !== "slow") return {};
        started.resolve();
        return answer.promise;
      },
    });
    const slow = client.say({ text: "slow" });
    await started.promise;
    const drained = server.drain(10_000);
    expect(server.drain(1)).toBe(drained);
    const refused = await rejection(client.say({}));
    expect(refused).toBeInstanceOf(RefusalError);
    expect(refused).toMatchObject({ refusal: { reason: "DRAINING", retryAfterMs: expect.any(Number) } });
    answer.resolve({ text: "done" });
    expect((await slow).text).toBe("done");
    await drained;
    expect(await rejection(client.say({}))).toMatchObject({ status: "UNAVAILABLE" });
  });

  test("ends what is left after the grace with a clear status, for both sides", async () => {
    const atServer = pending<Error | undefined>();
    const { server, client, failures } = await echoMesh({
      say: () => new Promise(() => undefined),
      chat: (stream) => {
        stream.onEnd(atServer.resolve);
        stream.onMessage(() => stream.send({}));
      },
      count: async function* (_request, { signal }) {
        yield {};
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const unary = rejection(client.say({}));
    const counted = rejection(Array.fromAsync(client.count({})));
    const stream = client.chat();
    const open = pending<void>();
    stream.onMessage(() => open.resolve());
    stream.send({});
    await open.promise;
    const end = ended(stream);
    await server.drain(20);
    const draining = { refusal: { reason: "DRAINING" } };
    expect(await end).toMatchObject(draining);
    expect(await unary).toMatchObject(draining);
    expect(await counted).toMatchObject(draining);
    expect(await atServer.promise).toMatchObject(draining);
    expect(failures).toEqual([]);
  });

  test("with nothing open is over at once", async () => {
    const { server, client } = await echoMesh({ say: () => ({}) });
    await client.say({});
    await server.drain(60_000);
    expect(await rejection(client.say({}))).toMatchObject({ status: "UNAVAILABLE" });
  });

  test("kill ends calls without waiting", async () => {
    const started = pending<void>();
    const { server, client } = await echoMesh({
      say: () => {
        started.resolve();
        return new Promise(() => undefined);
      },
    });
    const call = rejection(client.say({}));
    await started.promise;
    server.kill();
    expect(await call).toMatchObject({ name: "TransportError" });
  });
});
