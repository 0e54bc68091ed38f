/**
 * One process of the bare chain: takes a message, commits a row, and passes the message on; the last one answers it. Started by
 * baseline-chain.ts; tells its port to its parent and ends with it. Arguments: the file of its rows, and the port of the next process.
 */
import { closeSync, fdatasync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { serveParent } from "./forked.ts";

const ROW_BYTES = 700;

const [, , file = "", nextPort] = process.argv;
const same = (bytes: Buffer): Buffer => bytes;
const bytesOnly = {
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
  responseStream: true,
};

const database = new DatabaseSync(file);
database.exec("PRAGMA journal_mode = WAL; PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL");
database.exec("CREATE TABLE rows (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)");
const insert = database.prepare("INSERT INTO rows (body) VALUES (?)");
const row = new Uint8Array(ROW_BYTES).fill(7);
insert.run(row);
const log = openSync(`${file}-wal`, "r+");

/** As a reserve that an allowance covers: written before it is answered, synced afterwards. */
function answerAhead(answer: () => void): void {
  database.exec("PRAGMA synchronous = NORMAL");
  insert.run(row);
  database.exec("PRAGMA synchronous = FULL");
  answer();
  setImmediate(() => fdatasync(log, () => undefined));
}

type Duplex = ServerDuplexStream<Buffer, Buffer>;

/** Whom the next answer from below is for. */
let answer: (bytes: Buffer) => void = () => undefined;
const next = nextPort === undefined ? undefined : new Client(`127.0.0.1:${nextPort}`, credentials.createInsecure());
const below = next?.makeBidiStreamRequest("/chain/Work", same, same);
below?.on("data", (bytes: Buffer) => answer(bytes));
below?.on("error", () => undefined);

const server = new Server();
server.addService(
  {
    run: { path: "/chain/Run", requestStream: false, ...bytesOnly },
    work: { path: "/chain/Work", requestStream: true, ...bytesOnly },
    meter: { path: "/chain/Meter", requestStream: true, ...bytesOnly },
  },
  {
    run: (call: ServerWritableStream<Buffer, Buffer>) => {
      answer = (bytes) => {
        call.write(bytes);
        call.end();
      };
      insert.run(row);
      below?.write(call.request);
    },
    work: (call: Duplex) => {
      answer = (bytes) => call.write(bytes);
      call.on("data", (bytes: Buffer) => {
        insert.run(row);
        (below ?? call).write(bytes);
      });
      call.on("end", () => call.end());
    },
    meter: (call: Duplex) => {
      call.on("data", (bytes: Buffer) => answerAhead(() => call.write(bytes)));
      call.on("end", () => call.end());
    },
  },
);
server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  serveParent({ port }, () => undefined, end);
});

function end(): void {
  below?.cancel();
  next?.close();
  server.forceShutdown();
  closeSync(log);
  database.close();
}
