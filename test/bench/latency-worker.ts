/**
 * The process that takes the times of reserves: a fixed number of calls on one connection, each reserved, settled, and begun anew. One
 * process plays all of those workers, so it does next to nothing itself, lest its own work and pauses count as the daemon's: its items
 * are encoded once and only their ids written anew, and of an answer it reads what it needs. Started by latency-load.ts.
 */
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import { type MeterItemSchema, MeterRequestSchema } from "#gen/bursar/v1/meter_service_pb.js";
import { MeterAnswers } from "../bench-report/meter-answers.ts";
import { serveParent } from "./forked.ts";
import type { LatencyLoad } from "./latency-load.ts";
import { attach, type Call, reserve, settle } from "./meter-player.ts";
import { Samples, timesAnswer } from "./samples.ts";

const METHOD = "/bursar.v1.MeterService/Meter";
const ID_CHARS = 36;
/** Stands where an id will be written. */
const BLANK_ID = "-".repeat(ID_CHARS);

type Stream = ClientDuplexStream<Buffer, Buffer>;

const load = JSON.parse(process.argv[2] ?? "") as LatencyLoad;
const client = new Client(load.address, credentials.createInsecure());
const samples = new Samples();
let requests = 0;

/** One call at a time: its two items, encoded, with the places of the ids in them. */
class Slot {
  readonly reserve: Buffer;
  readonly settle: Buffer;
  readonly #requestIdAt: number;
  readonly #holdIdAt: number;
  sentMs = 0;

  constructor(itemId: number, allocationId: string) {
    const blank = reserve(allocationId);
    const operation = {
      case: "reserve",
      value: { ...(blank.operation.value as object), requestId: BLANK_ID },
    } as const;
    this.reserve = encoded(itemId, operation as Call["operation"]);
    this.settle = encoded(itemId, settle(allocationId, BLANK_ID).operation);
    this.#requestIdAt = this.reserve.indexOf(BLANK_ID);
    this.#holdIdAt = this.settle.indexOf(BLANK_ID);
  }

  /** The next call: with a request id that no other has. */
  begin(nowMs: number): Buffer {
    requests += 1;
    this.sentMs = nowMs;
    this.reserve.write(String(requests).padStart(ID_CHARS, "0"), this.#requestIdAt, "latin1");
    return this.reserve;
  }

  /** Its settle: with the id of the hold, which stands at `at` in `bytes`. */
  end(bytes: Buffer, at: number): Buffer {
    bytes.copy(this.settle, this.#holdIdAt, at, at + ID_CHARS);
    return this.settle;
  }
}

/** A message of one item; several behind each other are a message of as many. */
function encoded(itemId: number, operation: MessageInitShape<typeof MeterItemSchema>["operation"]): Buffer {
  const items = [operation === undefined ? { itemId } : { itemId, operation }];
  return Buffer.from(toBinary(MeterRequestSchema, create(MeterRequestSchema, { items })));
}

/** A stream and its part of the calls. */
class Team {
  readonly #stream: Stream;
  readonly #slots: readonly Slot[];
  readonly #answers = new MeterAnswers(ID_CHARS);
  #endsAtMs = 0;
  #underWay = 0;
  #whenIdle: () => void = () => undefined;

  constructor(stream: Stream, slots: readonly Slot[]) {
    this.#stream = stream;
    this.#slots = slots;
    stream.on("data", (bytes: Buffer) => this.#take(bytes));
  }

  /** Begins calls until `endsAtMs`; resolves when the last of them is settled. */
  run(endsAtMs: number): Promise<void> {
    this.#endsAtMs = endsAtMs;
    this.#underWay = this.#slots.length;
    const nowMs = performance.now();
    this.#stream.write(Buffer.concat(this.#slots.map((slot) => slot.begin(nowMs))));
    return new Promise((resolve) => {
      this.#whenIdle = resolve;
    });
  }

  /** Says no more: a client that is closed waits for its streams. */
  leave(): void {
    this.#stream.end();
  }

  #take(bytes: Buffer): void {
    const nowMs = performance.now();
    const next: Buffer[] = [];
    this.#answers.read(bytes, (itemId, holdIdAt) => {
      const slot = this.#slots[itemId - 1];
      if (slot === undefined) throw new Error(`an answer to item ${itemId}, which was not sent`);
      if (holdIdAt > 0) {
        samples.add(nowMs - slot.sentMs);
        next.push(slot.end(bytes, holdIdAt));
      } else if (nowMs < this.#endsAtMs) next.push(slot.begin(nowMs));
      else this.#underWay -= 1;
    });
    if (next.length > 0) this.#stream.write(Buffer.concat(next));
    if (this.#underWay === 0) this.#whenIdle();
  }
}

const same = (bytes: Buffer): Buffer => bytes;

async function openTeam(index: number): Promise<Team> {
  const { streams, callsInFlight, workers } = load;
  const own = workers.filter((_worker, place) => place % streams === index);
  const stream: Stream = client.makeBidiStreamRequest(METHOD, same, same);
  // What ends it ends the bench; its last end is that of this process.
  stream.on("error", (error) => {
    if (process.connected) throw error;
  });
  const attached = new Promise((resolve) => stream.once("data", resolve));
  stream.write(Buffer.concat(own.map((worker) => encoded(1, attach(worker).operation))));
  await attached;
  const slots = Array.from({ length: callsInFlight / streams }, (_, slot) => {
    const worker = own[slot % own.length];
    return new Slot(slot + 1, worker?.allocationId ?? "");
  });
  return new Team(stream, slots);
}

const teams = await Promise.all(Array.from({ length: load.streams }, (_, index) => openTeam(index)));
const reserveFor = async (durationMs: number): Promise<void> => {
  const endsAtMs = performance.now() + durationMs;
  await Promise.all(teams.map((team) => team.run(endsAtMs)));
};
serveParent({}, timesAnswer(samples, reserveFor), () => {
  for (const team of teams) team.leave();
  client.close();
});
