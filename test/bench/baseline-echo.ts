/**
 * Baselines: what bare grpc-js with protobuf-es messages does on this machine right now, client and server in two processes over
 * loopback, as anybody runs them: Node and grpc-js with the options that they have by themselves. The project's own rows are read as ratios
 * to these, measured in the same run with messages of about equal bytes.
 *
 * V8 makes guesses that hold for the rest of a process, so that one such pair may be twice as fast as the next. A row therefore takes
 * each figure from three fresh pairs and counts the middle one, as it does with its own three windows.
 */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { forkProcess, forkServer } from "./forked.ts";

/** The message that is echoed. Its module is loaded by both processes. */
export interface EchoPayload {
  readonly schema: DescMessage;
  /** A message with one item. */
  one(): Message;
  /** A message with `items` items. */
  batch(items: number): Message;
}

/** Items of a batched message, and what is under way at a time: messages of one item, items of batched messages. */
export const BATCH_ITEMS = 100;
const STREAM_IN_FLIGHT = 256;
const BATCHED_ITEMS_IN_FLIGHT = 3_200;

/** Pairs that a row starts, one after the other. */
export const ECHO_PAIRS = 3;

/** A server process and a client process; each measurement lasts `durationMs`, after a third of it as warm-up. */
export interface EchoBaseline {
  /** Unary calls per second, with so many under way at a time; with one, each call waits for the answer to the one before. */
  unaryPerSecond(durationMs: number, inFlight: number): Promise<number>;
  /** Items per second on a stream, one to a message. */
  streamItemsPerSecond(durationMs: number): Promise<number>;
  /** Items per second on a stream, a hundred to a message. */
  batchedItemsPerSecond(durationMs: number): Promise<number>;
}

/** What its client process is asked for; it answers with the messages per second that came back. */
export interface EchoAsked {
  readonly way: "unary" | "stream" | "batched";
  /** Messages. */
  readonly inFlight: number;
  readonly durationMs: number;
}

/** Measures on a fresh pair of processes and ends them. `payloadModule`: URL of a module that exports an EchoPayload as `payload`. */
export async function withEchoPair<T>({ href }: URL, measure: (echo: EchoBaseline) => Promise<T>): Promise<T> {
  const server = await forkServer("./baseline-echo-server.ts", [href]);
  const args = [String(server.told.port), href];
  const client = await forkProcess<object, EchoAsked, number>("./baseline-echo-client.ts", { args });
  const batchesInFlight = BATCHED_ITEMS_IN_FLIGHT / BATCH_ITEMS;
  try {
    return await measure({
      unaryPerSecond: (durationMs, inFlight) => client.ask({ way: "unary", inFlight, durationMs }),
      streamItemsPerSecond: (durationMs) => client.ask({ way: "stream", inFlight: STREAM_IN_FLIGHT, durationMs }),
      batchedItemsPerSecond: async (durationMs) =>
        BATCH_ITEMS * (await client.ask({ way: "batched", inFlight: batchesInFlight, durationMs })),
    });
  } finally {
    await client.stop();
    await server.stop();
  }
}
