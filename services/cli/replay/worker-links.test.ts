import type { MessageInitShape } from "@bufbuild/protobuf";
import { expect, onTestFinished, test, vi } from "vitest";
import { executionError, FaultError, RefusalError } from "#errors";
import {
  CallKind,
  type MeterAnswer,
  type MeterAnswerSchema,
  type MeterItem,
  MeterService,
} from "#gen/bursar/v1/meter_service_pb.js";
import { WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { Clock } from "#ports";
import { bind, connect, startGrpcServer, toStatusMessage } from "#rpc";
import { systemClock } from "#tier";
import { EXIT } from "../exit-code.ts";
import type { MeterOperation } from "./meter-session.ts";
import { WorkerLinks } from "./worker-links.ts";

type Result = NonNullable<MessageInitShape<typeof MeterAnswerSchema>["result"]>;
/** What one life of the daemon answers; undefined: nothing. */
type Behaviour = (item: MeterItem) => Result | undefined;

const done: Result = { case: "done", value: {} };
const held: Result = { case: "held", value: { holdId: "hold", granted: { credits: 5n } } };
const refused = (error: Error): Result => ({ case: "error", value: toStatusMessage(error) as never });
const leaseEnded = refused(new RefusalError({ reason: "LEASE_ENDED", message: "not renewed", retryAfterMs: 1_000 }));
const stranger = refused(new RefusalError({ reason: "NOT_PERMITTED", message: "the token does not open it here" }));
const noBudget = refused(
  new FaultError(executionError({ id: "", type: "RESOURCE_EXHAUSTED", reach: "one", message: "no budget" })),
);
const takesAll: Behaviour = ({ operation }) => (operation.case === "reserve" ? held : done);
const silent: Behaviour = ({ operation }) => (operation.case === "attach" ? done : undefined);

/** Pauses are short; nobody runs out of patience. */
const patientClock: Clock = {
  ...systemClock,
  after: (delayMs, action) => (delayMs > 5_000 ? () => undefined : systemClock.after(Math.min(delayMs, 5), action)),
};

/** Pauses end at once, and their time passes. */
function skippingClock(): Clock {
  let skippedMs = 0;
  return {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() + skippedMs,
    after: (delayMs, action) =>
      systemClock.after(1, () => {
        skippedMs += delayMs;
        action();
      }),
  };
}

/** An execution daemon, as far as Meter goes. */
async function startMeter(behaviour: Behaviour, listen = "127.0.0.1:0") {
  const asked: string[] = [];
  const server = await startGrpcServer({
    listen,
    allowInsecure: false,
    clock: systemClock,
    onError: () => undefined,
    services: [
      bind(MeterService, {
        meter: (stream) => {
          stream.onMessage(({ items }) => {
            for (const item of items) {
              asked.push(textOf(item));
              const result = behaviour(item);
              if (result) stream.send({ answers: [{ itemId: item.itemId, result }] });
            }
          });
          stream.onEnd(() => stream.close());
        },
      }),
    ],
  });
  onTestFinished(() => server.kill());
  return { address: server.address, asked, kill: () => server.kill() };
}

function textOf({ operation }: MeterItem): string {
  if (operation.case === "reserve") return `reserve ${operation.value.allocationId} ${operation.value.requestId}`;
  if (operation.case === "attach") return `attach ${operation.value.allocationId} ${operation.value.token}`;
  return `${operation.case} ${operation.value?.allocationId}`;
}

function linksTo(address: string, { names = ["a"], clock = patientClock }: { names?: string[]; clock?: Clock } = {}) {
  const hurry = new AbortController();
  const told = {
    onWaiting: vi.fn<(address: string, why: unknown) => void>(),
    onBack: vi.fn<() => void>(),
    onLost: vi.fn<(failure: unknown) => void>(),
    onRunOver: vi.fn<(why: unknown) => void>(),
  };
  const opened: { close(): void }[] = [];
  const links = new WorkerLinks(names.map(called(address)), {
    meterAt: (at) => {
      const connection = connect({ address: at, clock: systemClock });
      opened.push(connection);
      return connection.client(MeterService);
    },
    clock,
    ids: { fraction: () => 0 },
    hurry: hurry.signal,
    signal: new AbortController().signal,
    ...told,
  });
  onTestFinished(() => {
    links.close();
    for (const connection of opened) connection.close();
  });
  return { links, told, hurry };
}

const called = (address: string) => (name: string) => ({ allocationId: name, token: `token-${name}`, address });

function operation(what: "reserve" | "complete", allocationId: string): MeterOperation {
  if (what === "complete") return { case: "complete", value: { allocationId, outcome: WorkOutcome.SUCCEEDED } };
  return { case: "reserve", value: { requestId: "r-1", allocationId, kind: CallKind.MODEL, name: "m" } };
}

/** Asks it of every worker; `answers` grows as they come. */
function ask({ links }: WorkerLinks, what: "reserve" | "complete") {
  const answers: MeterAnswer["result"][] = [];
  for (const link of links) link.send(operation(what, link.allocationId), ({ result }) => answers.push(result));
  return answers;
}

test("workers of a daemon that was lost attach again there, and what got no answer is asked again", async () => {
  const first = await startMeter(silent);
  const { links, told } = linksTo(first.address, { names: ["a", "b"] });
  await links.attach();
  const answers = ask(links, "reserve");
  await vi.waitFor(() => expect(first.asked).toHaveLength(4));
  first.kill();
  const second = await startMeter(takesAll, first.address);
  await vi.waitFor(() => expect(answers).toHaveLength(2));
  expect(answers).toMatchObject([{ case: "held" }, { case: "held" }]);
  expect(second.asked).toEqual(["attach a token-a", "reserve a r-1", "attach b token-b", "reserve b r-1"]);
  expect(told.onWaiting).toHaveBeenCalledExactlyOnceWith(first.address, expect.any(Error));
  expect(told.onBack).toHaveBeenCalledOnce();
  expect(told.onLost).not.toHaveBeenCalled();
});

test("a worker that is called to another address goes there, and one that is attached is not moved by a second call", async () => {
  const first = await startMeter(silent);
  const { links } = linksTo(first.address);
  await links.attach();
  const answers = ask(links, "reserve");
  await vi.waitFor(() => expect(first.asked).toHaveLength(2));
  links.called(called(first.address)("a"));
  links.called(called(first.address)("nobody"));
  const second = await startMeter(takesAll);
  links.called(called(second.address)("a"));
  await vi.waitFor(() => expect(answers).toMatchObject([{ case: "held" }]));
  expect(first.asked).toHaveLength(2);
  expect(second.asked).toEqual(["attach a token-a", "reserve a r-1"]);
});

test("a token that is not known at the old address any more waits for the call to the new one", async () => {
  const first = await startMeter(silent);
  const { links, told } = linksTo(first.address);
  await links.attach();
  const answers = ask(links, "reserve");
  first.kill();
  const another = await startMeter(() => stranger, first.address);
  await vi.waitFor(() => expect(another.asked).toHaveLength(2));
  const second = await startMeter(takesAll);
  links.called(called(second.address)("a"));
  await vi.waitFor(() => expect(answers).toMatchObject([{ case: "held" }]));
  expect(another.asked).toHaveLength(2);
  expect(told.onLost).not.toHaveBeenCalled();
});

test("a daemon that may not spend yet is asked again until it may", async () => {
  let left = 3;
  const meter = await startMeter((item) =>
    item.operation.case === "reserve" && left-- > 0 ? leaseEnded : takesAll(item),
  );
  const { links, told } = linksTo(meter.address);
  await links.attach();
  const answers = ask(links, "reserve");
  await vi.waitFor(() => expect(answers).toMatchObject([{ case: "held" }]));
  expect(meter.asked.filter((text) => text === "reserve a r-1")).toHaveLength(4);
  expect(told.onWaiting).toHaveBeenCalledOnce();
  expect(told.onBack).toHaveBeenCalledOnce();
});

test("a lack of budget is an answer", async () => {
  const meter = await startMeter((item) => (item.operation.case === "reserve" ? noBudget : done));
  const { links, told } = linksTo(meter.address);
  await links.attach();
  const answers = ask(links, "reserve");
  await vi.waitFor(() => expect(answers).toMatchObject([{ case: "error" }]));
  expect(meter.asked).toHaveLength(2);
  expect(told.onWaiting).not.toHaveBeenCalled();
});

test("the end of the work is told again to a daemon that may have forgotten it, and answered once", async () => {
  const first = await startMeter(takesAll);
  const { links, told } = linksTo(first.address);
  await links.attach();
  const answers = ask(links, "complete");
  await vi.waitFor(() => expect(answers).toMatchObject([{ case: "done" }]));
  first.kill();
  const second = await startMeter(takesAll, first.address);
  await vi.waitFor(() => expect(told.onBack).toHaveBeenCalledOnce());
  expect(second.asked).toEqual(["attach a token-a", "complete a"]);
  expect(answers).toHaveLength(1);
});

test("what does not come back is given up after a time, with what was in the way", async () => {
  const meter = await startMeter(silent);
  const { links, told } = linksTo(meter.address, { names: ["a", "b"], clock: skippingClock() });
  await links.attach();
  ask(links, "reserve");
  meter.kill();
  await vi.waitFor(() => expect(told.onLost).toHaveBeenCalledOnce());
  expect(told.onLost.mock.calls[0]?.[0]).toMatchObject({
    exitCode: EXIT.unreachable,
    message: expect.stringContaining(
      `2 of 2 workers waited 30 s in vain for the execution daemon at ${meter.address}: `,
    ),
  });
  expect(told.onWaiting).toHaveBeenCalledOnce();
});

test("nobody waits once its user does not want to: who is lost is lost", async () => {
  const meter = await startMeter(silent);
  const { links, told, hurry } = linksTo(meter.address);
  await links.attach();
  meter.kill();
  await vi.waitFor(() => expect(told.onWaiting).toHaveBeenCalledOnce());
  expect(told.onLost).not.toHaveBeenCalled();
  hurry.abort();
  // At once, or when it is refused once more: it may be dialling just now.
  await vi.waitFor(() => expect(told.onLost).toHaveBeenCalledOnce());
});

test("and who is told to wait takes that for an answer", async () => {
  const meter = await startMeter((item) => (item.operation.case === "reserve" ? leaseEnded : done));
  const { links, told, hurry } = linksTo(meter.address);
  await links.attach();
  const answers = ask(links, "reserve");
  await vi.waitFor(() => expect(told.onWaiting).toHaveBeenCalledOnce());
  hurry.abort();
  await vi.waitFor(() => expect(answers).toMatchObject([{ case: "error" }]));
  expect(told.onLost).not.toHaveBeenCalled();
});

test("a run that has ended ends the waiting", async () => {
  const meter = await startMeter(silent);
  const { links, told } = linksTo(meter.address);
  await links.attach();
  meter.kill();
  await vi.waitFor(() => expect(told.onWaiting).toHaveBeenCalledOnce());
  const why = new Error("the run ended");
  links.runOver(why);
  expect(told.onRunOver).toHaveBeenCalledExactlyOnceWith(why);
  expect(told.onLost).not.toHaveBeenCalled();
});

test("a token that was never accepted is not tried again", async () => {
  const meter = await startMeter(() => stranger);
  const { links, told } = linksTo(meter.address);
  await expect(links.attach()).rejects.toMatchObject({ refusal: { reason: "NOT_PERMITTED" } });
  expect(told.onLost).toHaveBeenCalledOnce();
  expect(meter.asked).toEqual(["attach a token-a"]);
});
