/** What a parent sends down: items of a link as the messages of its two streams, and back. */
import type { StreamGrantsResponse, StreamUsageResponse } from "#gen/bursar/v1/budget_service_pb.js";
import type { DownItem, Welcome } from "#ports";
import { FieldCheck } from "../parse/field-check.ts";
import type { Parsed } from "../parse/parsed.ts";
import { decisionFromProto, decisionToProto, revisionFromProto, revisionToProto } from "./grants.ts";
import { welcomeFromProto, welcomeToProto } from "./hello.ts";
import { ackFromProto, ackToProto } from "./reports.ts";
import type { StatusCodec } from "./status-codec.ts";

/** A welcome, or a part of one that does not fit into one message. */
export interface WelcomePart {
  readonly welcome: Welcome;
  /** Further allocations follow in the next message. */
  readonly more: boolean;
}

export type DownWork = Exclude<DownItem, { readonly type: "welcome" }>;

export interface DownMessage {
  readonly welcome: WelcomePart | undefined;
  /** In the order in which they are to be taken. */
  readonly items: readonly DownWork[];
}

/** Decisions and revisions for StreamGrants; other items are left aside. */
export function grantsResponseOf(
  items: readonly DownItem[],
  statuses: StatusCodec,
  welcome?: WelcomePart,
): StreamGrantsResponse {
  const message: StreamGrantsResponse = { $typeName: "bursar.v1.StreamGrantsResponse", decisions: [], revisions: [] };
  if (welcome !== undefined) message.welcome = welcomeToProto(welcome.welcome, welcome.more);
  for (const item of items) {
    if (item.type === "decision") message.decisions.push(decisionToProto(item, statuses));
    else if (item.type === "revision") message.revisions.push(revisionToProto(item));
  }
  return message;
}

/** Acknowledgements for StreamUsage; other items are left aside. */
export function usageResponseOf(items: readonly DownItem[], statuses: StatusCodec): StreamUsageResponse {
  const message: StreamUsageResponse = { $typeName: "bursar.v1.StreamUsageResponse", acknowledgements: [] };
  for (const item of items) if (item.type === "ack") message.acknowledgements.push(ackToProto(item.ack, statuses));
  return message;
}

export function downItemsOfGrants(message: StreamGrantsResponse, statuses: StatusCodec): Parsed<DownMessage> {
  const check = new FieldCheck();
  const items: DownWork[] = [];
  // Counters take the maximum, so that it does not matter which of the two lists is taken first.
  message.decisions.forEach((one, index) => {
    const decision = decisionFromProto(check.at("decisions", index), one, statuses);
    if (decision !== undefined) items.push({ type: "decision", ...decision });
  });
  message.revisions.forEach((one, index) => {
    items.push({ type: "revision", ...revisionFromProto(check.at("revisions", index), one) });
  });
  const welcome = message.welcome && {
    welcome: welcomeFromProto(check.inside("welcome"), message.welcome),
    more: message.welcome.more,
  };
  return check.finish({ welcome, items });
}

export function downItemsOfUsage(message: StreamUsageResponse, statuses: StatusCodec): Parsed<DownMessage> {
  const check = new FieldCheck();
  const items = message.acknowledgements.map((one, index): DownWork => {
    return { type: "ack", ack: ackFromProto(check.at("acknowledgements", index), one, statuses) };
  });
  return check.finish({ welcome: undefined, items });
}
