/**
 * Baselines: what bare grpc-js with protobuf-es messages does on this machine right now, client and server in two processes over
 * loopback. The project's own rows are read as ratios to these, measured in the same run with messages of about equal bytes.
 */
import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { forkServer } from "./forked.ts";

/** The message that is echoed. Its module is loaded by both processes. */
export interface EchoPayload {
  readonly schema: DescMessage;
  /** A message with one item. */
  one(): Message;
  /** A message with `items` items. */
  batch(items: number): Message;
}

/** Items of a batched message, and what is under way at a time: messages of one item, items of batched messages. */
const BATCH_ITEMS = 100;
const STREAM_IN_FLIGHT = 256;
const BATCHED_ITEMS_IN_FLIGHT = 3_200;

/** A server process and its client; each measurement lasts `durationMs`, after a tenth of it as warm-up. */
export interface EchoBaseline {
  /** Unary calls per second, with so many under way at a time; with one, each call waits for the answer to the one before. */
  unaryPerSecond(durationMs: number, inFlight: number): Promise<number>;
  /** Items per second on a stream, one to a message. */
  streamItemsPerSecond(durationMs: number): Promise<number>;
  /** Items per second on a stream, a hundred to a message. */
  batchedItemsPerSecond(durationMs: number): Promise<number>;
  /** Ends the server process. */
  close(): Promise<void>;
}

/** `payloadModule`: URL of a module that exports an EchoPayload as `payload`. */
export async function startEchoBaseline(payloadModule: URL): Promise<EchoBaseline> {
  const { payload } = (await import(payloadModule.href)) as { readonly payload: EchoPayload };
  const server = await forkServer("./baseline-echo-server.ts", [payloadModule.href]);
  const echo = echoClient(server.port, payload.schema);
  const one = payload.one();
  const batch = payload.batch(BATCH_ITEMS);
  const batchesInFlight = BATCHED_ITEMS_IN_FLIGHT / BATCH_ITEMS;
  return {
    unaryPerSecond: (durationMs, inFlight) => echo.unary({ message: one, inFlight, durationMs }),
    streamItemsPerSecond: (durationMs) => echo.stream({ message: one, inFlight: STREAM_IN_FLIGHT, durationMs }),
    batchedItemsPerSecond: async (durationMs) =>
      BATCH_ITEMS * (await echo.stream({ message: batch, inFlight: batchesInFlight, durationMs })),
    close: async () => {
      echo.close();
      await server.stop();
    },
  };
}

interface EchoRun {
  readonly message: Message;
  readonly inFlight: number;
  readonly durationMs: number;
}

function echoClient(port: number, schema: DescMessage) {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const serialize = (message: Message): Buffer => Buffer.from(toBinary(schema, message));
  const deserialize = (bytes: Buffer): Message => fromBinary(schema, bytes);
  return {
    close: () => client.close(),
    unary: (run: EchoRun) =>
      rate(run, ({ onEcho, onFailure }) => {
        const call = (): void => {
          client.makeUnaryRequest("/echo/Unary", serialize, deserialize, run.message, (error) => {
            if (error === null) onEcho();
            else onFailure(error);
          });
        };
        return { send: call, end: () => undefined };
      }),
    stream: (run: EchoRun) =>
      rate(run, ({ onEcho, onFailure }) => {
        const stream: ClientDuplexStream<Message, Message> = client.makeBidiStreamRequest(
          "/echo/Stream",
          serialize,
          deserialize,
        );
        stream.on("data", onEcho);
        stream.on("error", onFailure);
        return { send: () => void stream.write(run.message), end: () => void stream.end() };
      }),
  };
}

interface EchoListener {
  readonly onEcho: () => void;
  readonly onFailure: (error: Error) => void;
}

interface EchoSender {
  send(): void;
  /** No more is sent. */
  end(): void;
}

/** Keeps `inFlight` messages under way and counts the echoes per second between warm-up and end; resolves when all are back. */
function rate({ inFlight, durationMs }: EchoRun, open: (listener: EchoListener) => EchoSender): Promise<number> {
  return new Promise((resolve, reject) => {
    const startsAt = performance.now() + durationMs / 10;
    const endsAt = startsAt + durationMs;
    let underWay = 0;
    let echoes = 0;
    let perSecond: number | undefined;
    const onEcho = (): void => {
      underWay -= 1;
      const now = performance.now();
      if (now >= startsAt && perSecond === undefined) echoes += 1;
      if (now < endsAt) {
        send();
        return;
      }
      perSecond ??= (echoes * 1_000) / (now - startsAt);
      if (underWay > 0) return;
      sender.end();
      resolve(perSecond);
    };
    const sender = open({ onEcho, onFailure: reject });
    const send = (): void => {
      underWay += 1;
      sender.send();
    };
    for (let count = 0; count < inFlight; count += 1) send();
  });
}
