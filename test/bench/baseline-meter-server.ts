/**
 * The least that a durable meter could be, for what is measured of ours to stand beside: a bare grpc-js server that takes the same messages
 * with protobuf-es, commits one row for all that one turn of its event loop has read, and answers every item alike. It keeps no books.
 * Argument: the folder of its database. Tells its port to its parent and ends with it.
 */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { MeterRequestSchema, MeterResponseSchema } from "#gen/bursar/v1/meter_service_pb.js";

type Answer = NonNullable<MessageInitShape<typeof MeterResponseSchema>["answers"]>[number];
type Request = ReturnType<typeof fromBinary<typeof MeterRequestSchema>>;
type Call = ServerDuplexStream<Request, Buffer>;

/** About what the events of one item come to. */
const BYTES_PER_ITEM = 100;
const HOLD_ID = "019342c8-0000-7000-8000-000000000000";

const database = new DatabaseSync(join(process.argv[2] ?? "", "bare-meter.db"));
database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
database.exec("CREATE TABLE rows (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)");
const insert = database.prepare("INSERT INTO rows (body) VALUES (?)");

let read: { readonly call: Call; readonly items: Request["items"] }[] = [];

function take(call: Call, { items }: Request): void {
  if (read.length === 0) setImmediate(answerAll);
  read.push({ call, items });
}

function answerAll(): void {
  const turn = read;
  read = [];
  const items = turn.reduce((sum, each) => sum + each.items.length, 0);
  insert.run(new Uint8Array(items * BYTES_PER_ITEM).fill(7));
  for (const { call, items } of turn) {
    const answers = items.map(({ itemId, operation }): Answer => ({ itemId, ...answerTo(operation.case) }));
    call.write(Buffer.from(toBinary(MeterResponseSchema, create(MeterResponseSchema, { answers }))));
  }
}

function answerTo(operation: Request["items"][number]["operation"]["case"]): Pick<Answer, "result"> {
  if (operation === "reserve") return { result: { case: "held", value: { holdId: HOLD_ID, granted: {} } } };
  return operation === "settle" ? { result: { case: "settled", value: {} } } : { result: { case: "done", value: {} } };
}

const server = new Server();
const meter = {
  path: "/bursar.v1.MeterService/Meter",
  requestStream: true,
  responseStream: true,
  requestSerialize: (bytes: Buffer) => bytes,
  requestDeserialize: (bytes: Buffer) => fromBinary(MeterRequestSchema, bytes),
  responseSerialize: (bytes: Buffer) => bytes,
  responseDeserialize: (bytes: Buffer) => bytes,
} as const;
server.addService(
  { meter },
  {
    meter: (call: Call) => {
      call.on("data", (request: Request) => take(call, request));
      call.on("end", () => call.end());
    },
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.({ port });
});
process.once("disconnect", () => {
  server.forceShutdown();
  database.close();
});
