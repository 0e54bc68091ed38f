import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import {
  type Allocation,
  type Amount,
  amountsOf,
  type BudgetState,
  type Command,
  createState,
  decide,
  requestStandings,
  waitingAt,
} from "#budget";
import { type AllocationView, AllocationViewSchema } from "#gen/bursar/v1/allocation_pb.js";
import { viewOf } from "./allocation-view.ts";
import { waitingToProto } from "./messages/waiting.ts";

const credits = (value: number) => ({ credits: value as Amount });

/** A state in which these commands were taken, one after the other. */
function stateAfter(...commands: Command[]): BudgetState {
  const state = createState();
  for (const command of commands) {
    const { outcome } = decide(state, command);
    if (outcome.type === "refused") throw new Error(JSON.stringify(outcome.refusal));
  }
  return state;
}

const account: Command = {
  type: "open_root",
  nowMs: 1_000,
  allocationId: "account",
  name: "global",
  limits: { credits: 1_000 as Amount, branches: 10 as Amount },
  policy: {},
};

function grant(allocationId: string, parentId: string, holder?: string): Command {
  const limits = { credits: 100 as Amount, branches: 2 as Amount, durationMs: 5_000 };
  return {
    type: "grant",
    nowMs: 2_000,
    wish: {
      type: "open",
      caller: "test",
      requestId: `request-${allocationId}`,
      allocationId,
      token: undefined,
      parentId,
      name: allocationId,
      kind: parentId === "account" ? "swarm" : "run",
      limits: parentId === "account" ? { ...limits, credits: 500 as Amount, branches: 8 as Amount } : limits,
      pooled: [],
      min: amountsOf(credits(50)),
      priority: "HIGH",
      weight: 1,
      policy: {},
      byHolder: false,
      holder,
      leaseTtlMs: holder === undefined ? 0 : 10_000,
      waitMs: 0,
      strategy: undefined,
    },
  };
}

const swarmWithRuns = [account, grant("swarm", "account"), grant("one", "swarm"), grant("two", "swarm", "process-1")];

function nodeOf(state: BudgetState, id: string) {
  const node = state.allocations.get(id);
  if (node === undefined) throw new Error(`no ${id}`);
  return node;
}

const shape = ({ allocationId, children }: AllocationView): unknown =>
  children.length === 0 ? allocationId : [allocationId, ...children.map(shape)];

const inside = (children: AllocationView[]) => ({ children, waiting: 0, waiters: [] });

/** The wish to open, and to wait for it. */
function queued(allocationId: string, parentId: string): Command {
  const command = grant(allocationId, parentId);
  if (command.type !== "grant" || command.wish.type !== "open") throw new Error("not a wish to open");
  const amounts = { credits: 450 as Amount };
  const wish = { ...command.wish, limits: amounts, min: amountsOf(amounts), strategy: undefined, waitMs: 60_000 };
  return { ...command, wish };
}

