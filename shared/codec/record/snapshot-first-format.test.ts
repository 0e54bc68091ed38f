/**
 * A snapshot of the first format, in which what had ended was told one by one, is read to the state that the same work makes today, and
 * goes on as that does.
 */
import { expect, test } from "vitest";
import { assertInvariants, decide, describeState, restoreState } from "#budget";
import { LIMITS } from "#std";
import { Scenario } from "../../budget/scenario.test-support.ts";
import { decodeSnapshot } from "./snapshot-codec.ts";

/** As the release before wrote it after `work`. */
const WRITTEN_THEN = Buffer.from(
  [
    "CAEQARoCCGQiagoJYWNjb3VudC0xGglhY2NvdW50LTEiCWFjY291bnQtMTABOAFAAkgBkgEAmAEBsgECCAG6AQMI6AfCAQDKAQkIBEoFCgFt",
    "EALSAR4KDBDoByCjBzhBSARYCBICCAEaBggBGAEgAiICCAEijwEKBm5vZGUtMhAAGgZub2RlLTIoATAFOAFAAkgBkgEAmAEDogEIZmluaXNo",
    "ZWSoAWSyAQYIARCw6gG6AQIILcIBAggpygEJCAJKBQoBbRAB0gEUCgYQBEgEWAQSAggBGgIIASICCAHiARBjbGllbnQKcmVxdWVzdC0z4gET",
    "Y2xpZW50CnJhaXNlLW5vZGUtMiKHAQoGbm9kZS00EAAaBm5vZGUtNCgBMAU4AUACSAGSAQIIBZgBAbIBBggBELDqAboBAghBwgEAygEJCAJK",
    "BQoBbRAB0gEaCgwQQSAzKAcwA0gEWAQSAggBGgIIASICCAHiARBjbGllbnQKcmVxdWVzdC014gETY2xpZW50CnJhaXNlLW5vZGUtNCJrCgdu",
    "b2RlLTEwEAAaB25vZGUtMTAoATAFOAFAAkgBUGSSAQCYAQOiAQhmaW5pc2hlZKgBZLIBBggBELDqAboBAMIBAMoBANIBDgoAEgIIARoCCAEi",
    "AggB4gERY2xpZW50CnJlcXVlc3QtMTEqLQoLb3Zlci1ub2RlLTIQARgBIgFtKgIICTgDQODUA0oLY2FsbC1ub2RlLTJYBCotCgtvdmVyLW5v",
    "ZGUtNBACGAEiAW0qAggJOANA4NQDSgtjYWxsLW5vZGUtNFgEKh4KBGxpdmUQAhgBIgFtKgIIBzgBQKhGSgZjYWxsLTgqHwoGbGFwc2VkEAIY",
    "ASIBbSoCCAM4AkAKSgZjYWxsLTk6BgjAzyQQADoGCMDPJBABOgYIpNAkGAE6Bgik0CQYA0oEEgIBA2ojCM6S0Inuw4EEGAAyFggBEgAaBggo",
    "MAA4ACICCCgoATCw6gFqJQiCmeeW5r3TBhgAMhgIAhICCAUaBgg8MAA4ACICCDwoATCw6gFqGQil5Ym+4NC2AxgBOgwIARABGgIIBSICCC1q",
    "Cgjb57bzlaBBKABqGQjf8eTvnpXMChgBOgwIAhABGgIIBSICCEFqCwi94NX58LWyCCgBag4I4ZHfloKA3w4giCcoAmoLCOTE9L2Q2oQFKANq",
    "IQjn0cPI+4jHBhgAMhQIAxIAGgYIADAAOAAiACgBMLDqAXIFCAESAQJ6AggY",
  ].join(""),
  "base64",
);

/** What was done before the snapshot was taken. */
function work(s: Scenario): void {
  const account = s.account({ credits: 1_000 });
  const gone = s.open(account, { limits: { credits: 40 } });
  const stays = s.open(account, { limits: { credits: 60 }, policy: { strategy: "QUEUE_AND_WAIT" } });
  for (const node of [gone, stays]) {
    s.grant(s.raiseWish(node, { by: { credits: 5 }, requestId: `raise-${node}` }));
    s.settle(s.reserve(node, { holdId: `over-${node}`, requestId: `call-${node}`, wanted: { credits: 9 } }), {
      credits: 4,
    });
  }
  s.reserve(stays, { holdId: "live", wanted: { credits: 7 }, ttlMs: 5_000 });
  s.reserve(stays, { holdId: "lapsed", wanted: { credits: 3 }, ttlMs: 10 });
  s.run({ type: "extend", allocationId: stays, holdId: "live", ttlMs: 9_000 });
  s.wait(100);
  s.close(gone);
  s.close(s.open(account));
}

test("is the state that the same work makes", () => {
  const s = new Scenario();
  work(s);
  const restored = restoreState(decodeSnapshot([WRITTEN_THEN]), 7);
  expect(describeState(restored)).toEqual(describeState(s.state));
  assertInvariants(restored);
});

test("goes on as that does: late settles, repeated requests, and what is forgotten", () => {
  const s = new Scenario();
  work(s);
  const restored = restoreState(decodeSnapshot([WRITTEN_THEN]), 7);
  const [gone = "", stays = ""] = [...s.state.ended.items()].flatMap((item) =>
    "call" in item ? [item.allocationId] : [],
  );
  const settle = (holdId: string, credits: number) => {
    const outcome = s.settle(holdId, { credits });
    const { events, messages } = s.last;
    const allocationId = restored.ended.call(holdId)?.allocationId ?? restored.holds.get(holdId)?.allocation.id ?? "";
    const cost = { credits, toolCalls: 0, networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0, final: true };
    const command = { type: "settle", nowMs: s.nowMs, allocationId, holdId, ...cost } as Parameters<typeof decide>[1];
    expect(decide(restored, command)).toEqual({ outcome, events, messages });
    return outcome;
  };
  expect(settle(`over-${gone}`, 6)).toMatchObject({ type: "settled", credits: 6, late: true });
  expect(settle(`over-${stays}`, 6)).toMatchObject({ type: "refused" });
  expect(settle(`over-${stays}`, 4)).toMatchObject({ type: "settled", credits: 4, late: false });
  expect(settle("lapsed", 2)).toMatchObject({ type: "settled", late: true, ended: true });
  expect(settle("live", 7)).toMatchObject({ type: "settled", ended: true });
  expect(describeState(restored)).toEqual(describeState(s.state));
  s.wait(2 * LIMITS.effectMemoryMs);
  decide(restored, { type: "tick", nowMs: s.nowMs });
  expect(describeState(restored)).toEqual(describeState(s.state));
  expect([...restored.ended.items()]).toEqual([]);
});
