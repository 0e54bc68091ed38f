/**
 * What the chain of daemons would take with nothing of ours in it: the same messages, of the same kinds, through three processes of bare
 * grpc-js, each of which commits a row to SQLite before it speaks.
 */
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { type ForkedServer, forkServer } from "./forked.ts";

/** Bytes of each message. */
const MESSAGE_BYTES = 300;
const SERVERS = 3;

export interface ChainBaseline {
  /** The time of one message down through all three and back up, and of one more to the last of them and back, in milliseconds. */
  chainMs(): Promise<number>;
  close(): Promise<void>;
}

/** `folder`: where the rows are. */
export async function startChainBaseline(folder: string): Promise<ChainBaseline> {
  const servers: ForkedServer[] = [];
  for (let at = 0; at < SERVERS; at += 1) {
    const next = servers.at(-1);
    const nextPort = next === undefined ? [] : [String(next.told.port)];
    servers.push(await forkServer("./baseline-chain-server.ts", [join(folder, `bare-${at}.db`), ...nextPort]));
  }
  const clientOf = (server: ForkedServer | undefined) =>
    new Client(`127.0.0.1:${server?.told.port}`, credentials.createInsecure());
  const [first, last] = [clientOf(servers.at(-1)), clientOf(servers[0])];
  const message = Buffer.alloc(MESSAGE_BYTES, 7);
  const same = (bytes: Buffer): Buffer => bytes;
  const meter = last.makeBidiStreamRequest("/chain/Meter", same, same);
  let held: () => void = () => undefined;
  meter.on("data", () => held());
  meter.on("error", () => undefined);
  return {
    chainMs: () =>
      new Promise((resolve, reject) => {
        const sentMs = performance.now();
        const run = first.makeServerStreamRequest("/chain/Run", same, same, message);
        run.on("error", reject);
        run.on("data", () => {
          held = () => resolve(performance.now() - sentMs);
          meter.write(message);
        });
      }),
    close: async () => {
      meter.cancel();
      for (const client of [first, last]) client.close();
      for (const server of servers.toReversed()) await server.stop();
    },
  };
}
