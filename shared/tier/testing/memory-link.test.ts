import { describe, expect, it } from "vitest";
import type { ChildLink, ParentLink, UpItem } from "#ports";
import { type CutOptions, MemoryWire, type MemoryWireOptions } from "./memory-link.ts";
import { VirtualClock } from "./virtual-clock.ts";

const cancel = (requestId: string): UpItem => ({ type: "cancel", requestId });
const hello = { type: "hello", hello: { instance: "child-1" } } as unknown as UpItem;

/** A wire whose ends note what they get. */
function noted(options: Partial<MemoryWireOptions> = {}) {
  const clock = new VirtualClock();
  const log: string[] = [];
  const parents: ParentLink[] = [];
  const accept = (link: ParentLink): void => {
    parents.push(link);
    const name = `parent ${parents.length}`;
    link.onItems((items) => log.push(`${name}: ${items.map((item) => Reflect.get(item, "requestId") ?? item.type)}`));
    link.onClose((error) => log.push(`${name} over: ${error?.message ?? "in peace"}`));
  };
  const wire = new MemoryWire({ clock, accept: () => accept, ...options });
  const dial = (): ChildLink => {
    const link = wire.dial();
    link.onClose((error) => log.push(`child over: ${error?.message ?? "in peace"}`));
    return link;
  };
  return { clock, log, parents, wire, dial };
}

describe("MemoryWire", () => {
  it("delivers in order, together what was sent together, and never within the call", async () => {
    const { clock, log, dial } = noted();
    const link = dial();
    link.send([cancel("a"), cancel("b")]);
    link.send([cancel("c")]);
    expect(log).toEqual([]);
    await clock.settle();
    expect(log).toEqual(["parent 1: a,b", "parent 1: c"]);
  });

  it("keeps the order when the way is of uneven length", async () => {
    const delays = [30, 10, 20];
    const { clock, log, dial } = noted({ latencyMs: () => delays.shift() ?? 0 });
    const link = dial();
    for (const name of ["a", "b", "c"]) link.send([cancel(name)]);
    link.close();
    await clock.advance(29);
    expect(log.filter((line) => line.startsWith("parent"))).toEqual([]);
    await clock.advance(1);
    expect(log.filter((line) => line.startsWith("parent"))).toEqual([
      "parent 1: a",
      "parent 1: b",
      "parent 1: c",
      "parent 1 over: in peace",
    ]);
  });

  it("loses what is under way when it is cut, and both sides learn why", async () => {
    const { clock, log, wire, dial } = noted();
    const link = dial();
    link.send([cancel("a")]);
    wire.cut();
    expect(link.send([cancel("b")])).toBe(false);
    await clock.advance(1_000);
    expect(log.sort()).toEqual(["child over: connection reset", "parent 1 over: connection reset"]);
  });

  it("lets a side learn late: what was under way arrives, what it sends itself is lost", async () => {
    const { clock, log, parents, wire, dial } = noted();
    const link = dial();
    link.send([cancel("a")]);
    wire.cut({ parentLearnsAfterMs: 500 });
    expect(parents[0]?.send([])).toBe(true);
    await clock.advance(499);
    expect(log).toEqual(["parent 1: a", "child over: connection reset"]);
    await clock.advance(1);
    expect(log.at(-1)).toBe("parent 1 over: connection reset");
  });

  it("repeats what had arrived last, behind the first items of the next connection", async () => {
    const { clock, log, wire, dial } = noted();
    const again: CutOptions = { repeat: 2 };
    dial().send([hello, cancel("a"), cancel("b"), cancel("c")]);
    await clock.settle();
    wire.cut(again);
    dial().send([hello]);
    await clock.settle();
    expect(log.filter((line) => line.startsWith("parent 2"))).toEqual(["parent 2: hello", "parent 2: b,c"]);
  });

  it("refuses what a reader that stalls cannot take, and closes itself", async () => {
    const { clock, log, wire, dial } = noted({ backlogItemsMax: 3 });
    const link = dial();
    wire.stall("parent");
    expect(link.send([cancel("a"), cancel("b")])).toBe(true);
    expect(link.send([cancel("c"), cancel("d")])).toBe(false);
    expect(link.send([cancel("e")])).toBe(false);
    await clock.settle();
    expect(log).toEqual(["child over: the other side does not read", "parent 1 over: the other side does not read"]);
  });

  it("cannot be dialled when the parent is not there", async () => {
    const { clock, log, wire, dial } = noted();
    wire.reachable = false;
    dial();
    await clock.settle();
    expect(log).toEqual(["child over: connection refused"]);
  });
});
