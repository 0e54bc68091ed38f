import { describe, expect, it } from "vitest";
import { bind, type DuplexStream } from "#rpc";
import { Prng } from "#std";
import { MeterService } from "../../../shared/gen/bursar/v1/meter_service_pb.js";
import { VirtualClock } from "../../../shared/tier/testing/virtual-clock.ts";
import { Network } from "./network.ts";

type Stream = DuplexStream<{ answers: { itemId: number }[] }, { items: { itemId: number }[] }>;

/** A server that answers every item by its number, and a caller. */
function meet() {
  const clock = new VirtualClock();
  const network = new Network({
    clock,
    prng: new Prng("network"),
    onCarried: () => undefined,
    onEnded: () => undefined,
  });
  const [serverProcess, process] = [clock.process(), clock.process()];
  const heard: number[] = [];
  const answered: number[] = [];
  const ends: { client?: Error | undefined; server?: Error | undefined }[] = [];
  const service = bind(MeterService, {
    meter: (stream) => {
      stream.onMessage(({ items }) => {
        heard.push(...items.map(({ itemId }) => itemId));
        stream.send({ answers: items.map(({ itemId }) => ({ itemId })) });
      });
      stream.onEnd((server) => {
        ends.push({ server });
        stream.close();
      });
    },
  });
  const admit = () => undefined;
  network.listen({ address: "server:1", process: serverProcess, services: [service], admit, onError: () => undefined });
  const open = () => {
    const stream = network.connector("caller:1", process)("server:1").client(MeterService).meter() as unknown as Stream;
    stream.onMessage(({ answers }) => answered.push(...answers.map(({ itemId }) => itemId)));
    stream.onEnd((client) => ends.push({ client }));
    return { send: (itemId: number) => stream.send({ items: [{ itemId }] }), close: () => stream.close() };
  };
  return { clock, network, serverProcess, process, heard, answered, ends, open };
}

const TEN = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

describe("the simulated network", () => {
  it("keeps the order within a stream, whatever the weather", async () => {
    const { clock, network, open, heard, answered } = meet();
    network.setWeather({ latencyMs: 50, delayedPerMille: 500, delayMsMax: 1_000, bytesPerMs: 1 });
    const { send } = open();
    for (const itemId of TEN) send(itemId);
    await clock.advance(60_000);
    expect(heard).toEqual(TEN);
    expect(answered).toEqual(TEN);
  });

  it("holds back what is sent into a cut until it heals", async () => {
    const { clock, network, open, heard, answered } = meet();
    const { send } = open();
    send(1);
    await clock.advance(100);
    network.cut("server:1", "caller:1");
    send(2);
    await clock.advance(200);
    expect([heard, answered]).toEqual([[1, 2], [1]]);
    network.heal("server:1", "caller:1");
    await clock.advance(100);
    expect(answered).toEqual([1, 2]);
  });

  it("gives up streams that stay cut, each side for itself", async () => {
    const { clock, network, open, ends } = meet();
    open().send(1);
    await clock.advance(100);
    network.cut("server:1", "caller:1");
    network.cut("caller:1", "server:1");
    await clock.advance(60_000);
    expect(ends.map((end) => Object.keys(end)[0]).sort()).toEqual(["client", "server"]);
    for (const { client, server } of ends) expect(client ?? server).toBeInstanceOf(Error);
  });

  it("drops what is sent on a lost stream, and tells both sides in the end", async () => {
    const { clock, network, open, heard, ends } = meet();
    const { send } = open();
    send(1);
    await clock.advance(100);
    for (const call of network.calls) network.lose(call, 1_000);
    send(2);
    await clock.advance(2_000);
    expect(heard).toEqual([1]);
    expect(ends).toHaveLength(2);
    expect(network.calls).toEqual([]);
  });

  it("keeps what arrives for a stopped process until it goes on, and nothing for one that has ended", async () => {
    const { clock, serverProcess, open, heard, answered, network } = meet();
    const { send } = open();
    serverProcess.stop();
    send(1);
    await clock.advance(1_000);
    expect(heard).toEqual([]);
    serverProcess.continue();
    await clock.advance(1_000);
    expect(answered).toEqual([1]);
    serverProcess.end();
    network.vanish(serverProcess, 10);
    send(2);
    await clock.advance(1_000);
    expect(heard).toEqual([1]);
    expect(network.calls).toEqual([]);
  });

  it("answers a call to nobody as refused by its host", async () => {
    const { clock, network, process } = meet();
    const client = network.connector("caller:1", process)("nobody:1").client(MeterService);
    let failure: Error | undefined;
    client.meter().onEnd((error) => {
      failure = error;
    });
    await clock.advance(1_000);
    expect(failure?.message).toContain("nobody listens");
  });
});
