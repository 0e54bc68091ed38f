/** The proxy cuts what it says it cuts, and nothing else. */

import type { AddressInfo } from "node:net";
import { createServer, type Server, type Socket, connect as tcpConnect } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LinkProxy } from "./link-proxy.ts";

let server: Server;
let proxy: LinkProxy;
let arrived: string;
const peers: Socket[] = [];

beforeEach(async () => {
  arrived = "";
  server = createServer((socket) => {
    peers.push(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      arrived += chunk.toString();
      socket.write(chunk.toString().toUpperCase());
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  proxy = await LinkProxy.open();
  proxy.pointTo(`127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(() => {
  proxy.close();
  for (const peer of peers.splice(0)) peer.destroy();
  server.close();
});

/** Dials through the proxy; what came back is in `answers`. */
async function dial() {
  const at = proxy.address.lastIndexOf(":");
  const socket = tcpConnect({ host: "127.0.0.1", port: Number(proxy.address.slice(at + 1)) });
  const caller = { socket, answers: "", closed: false };
  socket.on("error", () => undefined);
  socket.on("close", () => {
    caller.closed = true;
  });
  socket.on("data", (chunk: Buffer) => {
    caller.answers += chunk.toString();
  });
  // Where the way is dropped it may be over before it was there.
  await new Promise<void>((done) => {
    socket.once("connect", done);
    socket.once("close", () => done());
  });
  return caller;
}

/** A second connection's round trip: by then the first one's bytes would have come, too. */
async function otherRoundTrip(): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const direct = tcpConnect({ host: "127.0.0.1", port });
  direct.write("z");
  for (let trip = 0; trip < 20; trip += 1) {
    await new Promise<void>((done) => direct.once("data", () => done()));
    direct.write("z");
  }
  direct.destroy();
}

test("bytes go both ways", async () => {
  const caller = await dial();
  caller.socket.write("ab");
  await vi.waitFor(() => expect(caller.answers).toBe("AB"));
});

test("a cut back lets the question through and holds the answer until it is healed", async () => {
  const caller = await dial();
  caller.socket.write("a");
  await vi.waitFor(() => expect(caller.answers).toBe("A"));
  proxy.cut("back");
  caller.socket.write("b");
  await vi.waitFor(() => expect(arrived).toBe("ab"));
  await otherRoundTrip();
  expect(caller.answers).toBe("A");
  proxy.heal();
  await vi.waitFor(() => expect(caller.answers).toBe("AB"));
});

test("a cut forth holds the question, and a reset loses it", async () => {
  const caller = await dial();
  caller.socket.write("a");
  await vi.waitFor(() => expect(caller.answers).toBe("A"));
  proxy.cut("forth");
  caller.socket.write("b");
  await otherRoundTrip();
  proxy.reset();
  await vi.waitFor(() => expect(caller.closed).toBe(true));
  expect(arrived.replaceAll("z", "")).toBe("a");
});

test("a drop ends what is there and what comes", async () => {
  const before = await dial();
  proxy.cut("drop");
  await vi.waitFor(() => expect(before.closed).toBe(true));
  const during = await dial();
  await vi.waitFor(() => expect(during.closed).toBe(true));
  proxy.heal();
  const after = await dial();
  after.socket.write("c");
  await vi.waitFor(() => expect(after.answers).toBe("C"));
});
