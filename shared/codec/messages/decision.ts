/** Decisions as they are told: what the engine records beside the Decision of the contract. Only told, never read back. */
import {
  type Conflict,
  type DecisionRecord,
  type ShadowVerdict,
  type StrategyInForce,
  shadowWords,
  type Verdict,
  wordsOf,
} from "#budget";
import { boundedText } from "#errors";
import type { Decision, ShadowDecision } from "#gen/bursar/v1/watch_service_pb.js";
import { decisionKinds, priorities, shadowOutcomes, strategies } from "../enum-names.ts";
import { conflictToProto, strategyToProto } from "./allocation.ts";

/** The daemon that decided, and when by its wall clock. */
export interface DecidedWhere {
  readonly tier: string;
  readonly instance: string;
  readonly wallMs: number;
}

export function decisionToProto(record: DecisionRecord, { tier, instance, wallMs }: DecidedWhere): Decision {
  const { verdict, priority, requestId, allocationId, path, parentId, parentPath, asked, shadow } = record;
  const conflict = conflictOf(verdict);
  return {
    $typeName: "bursar.v1.Decision",
    wallTimeMs: BigInt(Math.floor(wallMs)),
    tier,
    instance,
    kind: decisionKinds.numberOf[verdict.decided],
    // As in the message of an error, which is cut in the same way.
    reason: boundedText(wordsOf(record)),
    asked: boundedText(asked),
    requestId,
    allocationId,
    path,
    parentId,
    parentPath,
    priority: priority === undefined ? 0 : priorities.numberOf[priority],
    waitedMs: BigInt(Math.floor(waitedOf(verdict) ?? 0)),
    ...strategyToProto(strategyOf(verdict)),
    ...(conflict && { conflict: conflictToProto(conflict) }),
    ...(shadow && { shadow: shadowToProto(shadow) }),
  };
}

function shadowToProto(shadow: ShadowVerdict): ShadowDecision {
  const { strategy, would, was, agrees } = shadow;
  return {
    $typeName: "bursar.v1.ShadowDecision",
    words: boundedText(shadowWords(shadow)),
    strategy: strategies.numberOf[strategy.name],
    would: shadowOutcomes.numberOf[would],
    was: shadowOutcomes.numberOf[was],
    agrees,
  };
}

/** What it is about: the allocation, or the request of which none came. */
export function subjectOfDecision({ allocationId, requestId }: Pick<Decision, "allocationId" | "requestId">): string {
  return allocationId === "" ? requestId : allocationId;
}

function conflictOf(verdict: Verdict): Conflict | undefined {
  if (verdict.decided === "QUEUED") return verdict.conflict;
  return verdict.decided === "REFUSED" && verdict.refusal.code === "conflict" ? verdict.refusal.conflict : undefined;
}

function strategyOf(verdict: Verdict): StrategyInForce | undefined {
  return "strategy" in verdict ? verdict.strategy : conflictOf(verdict)?.strategy;
}

function waitedOf(verdict: Verdict): number | undefined {
  return "waitedMs" in verdict ? verdict.waitedMs : conflictOf(verdict)?.waitedMs;
}
