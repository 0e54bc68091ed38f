/** Grants between daemons: two counters, usage reports, leases and doubt. */

import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { nextDueMs } from "./decide-time.ts";
import type { Outcome } from "./outcome.ts";
import { refusalOf, Scenario, some, usage } from "./scenario.test-support.ts";

const TTL_MS = 10_000;
const MARGIN_MS = LIMITS.leaseMarginMs;

/** An account of 1,000 credits and a run of 400 that another daemon holds. */
function withRun(limits: { credits?: number; toolCalls?: number; branches?: number } = { credits: 400 }) {
  const s = new Scenario();
  const account = s.account({ credits: 1_000, toolCalls: 50, branches: 9 });
  const run = s.open(account, { limits, holder: "holder", leaseTtlMs: TTL_MS });
  const giveBack = (numbers: Parameters<typeof some>[0], epoch = 1): Outcome =>
    s.ask({ type: "receive_return", caller: "holder", allocationId: run, epoch, returnedTotal: some(numbers) });
  return { s, account, run, giveBack };
}

describe("two counters, two writers", () => {
  test("the parent books returns as far as the counter has grown: lost, repeated and reordered ones do no harm", () => {
    const { s, account, run, giveBack } = withRun();
    giveBack({ credits: 50 });
    giveBack({ credits: 120 });
    giveBack({ credits: 90 });
    giveBack({ credits: 120 });
    expect(s.last.events).toEqual([]);
    expect(s.credits(run)).toEqual({ limit: 280, available: 280 });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 720, granted: 280 });
  });

  test("the child raises its limit as far as the parent's counter has grown", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 100 });
    const limit = (credits: number, epoch = 1) =>
      s.ask({ type: "receive_limit", allocationId: run, epoch, grantedTotal: some({ credits }) });
    limit(150);
    limit(130);
    limit(150);
    expect(s.credits(run)).toEqual({ limit: 150, available: 150 });
    expect(refusalOf(limit(200, 2))).toEqual({ code: "stale_epoch", allocationId: run, currentEpoch: 1 });
  });

  test("the child gives back what is free except what it keeps, and tells the counter", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 100, toolCalls: 5, branches: 2 });
    s.reserve(run, { wanted: { credits: 30 } });
    const surplus = (keep: Parameters<typeof some>[0]) =>
      s.run({ type: "return_surplus", allocationId: run, keep: some(keep) });
    const returned = { type: "returned", allocationId: run, epoch: 1 };
    const first = surplus({ credits: 20, toolCalls: 9 });
    expect(first.messages).toEqual([{ ...returned, returnedTotal: some({ credits: 50, branches: 2 }) }]);
    expect(s.credits(run)).toEqual({ limit: 50, available: 20, reserved: 30 });
    expect(surplus({ credits: 20, toolCalls: 9 })).toMatchObject({ outcome: { changed: false }, messages: [] });
    expect(surplus({}).messages).toEqual([
      { ...returned, returnedTotal: some({ credits: 70, toolCalls: 5, branches: 2 }) },
    ]);
  });

  test("more than was ever granted cannot come back; nor from another instance, under another epoch, for a local node", () => {
    const { s, account, run, giveBack } = withRun();
    expect(refusalOf(giveBack({ credits: 401 }))).toMatchObject({ violations: [{ field: "returned_total.credits" }] });
    expect(refusalOf(giveBack({ credits: 1 }, 2))).toMatchObject({ code: "stale_epoch", currentEpoch: 1 });
    const by = (caller: string, allocationId: string) =>
      s.ask({ type: "receive_return", caller, allocationId, epoch: 1, returnedTotal: some() });
    expect(refusalOf(by("somebody else", run))).toMatchObject({ code: "not_permitted" });
    expect(refusalOf(by("holder", account))).toMatchObject({ code: "not_found" });
  });

  test("a return that overtook the report of an overrun leaves a debt, not a hole", () => {
    const { s, account, run, giveBack } = withRun();
    s.report(run, 1, usage({ credits: 390 }));
    giveBack({ credits: 30 });
    expect(s.credits(run)).toEqual({ limit: 370, debt: 20, spent: 390, usage: 390 });
    expect(s.credits(account)).toMatchObject({ granted: 390, available: 610 });
  });
});

describe("who may ask for more", () => {
  test("a holder for what it holds, and for new work only where it holds something", () => {
    const { s, account, run } = withRun();
    const raise = (caller: string, epoch?: number) => s.grant(s.raiseWish(run, { by: { credits: 5 }, caller, epoch }));
    expect(raise("holder").type).toBe("raised");
    expect(refusalOf(raise("somebody else"))).toMatchObject({ code: "not_permitted" });
    expect(refusalOf(raise("holder", 7))).toMatchObject({ code: "stale_epoch", currentEpoch: 1 });
    const open = (caller: string) => s.grant(s.openWish(account, { caller, holder: caller, byHolder: true }));
    expect(open("holder").type).toBe("opened");
    expect(refusalOf(open("somebody else"))).toMatchObject({ code: "not_permitted" });
  });

  test("no longer once its last allocation there is closed", () => {
    const { s, account, run } = withRun();
    s.report(run, 1, usage(), { final: true });
    const wish = s.openWish(account, { caller: "holder", holder: "holder", byHolder: true });
    expect(refusalOf(s.grant(wish))).toMatchObject({ code: "not_permitted" });
  });
});

