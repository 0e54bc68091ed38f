/** WatchDecisions: what this daemon decides from now on, and, where that is wanted, what the daemons below decide. */
import type { Allocation } from "#budget";
import { decisionToProto, subjectOfDecision, type WatchDecisionsSpec } from "#codec";
import { RefusalError } from "#errors";
import { type Decision, type WatchDecisionsResponse, WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { Feed } from "#rpc";
import { LIMITS } from "#std";
import type { ChildDaemon, Downlink } from "#tier";
import type { DaemonBase } from "./base.ts";
import { pause } from "./pause.ts";
import type { Peers } from "./peers.ts";
import type { DaemonSettings } from "./settings.ts";

export interface DecisionParts {
  readonly base: Pick<DaemonBase, "loop" | "instance" | "clock" | "log"> & {
    readonly settings: Pick<DaemonSettings, "tier">;
  };
  /** Absent at execution, which grants nothing further. */
  readonly downlink?: Pick<Downlink, "children" | "child">;
  readonly peers?: Peers;
}

type Answer = Pick<WatchDecisionsResponse, "subjectId" | "reason"> & Partial<WatchDecisionsResponse>;

/** One decision as it is told. */
export function answerOf(decision: Decision): Answer {
  const { reason, conflict } = decision;
  return { subjectId: subjectOfDecision(decision), reason, decision, ...(conflict && { conflict }) };
}

export async function* watchDecisions(
  parts: DecisionParts,
  { allocationId, below }: WatchDecisionsSpec,
  signal: AbortSignal,
): AsyncIterable<Answer> {
  const { base } = parts;
  const { tier } = base.settings;
  const { instance } = base;
  const top = await base.loop.read(({ allocations }) => allocations.get(allocationId)?.path);
  if (allocationId !== "" && top === undefined) {
    throw new RefusalError({ reason: "NOT_FOUND", message: `no allocation with id ${allocationId} is known here` });
  }
  const feed = new Feed<Answer>();
  const over = new AbortController();
  const end = () => feed.end();
  signal.addEventListener("abort", end, { once: true });
  const unfollow = base.loop.decisions.follow(({ wallMs, record }, node) => {
    if (allocationId !== "" && record.allocationId !== allocationId && !isUnder(node, allocationId)) return;
    feed.push(answerOf(decisionToProto(record, { tier, instance, wallMs })));
  });
  try {
    if (below) await joinBelow(parts, { feed, top, signal: AbortSignal.any([signal, over.signal]) });
    yield { subjectId: "", reason: "" };
    yield* feed;
  } finally {
    unfollow();
    over.abort();
    signal.removeEventListener("abort", end);
  }
}

function isUnder(node: Allocation | undefined, allocationId: string): boolean {
  for (let at = node; at; at = at.parent) if (at.id === allocationId) return true;
  return false;
}

interface Joining {
  readonly feed: Feed<Answer>;
  /** Path of the node at the top; undefined: all. Daemons below may not know its id. */
  readonly top: string | undefined;
  readonly signal: AbortSignal;
}

/** Follows every daemon below that is connected, and those that come. Resolves once those that are there now have begun, or are slow. */
async function joinBelow(parts: DecisionParts, joining: Joining): Promise<void> {
  const joined = new Set<string>();
  const { signal } = joining;
  const { clock } = parts.base;
  const join = () => {
    const begun: Promise<void>[] = [];
    for (const child of parts.downlink?.children() ?? []) {
      if (joined.has(child.incarnation)) continue;
      joined.add(child.incarnation);
      const { promise, resolve } = Promise.withResolvers<void>();
      begun.push(promise);
      void follow(parts, child, { ...joining, onBegun: resolve })
        .then(resolve)
        .then(() => pause(clock, LIMITS.redialDelayMaxMs, signal))
        .then(() => joined.delete(child.incarnation));
    }
    return Promise.all(begun);
  };
  const keepJoining = async () => {
    while (!signal.aborted && parts.downlink) {
      await pause(clock, LIMITS.watchIntervalMs, signal);
      void join();
    }
  };
  const first = join();
  void keepJoining();
  await Promise.race([first, pause(clock, LIMITS.viewWaitMs, signal)]);
}

async function follow(
  { base, peers }: DecisionParts,
  { address, instance }: ChildDaemon,
  { feed, top, signal, onBegun }: Joining & { readonly onBegun: () => void },
): Promise<void> {
  try {
    const client = peers?.at(address).client(WatchService);
    if (!client) return;
    for await (const { decision } of client.watchDecisions({ below: true }, { signal })) {
      onBegun();
      if (decision && isIn(decision.path, top)) feed.push(answerOf(decision));
    }
  } catch (error) {
    if (!signal.aborted) base.log.info({ err: error, child: instance }, "the decisions of a daemon are not seen");
  }
}

function isIn(path: string, top: string | undefined): boolean {
  return top === undefined || path === top || path.startsWith(`${top}/`);
}
