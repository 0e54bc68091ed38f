import { create } from "@bufbuild/protobuf";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { parseExecuteSteps, type StepOrderSpec } from "#codec";
import { RefusalError } from "#errors";
import { ExecutionService, StepOrderSchema } from "#gen/bursar/v1/execution_service_pb.js";
import { type RunEvent, RunEventSchema } from "#gen/bursar/v1/run_pb.js";
import { LIMITS } from "#std";
import { iterate } from "./duplex-stream.ts";
import { fromStatusMessage } from "./error-map.ts";
import { Feed } from "./feed.ts";
import { connect } from "./grpc-client.ts";
import { startGrpcServer } from "./grpc-server.ts";
import { bind } from "./service-handlers.ts";
import { testClock } from "./testing/echo-mesh.ts";
import { WorkLine } from "./work-line.ts";
import { serveWork } from "./work-stream.ts";

const SOON = { timeout: 5_000, interval: 5 };
const no = (reason: ConstructorParameters<typeof RefusalError>[0]["reason"]) =>
  new RefusalError({ reason, message: "no" });
const event = (sequence: number, path = ""): RunEvent =>
  create(RunEventSchema, {
    sequence: BigInt(sequence),
    event: { case: "workerReady", value: { path, allocationId: "", token: "", address: "", kind: "" } },
  });
const order = (allocationId: string) => ({ grant: { allocationId } });

/** A child that serves steps as `follow` says, and the connection to it. */
async function child(follow: (order: StepOrderSpec) => Promise<Feed<RunEvent>>) {
  const faults: unknown[] = [];
  const service = bind(ExecutionService, {
    executeSteps: (stream, context) =>
      serveWork(stream, context, {
        parse: parseExecuteSteps,
        greet: ({ instance }) => {
          if (instance !== "execution-1") throw no("STATE_FORBIDS");
        },
        follow,
        onFault: (error) => faults.push(error),
      }),
  });
  const server = await startGrpcServer({
    listen: "127.0.0.1:0",
    allowInsecure: false,
    services: [service],
    clock: testClock,
    onError: ({ error }) => faults.push(error),
  });
  const connection = connect({ address: server.address, clock: testClock });
  onTestFinished(() => {
    connection.close();
    server.kill();
  });
  const execution = connection.client(ExecutionService);
  return { execution, faults };
}

/** A child with one feed per allocation, which the test fills, and a line to it. */
async function lined({ instance = "execution-1" } = {}) {
  const feeds = new Map<string, Feed<RunEvent>>();
  const left: string[] = [];
  const taken: StepOrderSpec[] = [];
  const { execution, faults } = await child(async (spec) => {
    taken.push(spec);
    const id = spec.type === "join" ? spec.allocationId : spec.grant.allocationId;
    if (id === "refused") throw no("NOT_FOUND");
    if (id === "broken") throw new TypeError("a defect");
    const feed = new Feed<RunEvent>({ onLeft: () => left.push(id) });
    feeds.set(id, feed);
    return feed;
  });
  const over = vi.fn();
  const line = new WorkLine({
    stream: execution.executeSteps(),
    hello: { instance },
    order: StepOrderSchema,
    onOver: over,
  });
  const feedOf = (id: string) => vi.waitUntil(() => feeds.get(id), SOON);
  return { line, feedOf, left, taken, faults, over };
}

const forEver = () => new AbortController().signal;

async function read(source: AsyncIterable<RunEvent>, into: number[] = []): Promise<number[]> {
  for await (const { sequence } of source) into.push(Number(sequence));
  return into;
}

