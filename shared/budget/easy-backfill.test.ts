/** Going ahead in QUEUE_AND_WAIT with what comes back in time, as a transcript: who asks, what is decided, and why. */
import { describe, expect, test } from "vitest";
import type { OpenWish } from "./command.ts";
import { conflictOf, type LimitNumbers, type Opening, Scenario } from "./scenario.test-support.ts";

/** An account of ten slots, six of which one step has for ten seconds. */
function halfFull({ durationMs = 10_000 }: { readonly durationMs?: number | undefined } = {}) {
  const s = new Scenario();
  const account = s.account({ branches: 10, credits: 100 }, { strategy: "QUEUE_AND_WAIT" });
  const runs: LimitNumbers = { branches: 5, ...(durationMs === 0 ? {} : { durationMs }) };
  const running = s.open(account, { limits: runs });
  const ask = (slots: number, durationOf: number | undefined, opening: Opening = {}): OpenWish => {
    const asked = { branches: slots - 1, ...(durationOf === undefined ? {} : { durationMs: durationOf }) };
    const { limits: more, ...rest } = opening;
    const wish = s.openWish(account, { limits: { ...asked, ...more }, waitMs: 600_000, ...rest });
    s.grant(wish);
    return wish;
  };
  return { s, account, running, ask };
}

describe("a later request for slots", () => {
  test("goes ahead when it must have ended before the first can begin", () => {
    const { s, ask } = halfFull();
    const first = ask(8, undefined);
    expect(conflictOf(s.last.outcome)).toMatchObject({ position: 1, resource: "branches", expectedWaitMs: 10_000 });
    const inTime = ask(4, 10_000);
    expect(s.last.outcome.type).toBe("opened");
    s.wait(10_000);
    // What ran and what went ahead have ended, and the first has its slots: as late as it would have been alone.
    expect(s.state.allocations.get(inTime.allocationId)?.state).toBe("closed");
    expect(s.state.allocations.get(first.allocationId)?.openedAtMs).toBe(10_000);
  });

  test("waits when it would end a moment later, or at no known time", () => {
    const { s, ask } = halfFull();
    ask(8, undefined);
    ask(4, 10_001);
    expect(conflictOf(s.last.outcome)).toMatchObject({ position: 2, resource: "branches", available: 4 });
    ask(4, undefined);
    expect(conflictOf(s.last.outcome).position).toBe(3);
  });

  test("waits when nobody knows when the first can begin", () => {
    const { s, ask } = halfFull({ durationMs: 0 });
    ask(8, undefined);
    ask(1, 50);
    expect(conflictOf(s.last.outcome).position).toBe(2);
  });

  test("waits while something closes that has slots: they may come back at any moment", () => {
    const { s, running, ask } = halfFull();
    s.reserve(running, { wanted: { branches: 1 } });
    ask(10, undefined);
    s.close(running);
    expect(s.node(running).state).toBe("closing");
    ask(1, 50);
    expect(conflictOf(s.last.outcome).position).toBe(2);
  });

  test("is also found in the queue, when slots come free", () => {
    const { s, account, ask } = halfFull();
    const hold = s.reserve(account, { wanted: { branches: 4 } });
    ask(8, undefined);
    const [long, short] = [ask(3, 20_000), ask(3, 2_000)];
    s.settle(hold);
    expect(s.last.messages.map((message) => message.type === "decided" && message.requestId)).toEqual([
      short.requestId,
    ]);
    expect(conflictOf(s.grant(long)).position).toBe(2);
  });

  test("does not take credits that the first needs, however short it is: they do not come back", () => {
    const { s, ask } = halfFull();
    ask(8, undefined, { limits: { credits: 90 } });
    ask(1, 50, { limits: { credits: 10 } });
    expect(s.last.outcome.type).toBe("opened");
    ask(1, 50, { limits: { credits: 1 } });
    expect(conflictOf(s.last.outcome)).toMatchObject({ position: 2, resource: "credits", available: 90 });
  });

  test("does not take slots that the first could have now, while that one waits for something else", () => {
    const { s, account, ask } = halfFull();
    s.open(account, { limits: { credits: 100 } });
    ask(3, undefined, { limits: { credits: 50 } });
    ask(1, 50);
    expect(conflictOf(s.last.outcome)).toMatchObject({ position: 2, resource: "branches", available: 3 });
  });
});