describe("a view of a tree", () => {
  test("shows a node with its books, usage, holder and time left, and survives its bytes", () => {
    const state = stateAfter(...swarmWithRuns);
    const view = viewOf(nodeOf(state, "two"), { nowMs: 3_000 });
    expect(view).toMatchObject({
      allocationId: "two",
      parentId: "swarm",
      path: "global/swarm/two",
      kind: 3,
      state: 1,
      reason: "",
      priority: 3,
      limits: { maxCredits: 100n, maxConcurrentBranches: 2n, maxDurationMs: 5_000n },
      credits: { limit: 100n, available: 100n, unlimited: false },
      concurrentBranches: { limit: 2n, inUse: 0n },
      holder: "process-1",
      deadlineLeftMs: 4_000n,
      outcome: "",
      openChildren: 0,
    });
    expect(view.epoch).toBeGreaterThan(0n);
    expect(fromBinary(AllocationViewSchema, toBinary(AllocationViewSchema, view))).toEqual(view);
  });

  test("goes as deep as was asked for, and tells how many are open either way", () => {
    const swarm = nodeOf(stateAfter(...swarmWithRuns), "account");
    const at = (depth?: number) => viewOf(swarm, depth === undefined ? { nowMs: 3_000 } : { nowMs: 3_000, depth });
    expect(shape(at(1))).toEqual(["account", "swarm"]);
    expect(at(1).children[0]?.openChildren).toBe(2);
    expect(shape(at(2))).toEqual(["account", ["swarm", "one", "two"]]);
    expect(shape(at(0))).toEqual(shape(at(2)));
    expect(shape(at())).toEqual(shape(at(2)));
  });

  test("shows closed children after the open ones, with reason and outcome", () => {
    const closed: Command = { type: "close", nowMs: 3_000, allocationId: "one", reason: "done" };
    const state = stateAfter(...swarmWithRuns, closed);
    const outcome = ({ id }: { id: string }) => (id === "one" ? "succeeded" : "");
    const view = viewOf(nodeOf(state, "swarm"), { nowMs: 4_000, outcome });
    expect(shape(view)).toEqual(["swarm", "two", "one"]);
    expect(view.openChildren).toBe(1);
    expect(view.children[1]).toMatchObject({ state: 3, reason: "done", outcome: "succeeded", credits: { spent: 0n } });
  });

  test("limits stay what was granted in all when budget was given back", () => {
    const give: Command = {
      type: "receive_return",
      nowMs: 3_000,
      caller: "process-1",
      allocationId: "two",
      epoch: nodeOf(stateAfter(...swarmWithRuns), "two").epoch,
      returnedTotal: amountsOf(credits(30)),
    };
    const view = viewOf(nodeOf(stateAfter(...swarmWithRuns, give), "two"), { nowMs: 4_000 });
    expect(view.limits?.maxCredits).toBe(100n);
    expect(view.credits?.limit).toBe(70n);
  });

  test("children of a delegated node are those that its holder showed, no deeper than asked", () => {
    const state = stateAfter(...swarmWithRuns);
    const leaf = { ...viewOf(nodeOf(state, "one"), { nowMs: 3_000 }), allocationId: "leaf" };
    const step = { ...leaf, allocationId: "step", children: [leaf] };
    const graft = ({ id }: { id: string }) => (id === "two" ? inside([step]) : undefined);
    const at = (depth: number) => shape(viewOf(nodeOf(state, "swarm"), { nowMs: 3_000, depth, graft }));
    expect(at(0)).toEqual(["swarm", "one", ["two", ["step", "leaf"]]]);
    expect(at(3)).toEqual(at(0));
    expect(at(2)).toEqual(["swarm", "one", ["two", "step"]]);
    expect(at(1)).toEqual(["swarm", "one", "two"]);
  });

  test("shows no more nodes than there is room for, those of other daemons included", () => {
    const state = stateAfter(...swarmWithRuns);
    const leaf = { ...viewOf(nodeOf(state, "one"), { nowMs: 3_000 }), allocationId: "leaf" };
    const graft = ({ id }: { id: string }) =>
      id === "two" ? inside([leaf, { ...leaf, allocationId: "last" }]) : undefined;
    const of = (nodesMax: number) => viewOf(nodeOf(state, "swarm"), { nowMs: 3_000, graft, nodesMax });
    expect(shape(of(5))).toEqual(["swarm", "one", ["two", "leaf", "last"]]);
    expect(shape(of(4))).toEqual(["swarm", "one", ["two", "leaf"]]);
    expect(shape(of(2))).toEqual(["swarm", "one"]);
    expect(of(2).openChildren).toBe(2);
  });

  test("who waits for room is shown in the words of why, also inside of what another daemon holds", () => {
    const queueing: Command = { ...account, policy: { strategy: "QUEUE_AND_WAIT" } } as Command;
    const state = stateAfter(queueing, ...swarmWithRuns.slice(1), queued("third", "swarm"), queued("fourth", "swarm"));
    const waiters = (node: Allocation, max: number) =>
      waitingAt(state, node, { nowMs: 3_000, listed: max }).map(waitingToProto);
    const view = viewOf(nodeOf(state, "swarm"), { nowMs: 3_000, waiters });
    expect(view.waiting).toBe(2);
    expect(view.waiters).toMatchObject([
      { requestId: "request-third", allocationId: "third", name: "third", kind: 3, priority: 3, waitedMs: 1_000n },
      { name: "fourth", wanted: { credits: 450n }, conflict: { position: 2, expectedWaitMs: 4_000 } },
    ]);
    expect(view.waiters[1]?.place).toBe(
      "it waits at place 2 under QUEUE_AND_WAIT (inherited from global); something changes in about 4000 ms",
    );
    const [told = ""] = requestStandings(state, "request-fourth", { nowMs: 3_000, listed: 1, scanned: 0 });
    expect(told).toContain(view.waiters[1]?.reason);
    expect(view.waiters[1]?.reason).toContain(view.waiters[1]?.place);
    expect(fromBinary(AllocationViewSchema, toBinary(AllocationViewSchema, view))).toEqual(view);

    const graft = ({ id }: { id: string }) => (id === "two" ? view : undefined);
    const above = viewOf(nodeOf(state, "swarm"), { nowMs: 3_000, graft, depth: 0 });
    expect(above.waiters).toEqual([]);
    expect(above.children.find(({ name }) => name === "two")).toMatchObject({ waiting: 2, waiters: view.waiters });
  });

  test("what is not limited has no limit", () => {
    const view = viewOf(nodeOf(stateAfter(account), "account"), { nowMs: 1_000 });
    expect(view.limits).toMatchObject({ maxCredits: 1_000n });
    expect(view.limits?.maxToolCalls).toBeUndefined();
    expect(view.toolCalls?.unlimited).toBe(true);
    expect(view.deadlineLeftMs).toBeUndefined();
  });
});
