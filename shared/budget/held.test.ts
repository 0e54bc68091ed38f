/** Held resources: branch slots and memory, in use while held. */
import { describe, expect, test } from "vitest";
import { conflictOf, Scenario, some, usage } from "./scenario.test-support.ts";

describe("branch slots", () => {
  test("opening a branch costs one slot plus the slots granted to it", () => {
    const s = new Scenario();
    const account = s.account({ branches: 6 });
    const run = s.open(account, { kind: "run", limits: { branches: 3 } });
    expect(s.node(account).held.branches).toMatchObject({ limit: 6, inUse: 4 });
    const branch = s.open(run, { kind: "branch", limits: { branches: 1 } });
    expect(s.node(run).held.branches).toMatchObject({ limit: 3, inUse: 2 });
    expect(s.node(account).held.branches.inUse).toBe(4);
    const refused = s.grant(s.openWish(run, { kind: "branch", limits: { branches: 1 } }));
    expect(conflictOf(refused)).toMatchObject({ conflict: "CONCURRENCY_LIMIT_REACHED", wanted: 2, available: 1 });
    s.open(run, { kind: "branch" });
    s.close(branch);
    expect(s.node(run).held.branches).toMatchObject({ inUse: 1, peak: 3 });
  });

  test("an account below an account takes what it is given and no slot for itself", () => {
    const s = new Scenario();
    const company = s.account({ branches: 6 });
    s.open(company, { kind: "account", limits: { branches: 6 } });
    expect(s.node(company).held.branches).toMatchObject({ limit: 6, inUse: 6 });
  });

  test("a held resource is not granted in part", () => {
    const s = new Scenario();
    const account = s.account({ credits: 100, branches: 2 });
    const refused = s.grant(s.openWish(account, { limits: { credits: 10, branches: 2 }, min: {} }));
    expect(conflictOf(refused)).toMatchObject({ resource: "branches", wanted: 3, available: 2, never: true });
  });

  test("the holders of the slots are named with what they take", () => {
    const s = new Scenario();
    const account = s.account({ branches: 4 });
    const small = s.open(account, { kind: "run" });
    const large = s.open(account, { kind: "run", limits: { branches: 2 } });
    const { holders } = conflictOf(s.grant(s.openWish(account)));
    expect(holders.map(({ id, amount }) => [id, amount])).toEqual([
      [large, 3],
      [small, 1],
    ]);
  });
});

describe("memory", () => {
  test("children and calls share it; what is freed can be used again; the peak is kept", () => {
    const s = new Scenario();
    const account = s.account({ memoryBytes: 1_000 });
    const run = s.open(account, { limits: { memoryBytes: 600 } });
    const call = s.reserve(account, { wanted: { memoryBytes: 400 } });
    expect(conflictOf(s.tryReserve(account, { wanted: { memoryBytes: 1 } })).conflict).toBe("INSUFFICIENT_MEMORY");
    s.close(run);
    expect(s.node(account).held.memoryBytes).toMatchObject({ inUse: 400, peak: 1_000 });
    s.reserve(account, { wanted: { memoryBytes: 100 } });
    s.settle(call);
    expect(s.node(account).held.memoryBytes).toMatchObject({ inUse: 100, peak: 1_000 });
  });

  test("an unlimited node counts what is in use and its peak", () => {
    const s = new Scenario();
    const account = s.account();
    const run = s.open(account, { limits: { memoryBytes: 70 } });
    s.reserve(account, { wanted: { memoryBytes: 30 } });
    s.close(run);
    expect(s.node(account).held.memoryBytes).toMatchObject({ elastic: true, inUse: 30, peak: 100 });
  });

  test("a holder's peaks are reported, and its held resources stay held while it is silent", () => {
    const s = new Scenario();
    const account = s.account({ memoryBytes: 100, branches: 3 });
    const run = s.open(account, { limits: { memoryBytes: 80, branches: 1 }, holder: "holder", leaseTtlMs: 1_000 });
    s.report(run, 1, usage({ memoryPeakBytes: 55, branchesPeak: 1 }));
    s.wait(60_000);
    expect(s.node(run).doubtful).toBe(true);
    expect(s.node(account).held).toMatchObject({ memoryBytes: { inUse: 80 }, branches: { inUse: 2 } });
    expect(s.node(account).tally.memoryPeakBytes).toBe(55);
    expect(s.node(run).held.branches.peak).toBe(1);
  });
});

describe("raising and lowering", () => {
  test("a raise takes the parent's slots and bytes, a return gives them back", () => {
    const s = new Scenario();
    const account = s.account({ memoryBytes: 100, branches: 5 });
    const run = s.open(account, { limits: { memoryBytes: 10, branches: 1 }, holder: "holder" });
    s.grant(s.raiseWish(run, { by: { memoryBytes: 20, branches: 2 }, caller: "holder" }));
    expect(s.node(account).held).toMatchObject({ memoryBytes: { inUse: 30 }, branches: { inUse: 4 } });
    const returnedTotal = some({ memoryBytes: 5, branches: 3 });
    s.ask({ type: "receive_return", caller: "holder", allocationId: run, epoch: 1, returnedTotal });
    expect(s.node(account).held).toMatchObject({ memoryBytes: { inUse: 25 }, branches: { inUse: 1 } });
  });
});
