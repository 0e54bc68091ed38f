/**
 * Why a request or an allocation is as it is: what this daemon knows of it, and what those below know that hold it or may. A daemon that
 * does not answer in time is named in the answer.
 */

import { create } from "@bufbuild/protobuf";
import { type Allocation, allocationStanding, type BudgetState, requestStandings } from "#budget";
import { decisionToProto } from "#codec";
import { type DaemonKnowledge, DaemonKnowledgeSchema, WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { LIMITS } from "#std";
import { type ChildDaemon, isPathOf } from "#tier";
import type { DecisionParts } from "./watch-decisions.ts";

export interface WhyParts extends DecisionParts {
  readonly startedWallMs: number;
}

/** This daemon first. */
export async function why(parts: WhyParts, asked: string): Promise<DaemonKnowledge[]> {
  const text = asked.replace(/^\/+|\/+$/g, "");
  const { own, holder } = await parts.base.loop.read((state, nowMs) => ownKnowledge(parts, { state, nowMs, text }));
  const below = await Promise.all(whomToAsk(parts, own, holder).map((child) => askBelow(parts, child, text)));
  return [own, ...below.flat()];
}

interface Asking {
  readonly state: BudgetState;
  readonly nowMs: number;
  readonly text: string;
}

function ownKnowledge({ base, startedWallMs }: WhyParts, { state, nowMs, text }: Asking) {
  const { decisions } = base.loop;
  const { tier } = base.settings;
  const { instance } = base;
  const node = namedNode(state, text);
  const found = decisions.find({ text, allocationId: node?.id }, LIMITS.whyDecisionsMax);
  const listed = LIMITS.whyListedMax;
  const servedEveryMs = decisions.servedEvery(nowMs);
  const standing = node
    ? [...allocationStanding(state, node, { nowMs, listed, servedEveryMs }), ...listOf(decisions.shadowAt(node.id))]
    : requestStandings(state, text, { nowMs, listed, scanned: LIMITS.whyScanMax, servedEveryMs });
  const { noted, forgotten } = decisions.memory;
  const own = create(DaemonKnowledgeSchema, {
    tier,
    instance,
    standing,
    decisions: found.map(({ wallMs, record }) => decisionToProto(record, { tier, instance, wallMs })),
    decisionsNoted: BigInt(noted),
    decisionsForgotten: BigInt(forgotten),
    startedWallTimeMs: BigInt(startedWallMs),
    allocationId: node?.id ?? "",
    path: node?.path ?? "",
  });
  return { own, holder: node?.side === "delegated" ? node.peer : undefined };
}

function listOf(line: string | undefined): string[] {
  return line === undefined ? [] : [line];
}

/** By id, by path, or by the end of a path; of several an open one, of those the latest. */
function namedNode(state: BudgetState, text: string): Allocation | undefined {
  const known = state.allocations.get(text);
  if (known) return known;
  const name = text.slice(text.lastIndexOf("/") + 1);
  let found: Allocation | undefined;
  for (const node of state.allocations.values()) {
    const fits = node.name.endsWith(name) && isPathOf(node.path, text);
    if (fits && (node.state !== "closed" || found === undefined || found.state === "closed")) found = node;
  }
  return found;
}

/** The daemon that holds the allocation; where nothing is known here, all below. Those that are not connected stand by their names. */
function whomToAsk({ downlink }: WhyParts, own: DaemonKnowledge, holder: string | undefined): (ChildDaemon | string)[] {
  if (!downlink) return [];
  if (holder !== undefined) return [downlink.child(holder) ?? holder];
  const isKnown = own.standing.length > 0 || own.decisions.length > 0;
  return isKnown ? [] : downlink.children().slice(0, LIMITS.whyDaemonsMax);
}

async function askBelow(
  { base, peers }: WhyParts,
  child: ChildDaemon | string,
  subject: string,
): Promise<DaemonKnowledge[]> {
  const tier = base.settings.tier === "coordination" ? "process" : "execution";
  if (typeof child === "string") {
    return [
      create(DaemonKnowledgeSchema, { tier, instance: child, failure: "it holds this, and is not connected now" }),
    ];
  }
  const { instance, address } = child;
  // The tier in the middle waits for the one below it, and must answer in time all the same.
  const timeoutMs = tier === "process" ? 2 * LIMITS.viewWaitMs : LIMITS.viewWaitMs;
  try {
    const answer = await peers?.at(address).client(WatchService).why({ subject }, { timeoutMs });
    return answer?.daemons ?? [];
  } catch (error) {
    base.log.info({ err: error, child: instance }, "a daemon did not say why");
    return [create(DaemonKnowledgeSchema, { tier, instance, failure: "it did not answer in time" })];
  }
}
