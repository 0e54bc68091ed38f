/**
 * How many bytes an item of a link takes in a message, at most: so that what is packed together stays below the largest message. Counted
 * from the texts in it, which alone have no small bound.
 */
import { FaultError } from "#errors";
import type {
  AllocationStanding,
  DownItem,
  GrantAnswer,
  GrantHandover,
  HeldAllocation,
  ItemError,
  TraceContext,
  UpItem,
} from "#ports";

/** Numbers, tags and lengths of an item's own fields: more than any has. */
const FIELDS_BYTES = 512;
/** Bytes of a UTF-16 code unit in UTF-8, at most. */
const CHAR_BYTES = 3;
/** Tag and length of one of several ids. */
const ID_BYTES = 4;
/** Number, tags and lengths of one tool's calls. */
const TOOL_BYTES = 24;

function textBytes(...texts: readonly (string | undefined)[]): number {
  let chars = 0;
  for (const text of texts) chars += text?.length ?? 0;
  return CHAR_BYTES * chars;
}

function accessBytes(access: GrantHandover["access"]): number {
  let bytes = 0;
  for (const { name } of access ?? []) bytes += TOOL_BYTES + textBytes(name);
  return bytes;
}

function traceBytes(trace: TraceContext | undefined): number {
  return trace === undefined ? 0 : textBytes(trace.traceparent, trace.tracestate);
}

function toolBytes(tools: readonly (readonly [string, number])[]): number {
  let bytes = 0;
  for (const [name] of tools) bytes += TOOL_BYTES + CHAR_BYTES * name.length;
  return bytes;
}

/** An error travels as its status: the message twice, and each violation twice. */
function errorBytes(error: ItemError): number {
  const { fieldViolations } = error instanceof FaultError ? error.error : error.refusal;
  let bytes = 2 * FIELDS_BYTES + 2 * textBytes(error.message);
  for (const { field, description } of fieldViolations) bytes += TOOL_BYTES + 2 * textBytes(field, description);
  if (!(error instanceof FaultError)) return bytes;
  const { allocationPath, ancestor, cause, holders, resource } = error.error;
  return bytes + textBytes(allocationPath, ancestor, cause, resource, ...holders);
}

export function heldBytes({ allocationId, usage }: HeldAllocation): number {
  return FIELDS_BYTES + textBytes(allocationId) + toolBytes(usage.callsPerTool);
}

export function standingBytes({ allocationId }: AllocationStanding): number {
  return FIELDS_BYTES + textBytes(allocationId);
}

/** Hello is not counted here: it is split by what it holds. */
export function upItemBytes(item: Exclude<UpItem, { type: "hello" }>): number {
  switch (item.type) {
    case "ask": {
      const { requestId, target, trace } = item.ask;
      const place = target.type === "open" ? textBytes(target.parentId, target.name) : textBytes(target.allocationId);
      const names = target.type === "open" ? accessBytes(target.access) : 0;
      return FIELDS_BYTES + textBytes(requestId) + place + names + traceBytes(trace);
    }
    case "returned":
      return FIELDS_BYTES + textBytes(item.allocationId);
    case "cancel":
      return FIELDS_BYTES + textBytes(item.requestId);
    case "usage": {
      const { allocationId, usage, trace } = item.report;
      return FIELDS_BYTES + textBytes(allocationId) + traceBytes(trace) + toolBytes(usage.callsPerTool);
    }
    case "mark":
      return FIELDS_BYTES + textBytes(item.welcomeId);
  }
}

/** Welcome is not counted here: it is split by what it holds. */
export function downItemBytes(item: Exclude<DownItem, { type: "welcome" }>): number {
  switch (item.type) {
    case "decision":
      return FIELDS_BYTES + textBytes(item.requestId) + answerBytes(item.answer);
    case "revision":
      return FIELDS_BYTES + textBytes(item.allocationId);
    case "ack": {
      const { allocationId, reason, error, lowBudget } = item.ack;
      const texts = textBytes(allocationId, reason, lowBudget?.allocationId, lowBudget?.path);
      return FIELDS_BYTES + texts + (error === undefined ? 0 : errorBytes(error));
    }
  }
}

function idsBytes(ids: readonly string[] = []): number {
  return ids.reduce((bytes, id) => bytes + ID_BYTES + textBytes(id), 0);
}

function answerBytes(answer: GrantAnswer): number {
  switch (answer.type) {
    case "opened": {
      const { allocationId, path, name, token, access } = answer.grant;
      return textBytes(allocationId, path, name, token) + accessBytes(access) + idsBytes(answer.preempted);
    }
    case "raised":
      return textBytes(answer.allocationId) + idsBytes(answer.preempted);
    case "queued": {
      const { ancestorId, ancestorPath, holders, access } = answer.conflict;
      let bytes = textBytes(ancestorId, ancestorPath, answer.conflict.strategy?.path);
      bytes += textBytes(access?.name, access?.before, access?.circle);
      for (const { id, path } of holders) bytes += TOOL_BYTES + textBytes(id, path);
      return bytes;
    }
    case "denied":
      return errorBytes(answer.error);
  }
}
