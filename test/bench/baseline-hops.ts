/** The bare thing beside the chain of daemons: a unary call through three bare grpc-js servers in a row, each a process of its own. */
import { Client, credentials } from "@grpc/grpc-js";
import { type ForkedServer, forkServer } from "./forked.ts";

/** Bytes of the message that goes there and back. */
const MESSAGE_BYTES = 300;

export interface HopsBaseline {
  /** The time of one call through all three and back, in milliseconds. */
  callMs(): Promise<number>;
  close(): Promise<void>;
}

export async function startHopsBaseline(): Promise<HopsBaseline> {
  const servers: ForkedServer[] = [];
  for (let hop = 0; hop < 3; hop += 1) {
    const next = servers.at(-1);
    servers.push(await forkServer("./baseline-hop-server.ts", next === undefined ? [] : [String(next.told.port)]));
  }
  const client = new Client(`127.0.0.1:${servers.at(-1)?.told.port}`, credentials.createInsecure());
  const message = Buffer.alloc(MESSAGE_BYTES, 7);
  const same = (bytes: Buffer): Buffer => bytes;
  return {
    callMs: () =>
      new Promise((resolve, reject) => {
        const sentMs = performance.now();
        client.makeUnaryRequest("/hop/Unary", same, same, message, (error) => {
          if (error === null) resolve(performance.now() - sentMs);
          else reject(error);
        });
      }),
    close: async () => {
      client.close();
      for (const server of servers.toReversed()) await server.stop();
    },
  };
}
