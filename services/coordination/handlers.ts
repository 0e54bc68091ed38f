/** One short function per RPC of CoordinationService: parse, submit, answer. */
import { type Allocation, type BudgetState, NOTHING, type OpenWish } from "#budget";
import {
  amountsToProto,
  type CreateSwarmSpec,
  leastOf,
  parseCreateSwarm,
  parseGetAccounts,
  parseGetSwarm,
  parseListSwarms,
  parseOrThrow,
  parsePreemptRun,
  parseResume,
  parseRunRoutine,
  parseStopRun,
  parseStopSwarm,
  parseUpdateLimits,
  parseWatchRun,
  parseWriteOff,
  viewOf,
} from "#codec";
import { type DaemonBase, findNode, type TreeViewParts, viewTree } from "#daemon";
import type { RefusalError } from "#errors";
import type { AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import type { RunEvent } from "#gen/bursar/v1/run_pb.js";
import { bind, type ServiceBinding, type ServiceHandlers, together } from "#rpc";
import { findAccount, isUnder, notFound } from "./find.ts";
import { preemptRun } from "./preempt-run.ts";
import { reservationHandlers } from "./reservations.ts";
import type { RunRecord } from "./run-record.ts";
import type { SwarmParts } from "./swarm-parts.ts";
import type { SwarmStateMachine } from "./swarm-state-machine.ts";
import { updateLimits } from "./update-limits.ts";
import { stopWaiting } from "./waiting-runs.ts";
import { writeOff } from "./write-off.ts";

export interface HandlerParts {
  readonly parts: SwarmParts;
  readonly swarms: SwarmStateMachine;
  readonly views: TreeViewParts;
}

type Handlers = ServiceHandlers<typeof CoordinationService>;

export function coordinationService(handlerParts: HandlerParts): ServiceBinding {
  return bind(CoordinationService, {
    ...swarmHandlers(handlerParts),
    ...runHandlers(handlerParts),
    ...reservationHandlers(handlerParts.parts.base),
  });
}

function swarmHandlers({ parts, swarms, views }: HandlerParts): Handlers {
  const { loop, ids } = parts.base;
  return {
    createSwarm: async (request, { signal }) => {
      const spec = parseOrThrow(parseCreateSwarm, request);
      const parentId = await loop.read((state) => findAccount(state, spec.account)?.id);
      if (parentId === undefined) throw noAccount(spec.account);
      const outcome = await swarms.grants.await(swarmWish(spec, parentId, ids.newId()), signal);
      if (outcome.type !== "opened") throw swarms.errorOf(outcome);
      return { swarm: await viewOne(views, (state) => state.allocations.get(outcome.allocationId), 1) };
    },
    getSwarm: async (request) => {
      const { swarm, depth } = parseOrThrow(parseGetSwarm, request);
      return { swarm: await viewOne(views, (state) => findNode(state, swarm), depth, swarm) };
    },
    listSwarms: async (request) => {
      const { account, pageSize, pageToken } = parseOrThrow(parseListSwarms, request);
      if (account !== "" && !(await loop.read((state) => findAccount(state, account)))) throw noAccount(account);
      return loop.read((state, nowMs) => {
        const all = [...state.allocations.values()].filter((node) => node.kind === "swarm" && isUnder(node, account));
        const from = pageToken === "" ? 0 : all.findIndex((node) => node.id === pageToken) + 1;
        const page = all.slice(from, from + pageSize);
        const nextPageToken = from + pageSize < all.length ? (page.at(-1)?.id ?? "") : "";
        return { swarms: page.map((node) => ({ ...viewOf(node, { depth: 1, nowMs }), children: [] })), nextPageToken };
      });
    },
    getAccounts: async (request) => {
      const { depth } = parseOrThrow(parseGetAccounts, request);
      const tops = (state: BudgetState) => [...state.roots].filter((node) => node.kind === "account");
      return { accounts: await viewTree(views, { tops, depth }) };
    },
    stopSwarm: async (request) => {
      const { swarm, ...how } = parseOrThrow(parseStopSwarm, request);
      const id = await idOf(parts.base, swarm, "swarm");
      if (id === undefined) throw unknownSwarm(swarm);
      await stop(parts, id, how);
      return { swarm: await viewOne(views, (state) => state.allocations.get(id), 0, swarm) };
    },
  };
}

function runHandlers({ parts, swarms, views }: HandlerParts): Handlers {
  const { loop } = parts.base;
  return {
    async *runRoutine(request, context) {
      const order = parseOrThrow(parseRunRoutine, request);
      const record = await swarms.start({ ...order, trace: context.trace });
      yield* told(record);
    },
    async *watchRun(request) {
      const { runId } = parseOrThrow(parseWatchRun, request);
      const record = await swarms.run(runId);
      if (!record) throw notFound(`no run ${runId} is known; see GetSwarm for ids and paths`);
      yield* told(record);
    },
    preemptRun: (request) => preemptRun(parts, parseOrThrow(parsePreemptRun, request)),
    resume: async (request) => {
      const { requestId, run } = parseOrThrow(parseResume, request);
      const allocationId = await idOf(parts.base, run, "run");
      if (allocationId === undefined) throw notFound(`no run ${run} is known; see GetSwarm for ids and paths`);
      const outcome = await loop.ask({ type: "resume", caller: `resume:${allocationId}`, requestId, allocationId });
      if (outcome.type === "refused") throw swarms.errorOf(outcome);
      const granted = amountsToProto(outcome.type === "raised" ? outcome.by : NOTHING);
      return { run: await viewOne(views, (state) => state.allocations.get(allocationId), 0, run), granted };
    },
    stopRun: async (request) => {
      const { run, ...how } = parseOrThrow(parseStopRun, request);
      const [id, isOver] = await parts.base.loop.read((state) => {
        const node = findNode(state, run);
        return node?.kind === "run" ? [node.id, node.state === "closed"] : [undefined, true];
      });
      if (isOver && (await stopWaiting(parts.base, run))) return {};
      if (id === undefined) throw notFound(`no run ${run} is known; see GetSwarm for ids and paths`);
      await stop(parts, id, how);
      return { run: await viewOne(views, (state) => state.allocations.get(id), 0, run) };
    },
    updateLimits: (request) => updateLimits(parts.base, parseOrThrow(parseUpdateLimits, request)),
    writeOff: (request) => writeOff(parts, parseOrThrow(parseWriteOff, request)),
  };
}

async function* told({ feed }: RunRecord): AsyncIterable<{ readonly events: RunEvent[] }> {
  for await (const events of together(feed.follow())) yield { events };
}

/** Closes the node and waits for its end, `waitMs` at most. */
async function stop(
  { base, closings }: SwarmParts,
  allocationId: string,
  { reason, waitMs }: { readonly reason: string; readonly waitMs: number },
): Promise<void> {
  await base.loop.ask({ type: "close", allocationId, reason });
  await closings.within(allocationId, waitMs);
}

/** The node of this kind with this id or path: a swarm or run of another kind is none. */
function idOf({ loop }: DaemonBase, idOrPath: string, kind: "swarm" | "run"): Promise<string | undefined> {
  return loop.read((state) => {
    const node = findNode(state, idOrPath);
    return node?.kind === kind ? node.id : undefined;
  });
}

type Find = (state: BudgetState) => Allocation | undefined;

async function viewOne(views: TreeViewParts, find: Find, depth: number, asked = ""): Promise<AllocationView> {
  const tops = (state: BudgetState) => {
    const node = find(state);
    return node ? [node] : [];
  };
  const [view] = await viewTree(views, { tops, depth });
  if (!view) throw unknownSwarm(asked);
  return view;
}

function unknownSwarm(asked: string) {
  return notFound(`no swarm ${asked} is known; see ListSwarms for ids and paths`);
}

function swarmWish(
  { requestId, name, limits, priority, policy, share, reservationId, waitMs, requestStrategy }: CreateSwarmSpec,
  parentId: string,
  allocationId: string,
): OpenWish {
  const min = leastOf(limits, share);
  const place = { caller: parentId, requestId, allocationId, parentId, name, kind: "swarm", limits, min } as const;
  const own = { token: undefined, pooled: [], byHolder: false, holder: undefined, leaseTtlMs: 0 } as const;
  const reserved = reservationId === undefined ? {} : { reservationId };
  const weight = share?.weight ?? 1;
  return { type: "open", ...place, ...own, waitMs, priority, weight, policy, strategy: requestStrategy, ...reserved };
}

function noAccount(account: string): RefusalError {
  return notFound(`no account ${account} is known; see GetAccounts`);
}
