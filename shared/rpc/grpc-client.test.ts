import { describe, expect, onTestFinished, test } from "vitest";
import { connect } from "./grpc-client.ts";
import { startGrpcServer } from "./grpc-server.ts";
import { bind } from "./service-handlers.ts";
import { echoMesh, pending, rejection, testClock } from "./testing/echo-mesh.ts";
import { EchoService } from "./testing/echo-service.ts";

const startEcho = (listen: string) =>
  startGrpcServer({
    listen,
    allowInsecure: false,
    services: [bind(EchoService, { say: ({ text }) => ({ text }) })],
    clock: testClock,
    onError: () => undefined,
  });

describe("a connection", () => {
  test("waits for a daemon that starts later, and dials again after a restart on the same port", async () => {
    const first = await startEcho("127.0.0.1:0");
    const connection = connect({ address: first.address, clock: testClock });
    onTestFinished(() => connection.close());
    await connection.waitForReady(5_000);
    await first.drain(0);
    const client = connection.client(EchoService);
    expect(await rejection(client.say({}))).toMatchObject({ status: "UNAVAILABLE" });
    const ready = connection.waitForReady(5_000);
    const second = await startEcho(first.address);
    onTestFinished(() => second.kill());
    await ready;
    expect((await client.say({ text: "again" })).text).toBe("again");
  });

  test("says where nobody answered, after the time it was given", async () => {
    const { server } = await echoMesh({});
    await server.drain(0);
    const connection = connect({ address: server.address, clock: testClock });
    onTestFinished(() => connection.close());
    const error = await rejection(connection.waitForReady(50));
    expect(error).toMatchObject({ status: "UNAVAILABLE", message: expect.stringContaining(server.address) });
  });

  test("closed by its owner ends what is open and takes nothing new", async () => {
    const open = pending<void>();
    const { connection, client } = await echoMesh({
      say: () => new Promise(() => undefined),
      chat: (stream) => stream.onMessage(() => stream.send({})),
    });
    const stream = client.chat();
    const end = new Promise((resolve) => stream.onEnd(resolve));
    stream.onMessage(() => open.resolve());
    stream.send({});
    await open.promise;
    const call = rejection(client.say({}));
    connection.close();
    expect(await end).toMatchObject({ status: "CANCELLED" });
    expect(await call).toMatchObject({ status: "CANCELLED" });
    expect(await rejection(client.say({}))).toMatchObject({ status: "UNAVAILABLE" });
    expect(await new Promise((resolve) => client.chat().onEnd(resolve))).toMatchObject({ status: "UNAVAILABLE" });
    expect(await rejection(Array.fromAsync(client.count({})))).toMatchObject({ status: "UNAVAILABLE" });
  });
});
