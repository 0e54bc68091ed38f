/**
 * The client process of the echo baselines: bare grpc-js with protobuf-es messages, nothing of this project in between, and nothing else
 * in its process. Started by baseline-echo.ts; arguments: the server's port and the payload's module.
 */
import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { BATCH_ITEMS, type EchoAsked, type EchoPayload } from "./baseline-echo.ts";
import { serveParent } from "./forked.ts";

const [port = "", payloadModule = ""] = process.argv.slice(2);
const { payload } = (await import(payloadModule)) as { readonly payload: EchoPayload };
const echo = echoClient(Number(port), payload.schema);
const one = payload.one();
const batch = payload.batch(BATCH_ITEMS);

serveParent(
  {},
  ({ way, inFlight, durationMs }: EchoAsked) => {
    if (way === "unary") return echo.unary({ message: one, inFlight, durationMs });
    return echo.stream({ message: way === "stream" ? one : batch, inFlight, durationMs });
  },
  () => echo.close(),
);

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
    const startsAt = performance.now() + durationMs / 3;
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
