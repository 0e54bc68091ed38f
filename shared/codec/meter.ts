/**
 * Items of Meter as commands of the engine, and its outcomes as answers. On the way of every call, so the checks are made once and used
 * again, and messages are written out field by field.
 */
import type { Amounts, CommandOf, Outcome } from "#budget";
import type {
  Attach,
  CallFacts,
  Complete,
  Extend,
  Held,
  MeterAnswer,
  MeterItem,
  Release,
  Reserve,
  Settle,
  Settled,
} from "#gen/bursar/v1/meter_service_pb.js";
import { WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import type { TraceContext } from "#ports";
import { InvariantError, LIMITS } from "#std";
import { callKinds, enumNames } from "./enum-names.ts";
import { amountsFromProto, amountsToProto } from "./messages/amounts.ts";
import { traceFromProto } from "./messages/trace.ts";
import { FieldCheck } from "./parse/field-check.ts";
import type { Parsed } from "./parse/parsed.ts";

/** What an item asks for: the engine's command without its time, and without the hold that the engine's owner mints. */
export type MeterOperation =
  | { readonly type: "attach"; readonly allocationId: string; readonly token: string }
  | (Omit<CommandOf<"reserve">, "nowMs" | "holdId"> & Traced)
  | Omit<CommandOf<"extend">, "nowMs">
  | (Omit<CommandOf<"settle">, "nowMs"> & Traced)
  | Omit<CommandOf<"release">, "nowMs">
  | {
      readonly type: "complete";
      readonly allocationId: string;
      readonly outcome: "succeeded" | "failed" | "stopped";
      /** At most LIMITS.stepOutputBytesMax; more is cut off. */
      readonly output: Uint8Array;
      /** At most LIMITS.reasonCharsMax; more is cut off. */
      readonly message: string;
    };

interface Traced {
  readonly trace: TraceContext | undefined;
}

type OperationOf<T extends MeterOperation["type"]> = Extract<MeterOperation, { readonly type: T }>;

const completions = enumNames(WorkOutcome, ["succeeded", "failed", "stopped"] as const);

const item = new FieldCheck();
const attach = item.inside("attach");
const reserve = item.inside("reserve");
const wanted = reserve.inside("wanted");
const minAmount = reserve.inside("min_amount");
const extend = item.inside("extend");
const settle = item.inside("settle");
const facts = settle.inside("facts");
const release = item.inside("release");
const complete = item.inside("complete");

/** The operation of one item, or all of its violations; fields are named from the item on (`reserve.wanted.credits`). */
export function parseMeterItem({ operation }: MeterItem): Parsed<MeterOperation> {
  switch (operation.case) {
    case "reserve":
      return item.finish(reserveOf(operation.value));
    case "settle":
      return item.finish(settleOf(operation.value));
    case "extend":
      return item.finish(extendOf(operation.value));
    case "release":
      return item.finish(releaseOf(operation.value));
    case "attach":
      return item.finish(attachOf(operation.value));
    case "complete":
      return item.finish(completeOf(operation.value));
    default:
      item.refuse("operation", "is missing; set attach, reserve, extend, settle, release or complete");
      return item.finish<never>(undefined as never);
  }
}

function attachOf({ allocationId, token }: Attach): OperationOf<"attach"> {
  return { type: "attach", allocationId: attach.id("allocation_id", allocationId), token: attach.id("token", token) };
}

function reserveOf(message: Reserve): OperationOf<"reserve"> {
  const all = amountsFromProto(wanted, message.wanted);
  return {
    type: "reserve",
    requestId: reserve.id("request_id", message.requestId),
    allocationId: reserve.id("allocation_id", message.allocationId),
    what: reserve.choice("kind", message.kind, callKinds),
    name: reserve.callName("name", message.name),
    wanted: all,
    min: message.minAmount === undefined ? all : minOf(message.minAmount, all),
    ttlMs: ttlOf(reserve, message.ttlMs),
    trace: traceFromProto(message.trace),
  };
}

/** What is held while in use is granted in full or not at all, whatever the least says. */
function minOf(message: NonNullable<Reserve["minAmount"]>, all: Amounts): Amounts {
  const min = amountsFromProto(minAmount, message);
  return { ...all, credits: min.credits, toolCalls: min.toolCalls };
}

function ttlOf(check: FieldCheck, ttlMs: number): number {
  return ttlMs === 0 ? LIMITS.holdTtlMs : check.whole("ttl_ms", ttlMs, { max: LIMITS.holdTtlMsMax });
}

function extendOf(message: Extend): OperationOf<"extend"> {
  return {
    type: "extend",
    allocationId: extend.id("allocation_id", message.allocationId),
    holdId: extend.id("hold_id", message.holdId),
    ttlMs: ttlOf(extend, message.ttlMs),
  };
}

type Facts = Pick<OperationOf<"settle">, "networkBytes" | "diskBytes" | "gpuMs" | "memoryPeakBytes">;

const NO_FACTS: Facts = Object.freeze({ networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 });

function settleOf(message: Settle): OperationOf<"settle"> {
  const { networkBytes, diskBytes, gpuMs, memoryPeakBytes } =
    message.facts === undefined ? NO_FACTS : factsOf(message.facts);
  return {
    type: "settle",
    allocationId: settle.id("allocation_id", message.allocationId),
    holdId: settle.id("hold_id", message.holdId),
    credits: settle.amount("credits", message.credits),
    toolCalls: settle.amount("tool_calls", message.toolCalls),
    final: message.final,
    networkBytes,
    diskBytes,
    gpuMs,
    memoryPeakBytes,
    trace: traceFromProto(message.trace),
  };
}

/** Tokens are facts for the worker's own record; they move nothing here, but must be numbers. */
function factsOf(message: CallFacts): Facts {
  facts.count("context_tokens", message.contextTokens);
  facts.count("generated_tokens", message.generatedTokens);
  return {
    networkBytes: facts.count("network_bytes", message.networkBytes),
    diskBytes: facts.count("disk_bytes", message.diskBytes),
    gpuMs: facts.count("gpu_ms", message.gpuMs),
    memoryPeakBytes: facts.count("memory_bytes_peak", message.memoryBytesPeak),
  };
}

function releaseOf(message: Release): OperationOf<"release"> {
  return {
    type: "release",
    allocationId: release.id("allocation_id", message.allocationId),
    holdId: release.id("hold_id", message.holdId),
  };
}

function completeOf(message: Complete): OperationOf<"complete"> {
  return {
    type: "complete",
    allocationId: complete.id("allocation_id", message.allocationId),
    outcome: complete.choice("outcome", message.outcome, completions, "succeeded"),
    output: message.output.subarray(0, LIMITS.stepOutputBytesMax),
    message: message.message.slice(0, LIMITS.reasonCharsMax).toWellFormed(),
  };
}

/** The result of an item that was taken. Other outcomes, refusals among them, are the caller's to answer. */
export function meterAnswerOf(outcome: Outcome, nowMs: number): MeterAnswer["result"] {
  switch (outcome.type) {
    case "held":
      return { case: "held", value: heldOf(outcome, nowMs) };
    case "settled":
      return { case: "settled", value: settledOf(outcome) };
    case "done":
      return { case: "done", value: { $typeName: "bursar.v1.Done" } };
    default:
      throw new InvariantError(`an item of Meter was answered with ${outcome.type}`);
  }
}

function heldOf({ holdId, granted, clamped, expiresAtMs }: Extract<Outcome, { type: "held" }>, nowMs: number): Held {
  const ttlMs = Math.max(0, expiresAtMs - nowMs);
  return { $typeName: "bursar.v1.Held", holdId, granted: amountsToProto(granted), clamped, ttlMs };
}

function settledOf({ holdId, credits, toolCalls, overrun, late }: Extract<Outcome, { type: "settled" }>): Settled {
  return {
    $typeName: "bursar.v1.Settled",
    holdId,
    credits: BigInt(credits),
    toolCalls: BigInt(toolCalls),
    overrunCredits: BigInt(overrun),
    late,
  };
}