describe("usage reports", () => {
  test("are cumulative: repeated and stale ones change nothing", () => {
    const { s, account, run } = withRun();
    s.report(run, 2, usage({ credits: 90, toolCalls: 0, networkBytes: 5 }));
    s.report(run, 1, usage({ credits: 40 }));
    expect(s.last.events).toEqual([]);
    s.report(run, 2, usage({ credits: 90, networkBytes: 5 }));
    expect(s.last.events).toEqual([]);
    s.report(run, 3, usage({ credits: 100, networkBytes: 7, diskBytes: 1, gpuMs: 2 }));
    expect(s.credits(account)).toMatchObject({ usage: 100, granted: 400, available: 600 });
    expect(s.node(account).tally).toMatchObject({ networkBytes: 7, diskBytes: 1, gpuMs: 2 });
  });

  test("an overrun is shown at every level, and debt is told", () => {
    const { s, account, run } = withRun();
    s.report(run, 1, usage({ credits: 460, overrunCredits: 70 }));
    expect(s.credits(run)).toMatchObject({ debt: 60, overrun: 70 });
    expect(s.credits(account)).toMatchObject({ overrun: 70, granted: 460, available: 540 });
  });

  test("calls per tool are counted once however often they are reported, also those that share a name here", () => {
    const { s, account, run } = withRun();
    const calls = Array.from({ length: LIMITS.toolNamesMax + 40 }, (_, i) => [`tool${i}`, 2] as const);
    s.report(run, 1, usage({ callsPerTool: calls }));
    s.report(run, 2, usage({ callsPerTool: calls }));
    expect(s.last.events).toEqual([]);
    s.report(run, 3, usage({ callsPerTool: [...calls.slice(1), ["tool0", 3], ["never", 0]] }));
    const { callsPerTool } = s.node(account).tally;
    expect([callsPerTool.get("tool0"), callsPerTool.get("tool1"), callsPerTool.get("other")]).toEqual([3, 2, 80]);
  });

  test("from a stranger or under an old epoch they are refused, but a final account is always accepted", () => {
    const { s, account, run } = withRun();
    expect(refusalOf(s.report(run, 1, usage(), { caller: "stranger" }))).toMatchObject({ code: "not_permitted" });
    expect(refusalOf(s.report("nothing", 1, usage()))).toMatchObject({ code: "not_found" });
    for (const epoch of [0, 2]) {
      expect(refusalOf(s.report(run, 1, usage({ credits: 9 }), { epoch }))).toMatchObject({ code: "stale_epoch" });
    }
    // Nobody can have an epoch that never was.
    const unheard = s.report(run, 1, usage({ credits: 9 }), { epoch: 2, final: true });
    expect(refusalOf(unheard)).toMatchObject({ code: "stale_epoch", currentEpoch: 1 });
    expect(s.report(run, 1, usage({ credits: 9 }), { epoch: 0, final: true })).toMatchObject({ state: "closed" });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 991, spent: 9, usage: 9 });
  });

  test("a final account that is older than what was reported takes nothing back", () => {
    const { s, account, run } = withRun();
    s.report(run, 5, usage({ credits: 90 }));
    s.report(run, 4, usage({ credits: 70 }), { final: true });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 910, spent: 90, usage: 90 });
  });

  test("the answer tells a holder that its allocation is closing", () => {
    const { s, run } = withRun();
    s.close(run);
    expect(s.report(run, 1, usage())).toMatchObject({ state: "closing", closingReason: "finished" });
  });
});