describe("a line of work", () => {
  it("tells of each order what happens, in order, and when it is over", async () => {
    const { line, feedOf } = await lined();
    const reading = ["a", "b"].map((id) => read(line.follow(order(id), forEver())));
    const [a, b] = [await feedOf("a"), await feedOf("b")];
    for (const sequence of [1, 2, 3]) for (const feed of [a, b]) feed.push(event(sequence));
    b.end();
    expect(await reading[1]).toEqual([1, 2, 3]);
    a.push(event(4));
    a.end();
    expect(await reading[0]).toEqual([1, 2, 3, 4]);
  });

  it("tells of many orders at once, more than may wait for the parent", async () => {
    const { line, feedOf } = await lined();
    const ids = Array.from({ length: 1_000 }, (_, index) => `o-${index}`);
    const reading = ids.map((id) => read(line.follow(order(id), forEver())));
    const feeds = await Promise.all(ids.map(feedOf));
    for (const feed of feeds) feed.push(event(1));
    for (const feed of feeds) feed.end();
    expect(await Promise.all(reading)).toEqual(ids.map(() => [1]));
  });

  it("refuses an order alone, and tells a defect of the child as no refusal", async () => {
    const { line, feedOf, faults } = await lined();
    const going = read(line.follow(order("a"), forEver()));
    await expect(read(line.follow(order("refused"), forEver()))).rejects.toMatchObject({
      refusal: { reason: "NOT_FOUND" },
    });
    await expect(read(line.follow({ grant: {} } as never, forEver()))).rejects.toMatchObject({
      refusal: { reason: "INVALID_ARGUMENT" },
    });
    await expect(read(line.follow(order("broken"), forEver()))).rejects.toMatchObject({ name: "TransportError" });
    expect(faults).toMatchObject([{ message: "a defect" }]);
    const feed = await feedOf("a");
    feed.push(event(1));
    feed.end();
    expect(await going).toEqual([1]);
  });

  it("keeps an order that fits into no message to itself, in both directions", async () => {
    const { line, feedOf } = await lined();
    const large = "x".repeat(LIMITS.messageBytesMax);
    expect(() => line.follow({ grant: { path: large } } as never, forEver())).toThrow(/does not fit/);
    const reading = read(line.follow(order("a"), forEver()));
    (await feedOf("a")).push(event(1, large));
    await expect(reading).rejects.toMatchObject({ refusal: { reason: "MESSAGE_TOO_LARGE" } });
    const other = read(line.follow(order("b"), forEver()));
    (await feedOf("b")).end();
    expect(await other).toEqual([]);
  });

  it("leaves what is followed no more, and nothing else", async () => {
    const { line, feedOf, left } = await lined();
    const over = new AbortController();
    const seen: number[] = [];
    const aborted = read(line.follow(order("a"), over.signal), seen);
    const going = read(line.follow(order("b"), forEver()));
    (await feedOf("a")).push(event(1));
    await vi.waitUntil(() => seen.length === 1, SOON);
    over.abort();
    await expect(aborted).rejects.toMatchObject({ status: "CANCELLED" });
    await vi.waitUntil(() => left.includes("a"), SOON);
    const feed = await feedOf("b");
    feed.push(event(1));
    feed.end();
    expect(await going).toEqual([1]);
    expect(left).toEqual(["a"]);
  });

  it("loses every order with the stream, and says of none that it was refused", async () => {
    const { line, feedOf, left, over } = await lined();
    const lost = ["a", "b"].map((id) => read(line.follow(order(id), forEver())));
    await Promise.all([feedOf("a"), feedOf("b")]);
    line.close();
    for (const reading of lost) await expect(reading).rejects.toMatchObject({ name: "TransportError" });
    await vi.waitUntil(() => left.length === 2, SOON);
    expect(over).toHaveBeenCalledTimes(1);
    expect(line.isOver).toBe(true);
    expect(() => line.follow(order("c"), forEver())).toThrow(/has ended/);
  });

  it("says that another daemon is there when the stream was refused for that", async () => {
    const { line, taken } = await lined({ instance: "execution-2" });
    await expect(read(line.follow(order("a"), forEver()))).rejects.toMatchObject({
      refusal: { reason: "STATE_FORBIDS" },
    });
    expect(taken).toEqual([]);
  });

  it("tells everything to a parent that takes its time, without holding it", async () => {
    const { line, feedOf } = await lined();
    const reading = Array.from({ length: 4 }, (_, index) => read(line.follow(order(`${index}`), forEver())));
    const text = "x".repeat(2_000);
    const count = 5_000;
    for (let index = 0; index < 4; index += 1) {
      const feed = await feedOf(`${index}`);
      for (let sequence = 1; sequence <= count; sequence += 1) feed.push(event(sequence, text));
      feed.end();
    }
    const all = Array.from({ length: count }, (_, index) => index + 1);
    for (const told of reading) expect(await told).toEqual(all);
  });
});

describe("a stream of work", () => {
  type Message = Parameters<Awaited<ReturnType<typeof opened>>["send"]>[0];

  async function opened() {
    const { execution } = await child(async () => {
      const feed = new Feed<RunEvent>();
      feed.push(event(1));
      feed.end();
      return feed;
    });
    return execution.executeSteps();
  }

  const hello = { instance: "execution-1" };
  const joins = (...numbers: number[]) => numbers.map((number) => ({ number, grant: { allocationId: "a" } }));

  it.each<[string, Message[], string]>([
    ["a first message without hello", [{ orders: joins(1) }], "hello"],
    ["hello again", [{ hello }, { hello }], "hello"],
    ["a hello that names nobody", [{ hello: {} }], "hello.instance"],
    ["numbers that do not grow", [{ hello, orders: joins(2) }, { orders: joins(2) }], "orders"],
    ["the number 0", [{ hello, orders: joins(0) }], "orders"],
  ])("is refused for %s", async (_name, messages, field) => {
    const stream = await opened();
    const ended = new Promise<Error | undefined>((resolve) => stream.onEnd(resolve));
    stream.onMessage(() => undefined);
    for (const message of messages) stream.send(message);
    const error = await ended;
    expect(error).toMatchObject({ refusal: { reason: "INVALID_ARGUMENT", fieldViolations: [{ field }] } });
  });

  it("answers what it was given before its end, and ends when all of that is over", async () => {
    const stream = await opened();
    const answers = iterate(stream);
    stream.send({ hello, orders: [...joins(1), { number: 2 }] });
    stream.close();
    const told = [];
    for await (const { tellings } of answers) told.push(...tellings);
    expect(told).toMatchObject([
      { number: 2, last: true, told: { case: "refused" } },
      { number: 1, last: true, told: { case: "event", value: { sequence: 1n } } },
    ]);
    const [first] = told;
    const error = first?.told.case === "refused" ? fromStatusMessage(first.told.value) : undefined;
    expect(error).toMatchObject({ refusal: { reason: "INVALID_ARGUMENT" } });
  });

  it("takes so many orders at a time and no more", async () => {
    const { execution } = await child(async () => new Feed<RunEvent>());
    const stream = execution.executeSteps();
    const refused = new Promise((resolve) => stream.onMessage(({ tellings }) => resolve(tellings)));
    let number = 0;
    const batch = () => joins(...Array.from({ length: LIMITS.streamItemsMax }, () => ++number));
    while (number < LIMITS.worksPerStreamMax) stream.send({ ...(number === 0 ? { hello } : {}), orders: batch() });
    stream.send({ orders: joins(++number) });
    const [telling] = (await refused) as { number: number; told: { value: never } }[];
    expect(telling?.number).toBe(LIMITS.worksPerStreamMax + 1);
    expect(telling && fromStatusMessage(telling.told.value)).toMatchObject({ refusal: { reason: "QUEUE_FULL" } });
    stream.close(new Error("enough"));
  });
});
