import { connect as connectHttp2, constants } from "node:http2";
import { expect, test } from "vitest";
import { LIMITS } from "#std";
import { echoMesh } from "./testing/echo-mesh.ts";

test("a client may send a whole window ahead of a reader that has no turn", async () => {
  const { server } = await echoMesh({});
  const session = connectHttp2(`http://${server.address}`);
  try {
    const widened = new Promise<number | undefined>((resolve) => {
      session.on("remoteSettings", ({ initialWindowSize }) => {
        if (initialWindowSize !== 65_535) resolve(initialWindowSize);
      });
    });
    const stream = session.request({ [constants.HTTP2_HEADER_METHOD]: "POST", "content-type": "application/grpc" });
    stream.on("error", () => undefined);
    expect(await widened).toBe(LIMITS.streamWindowBytes);
    // The window of the connection is told right behind it, and before the answer to a ping.
    await new Promise((resolve) => session.ping(resolve));
    expect(session.state.remoteWindowSize).toBe(LIMITS.streamWindowBytes);
  } finally {
    session.destroy();
  }
});