describe("leases", () => {
  test("renewed by reports; the holder may count on what is written down, at twice the pace at which it renews", () => {
    const { s, run } = withRun();
    expect(s.node(run).leaseEndsAtMs).toBe(TTL_MS + MARGIN_MS);
    const report = () => s.report(run, 1, usage());
    s.nowMs = 1_600;
    expect(report()).toMatchObject({ type: "reported", leaseTtlMs: TTL_MS - 1_600 });
    expect(s.last.events).toEqual([]);
    s.nowMs = 1_700;
    expect(report()).toMatchObject({ leaseTtlMs: TTL_MS });
    expect(s.last.events).toEqual([
      expect.objectContaining({ type: "lease_renewed", endsAtMs: 1_700 + TTL_MS + MARGIN_MS }),
    ]);
  });

  test("granted 400, reported 150, then silence: 250 in doubt, neither spendable nor lost", () => {
    const { s, account, run } = withRun();
    s.report(run, 1, usage({ credits: 150 }));
    expect(s.wait(11_999).events).toEqual([]);
    const { events, messages } = s.wait(1);
    expect(events).toEqual([{ type: "lease_ended", atMs: 12_000, allocationId: run }]);
    expect(messages).toEqual([{ type: "lease_ended", allocationId: run, holder: "holder" }]);
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 600, granted: 150, inDoubt: 250, usage: 150 });
    expect(s.wait(60_000).messages).toEqual([]);
  });

  test("… the holder returns with 320: +170 spent, +80 back", () => {
    const { s, account, run } = withRun();
    s.report(run, 1, usage({ credits: 150 }));
    s.wait(60_000);
    s.report(run, 2, usage({ credits: 320 }), { final: true });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 680, spent: 320, usage: 320 });
    expect(s.node(run).state).toBe("closed");
  });

  test("… or it lives and goes on: the doubt is over, also after a restart", () => {
    const { s, account, run, giveBack } = withRun();
    s.wait(60_000);
    s.restart();
    expect(nextDueMs(s.state)).toBeUndefined();
    expect(s.credits(account)).toMatchObject({ inDoubt: 400, available: 600 });
    s.report(run, 1, usage({ credits: 150 }));
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 600, granted: 400, usage: 150 });
    giveBack({ credits: 250 });
    expect(s.credits(account)).toMatchObject({ granted: 150, available: 850 });
  });

  test("usage beyond the limit of a holder in doubt is spending, not doubt", () => {
    const { s, account, run } = withRun();
    s.wait(60_000);
    s.close(run);
    expect(s.credits(account)).toMatchObject({ inDoubt: 400 });
    s.report(run, 1, usage({ credits: 430, overrunCredits: 30 }), { final: true });
    expect(s.credits(account)).toEqual({ limit: 1_000, available: 570, spent: 430, usage: 430, overrun: 30 });
  });

  test("what comes back from a holder in doubt lessens the doubt", () => {
    const { s, account, giveBack } = withRun();
    s.wait(60_000);
    giveBack({ credits: 100 });
    expect(s.credits(account)).toMatchObject({ inDoubt: 300, available: 700 });
  });

  test("the holder's side ends by the clock too: it is told once, and spends nothing until renewed", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 10 }, { leaseMs: 1_000 });
    const hold = s.reserve(run, { wanted: { credits: 5 } });
    expect(s.wait(1_000)).toMatchObject({
      events: [],
      messages: [{ type: "lease_ended", allocationId: run, holder: "parent" }],
    });
    expect(refusalOf(s.tryReserve(run, { wanted: { credits: 1 } }))).toMatchObject({ code: "lease_ended" });
    expect(refusalOf(s.grant(s.openWish(run)))).toMatchObject({ code: "lease_ended" });
    // What runs already ends as it does.
    expect(s.settle(hold, { credits: 5 }).type).toBe("settled");
    const renew = (endsAtMs: number, epoch = 1) => s.ask({ type: "renew_lease", allocationId: run, epoch, endsAtMs });
    expect(refusalOf(renew(9_000, 2))).toMatchObject({ code: "stale_epoch" });
    renew(9_000);
    expect(renew(8_000)).toEqual({ type: "done", changed: false });
    expect(s.tryReserve(run, { wanted: { credits: 1 } }).type).toBe("held");
  });

  test("a child's lease never outlives its own holder's: not at the start, not when renewed", () => {
    const s = new Scenario();
    const run = s.receive({ credits: 10 }, { leaseMs: 4_000 });
    const branch = s.open(run);
    const wish = s.openWish(branch, { holder: "execution-1", leaseTtlMs: TTL_MS });
    expect(s.grant(wish)).toMatchObject({ type: "opened", leaseTtlMs: 4_000 });
    expect(s.node(wish.allocationId).leaseEndsAtMs).toBe(4_000 + MARGIN_MS);
    s.nowMs = 3_000;
    s.ask({ type: "renew_lease", allocationId: run, epoch: 1, endsAtMs: 8_000 });
    const report = () => s.report(wish.allocationId, 1, usage(), { caller: "execution-1" });
    expect(report()).toMatchObject({ leaseTtlMs: 5_000 });
    expect(s.node(wish.allocationId).leaseEndsAtMs).toBe(8_000 + MARGIN_MS);
    s.nowMs = 8_000;
    expect(report()).toMatchObject({ type: "reported", leaseTtlMs: 0 });
    expect(s.node(wish.allocationId).leaseEndsAtMs).toBe(8_000 + MARGIN_MS);
  });

  test("a repeated request is answered with what is left of the lease, as its holder counts from the repetition", () => {
    const { s, account } = withRun();
    const wish = s.openWish(account, { holder: "holder", leaseTtlMs: TTL_MS });
    expect(s.grant(wish)).toMatchObject({ leaseTtlMs: TTL_MS });
    s.nowMs = 4_000;
    expect(s.grant(wish)).toMatchObject({ leaseTtlMs: TTL_MS - 4_000, repeated: true });
  });
});
