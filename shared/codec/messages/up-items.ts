/**
 * What a child sends up: items of a link as the messages of its two streams, and back. One wrong item is refused by itself, with the
 * answer that its sender waits for; only what cannot be answered spoils the whole message.
 */
import { invalidArgument, RefusalError } from "#errors";
import type { StreamGrantsRequest, StreamUsageRequest } from "#gen/bursar/v1/budget_service_pb.js";
import type { DownItem, Hello, UpItem } from "#ports";
import { LIMITS } from "#std";
import { FieldCheck } from "../parse/field-check.ts";
import type { Parsed } from "../parse/parsed.ts";
import { grantAskFromProto, grantAskToProto } from "./grants.ts";
import { helloFromProto, helloToProto, markFromProto, markToProto } from "./hello.ts";
import { returnFromProto, returnToProto, usageItemFromProto, usageItemToProto } from "./reports.ts";

/** A hello, or a part of one that does not fit into one message. */
export interface HelloPart {
  readonly hello: Hello;
  /** Further allocations follow in the next message. */
  readonly more: boolean;
}

export type UpWork = Exclude<UpItem, { readonly type: "hello" }>;

/** What one message of a stream carried. */
export interface UpMessage {
  readonly hello: HelloPart | undefined;
  /** In the order in which they are to be taken. */
  readonly items: readonly UpWork[];
  /** Answers to items that were wrong. */
  readonly refused: readonly DownItem[];
}

/** Items for StreamGrants, hello and usage reports left aside. */
export function grantsRequestOf(items: readonly UpItem[], hello?: HelloPart): StreamGrantsRequest {
  const message: StreamGrantsRequest = {
    $typeName: "bursar.v1.StreamGrantsRequest",
    requests: [],
    returns: [],
    cancels: [],
  };
  if (hello !== undefined) message.hello = helloToProto(hello.hello, hello.more);
  for (const item of items) {
    if (item.type === "ask") message.requests.push(grantAskToProto(item.ask));
    else if (item.type === "returned") message.returns.push(returnToProto(item));
    else if (item.type === "cancel") {
      message.cancels.push({ $typeName: "bursar.v1.CancelRequest", requestId: item.requestId });
    }
  }
  return message;
}

/** Usage reports and marks for StreamUsage; other items are left aside. The hello goes without its allocations. */
export function usageRequestOf(items: readonly UpItem[], hello?: Hello): StreamUsageRequest {
  const message: StreamUsageRequest = {
    $typeName: "bursar.v1.StreamUsageRequest",
    reports: [],
    clockMarkMs: 0n,
    welcomeId: "",
  };
  if (hello !== undefined) message.hello = helloToProto({ ...hello, allocations: [] });
  for (const item of items) {
    if (item.type === "usage") message.reports.push(usageItemToProto(item.report));
    else if (item.type === "mark") {
      message.clockMarkMs = markToProto(item.clockMarkMs);
      message.welcomeId ||= item.welcomeId ?? "";
    }
  }
  return message;
}

export function upItemsOfGrants(message: StreamGrantsRequest): Parsed<UpMessage> {
  const check = new FieldCheck();
  const { requests, returns, cancels } = message;
  const items: UpWork[] = [];
  const refused: DownItem[] = [];
  if (tooMany(check, "requests", requests.length + returns.length + cancels.length)) return check.finish(NOTHING_TAKEN);
  returns.forEach((one, index) => {
    items.push({ type: "returned", ...returnFromProto(check.at("returns", index), one) });
  });
  for (const [index, request] of requests.entries()) {
    const own = new FieldCheck(`requests[${index}]`);
    const ask = grantAskFromProto(own, request);
    const parsed = own.finish(ask);
    if (parsed.ok) items.push({ type: "ask", ask });
    else if (ask.requestId === "") check.adopt(parsed.violations);
    else refused.push(denial(ask.requestId, parsed.violations));
  }
  cancels.forEach(({ requestId }, index) => {
    items.push({ type: "cancel", requestId: check.at("cancels", index).id("request_id", requestId) });
  });
  const hello = message.hello && {
    hello: helloFromProto(check.inside("hello"), message.hello),
    more: message.hello.more,
  };
  return check.finish({ hello, items, refused });
}

export function upItemsOfUsage(message: StreamUsageRequest): Parsed<UpMessage> {
  const check = new FieldCheck();
  const items: UpWork[] = [];
  const refused: DownItem[] = [];
  if (tooMany(check, "reports", message.reports.length)) return check.finish(NOTHING_TAKEN);
  const clockMarkMs = markFromProto(check, message.clockMarkMs);
  const welcomeId = check.optionalId("welcome_id", message.welcomeId);
  if (clockMarkMs !== undefined || welcomeId !== undefined) items.push({ type: "mark", clockMarkMs, welcomeId });
  for (const [index, sent] of message.reports.entries()) {
    const own = new FieldCheck(`reports[${index}]`);
    const report = usageItemFromProto(own, sent);
    const parsed = own.finish(report);
    if (parsed.ok) items.push({ type: "usage", report });
    else if (report.allocationId === "") check.adopt(parsed.violations);
    else refused.push(refusedReport(report, parsed.violations));
  }
  const hello = message.hello && { hello: helloFromProto(check.inside("hello"), message.hello), more: false };
  if (hello !== undefined && hello.hello.allocations.length > 0) {
    check.refuse("hello.allocations", "are told on StreamGrants alone");
  }
  return check.finish({ hello, items, refused });
}

const NOTHING_TAKEN: UpMessage = { hello: undefined, items: [], refused: [] };

/** Then nothing of it is looked at: a message has room for millions of empty items. */
function tooMany(check: FieldCheck, field: string, count: number): boolean {
  if (count <= LIMITS.streamItemsMax) return false;
  check.refuse(field, `a message carries at most ${LIMITS.streamItemsMax} items; this one has ${count}: split it`);
  return true;
}

type Violations = Parameters<typeof invalidArgument>[0];

function denial(requestId: string, violations: Violations): DownItem {
  const error = new RefusalError(invalidArgument(violations));
  return { type: "decision", requestId, answer: { type: "denied", error } };
}

function refusedReport(report: { allocationId: string; sequence: number }, violations: Violations): DownItem {
  const { allocationId, sequence } = report;
  const error = new RefusalError(invalidArgument(violations));
  const plain = { lease: undefined, directive: undefined, reason: "", final: false } as const;
  return { type: "ack", ack: { allocationId, sequence, ...plain, error } };
}
