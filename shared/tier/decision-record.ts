/** From what is remembered of a decision to the record that is read. */
import {
  amountsOf,
  callWords,
  type DecisionRecord,
  type GrantWish,
  monusAmounts,
  NOTHING,
  reserveAheadWords,
  type StrategyInForce,
  type ToldWish,
  type Verdict,
  wishWords,
} from "#budget";
import type { Entry } from "./decision-entry.ts";

type EntryOf<T extends Entry["type"]> = Extract<Entry, { readonly type: T }>;

export function recordOf(entry: Entry): DecisionRecord {
  const record = recordWithoutShadow(entry);
  return entry.shadow === undefined ? record : { ...record, shadow: entry.shadow };
}

function recordWithoutShadow(entry: Entry): DecisionRecord {
  switch (entry.type) {
    case "granted":
      return grantedRecord(entry);
    case "queued":
      return { ...wishRecord(entry, entry.wish), verdict: { decided: "QUEUED", conflict: entry.outcome.conflict } };
    case "refused":
      return { ...refusedRecord(entry), verdict: { decided: "REFUSED", refusal: entry.refusal } };
    default:
      return { ...nodeRecord(entry), asked: "", verdict: entry.verdict };
  }
}

type Told = Omit<DecisionRecord, "verdict">;

/** Of a decision about a node that is there. */
function nodeRecord({ when: { atMs }, requestId, node }: Entry): Omit<Told, "asked"> {
  const { id: allocationId = "", path = "", parent, priority } = node ?? {};
  const { id: parentId = "", path: parentPath = "" } = parent ?? {};
  return { atMs, requestId, allocationId, path, parentId, parentPath, priority };
}

/** Of a wish of which nothing has come; `entry.node` is the node that was asked. */
function wishRecord({ when: { atMs }, requestId, node }: Entry, wish: GrantWish): Told {
  const parentPath = node?.path ?? "";
  const asked = wishWords(wish);
  if (wish.type === "open") {
    const path = parentPath === "" ? wish.name : `${parentPath}/${wish.name}`;
    const { parentId, priority } = wish;
    return { atMs, requestId, allocationId: "", path, parentId, parentPath, priority, asked };
  }
  const { allocationId } = wish;
  const child = [...(node?.children ?? [])].find(({ id }) => id === allocationId);
  const { path = "", priority } = child ?? {};
  return { atMs, requestId, allocationId, path, parentId: node?.id ?? "", parentPath, priority, asked };
}

function refusedRecord(entry: EntryOf<"refused">): Told {
  const { command } = entry;
  if (!command) return { ...nodeRecord(entry), asked: "" };
  if (command.type === "reserve") return { ...nodeRecord(entry), asked: callWords(command) };
  if (command.type === "reserve_ahead") return { ...nodeRecord(entry), asked: reserveAheadWords(command) };
  if (command.type !== "receive_grant") return wishRecord(entry, command);
  const { allocationId, path, priority } = command;
  const asked = wishWords({ ...command, type: "open", min: amountsOf(command.limits), waitMs: 0 });
  return { ...nodeRecord(entry), allocationId, path, priority, asked };
}

function grantedRecord(entry: EntryOf<"granted">): DecisionRecord {
  const { when, requestId, node, allocationId, name, priority, pooled, granted, isPartial, waitedMs, wish } = entry;
  const { id: parentId = "", path: parentPath = "" } = node ?? {};
  const wanted = wish ? amountsOf(wish.type === "open" ? wish.limits : wish.by) : granted;
  const verdict: Verdict = {
    decided: isPartial ? "GRANTED_IN_PART" : "GRANTED",
    granted,
    lacking: isPartial ? monusAmounts(wanted, granted) : NOTHING,
    pooled: pooled.length > 0,
    waitedMs,
    ...(entry.sinceFirstMs !== undefined && { sinceFirstMs: entry.sinceFirstMs }),
    strategy: strategyOf(entry),
  };
  const path = parentPath === "" ? name : `${parentPath}/${name}`;
  const asked = wishWords(wish ?? wishOf(entry));
  return { atMs: when.atMs, requestId, allocationId, path, parentId, parentPath, priority, asked, verdict };
}

/** A wish that was granted in full, told from what was granted. */
function wishOf({ isRaise, granted, kind, pooled, priority }: EntryOf<"granted">): ToldWish {
  if (isRaise) return { type: "raise", by: granted, min: granted, waitMs: 0 };
  return { type: "open", kind, pooled, priority, limits: granted, min: granted, waitMs: 0 };
}

function strategyOf({ node, requested, rule: { at, name, isOwn, path } }: EntryOf<"granted">): StrategyInForce {
  if (requested !== undefined) return { name: requested, from: "request", path: "" };
  if (name === undefined || !at) return { name: "FIRST_COME_FIRST_SERVED", from: "default", path: "" };
  return { name, from: at === node && isOwn ? "own" : "inherited", path };
}

/** What somebody asks about. */
export interface DecisionSubject {
  /** A request id, or the end of a path of names. */
  readonly text: string;
  /** The allocation that it names. */
  readonly allocationId: string | undefined;
}

/** Whether the decision is about the subject: about the request, about the allocation or what is asked of it, or about such a path. */
export function mentions(entry: Entry, { text, allocationId }: DecisionSubject): boolean {
  const { node, requestId } = entry;
  if (requestId === text || reservationOf(entry) === text) return true;
  if (allocationId !== undefined && (node?.id === allocationId || allocationIdOf(entry) === allocationId)) return true;
  const name = nameOf(entry);
  // Most have another name: then there is no need to put the path together.
  return name !== undefined && text.endsWith(name) && isPathOf(recordOf(entry).path, text);
}

function reservationOf(entry: Entry): string | undefined {
  if (entry.type === "refused" && entry.command?.type === "reserve_ahead") return entry.command.reservationId;
  return "verdict" in entry && "reservationId" in entry.verdict ? entry.verdict.reservationId : undefined;
}

function commandOf(entry: Entry) {
  if (entry.type === "queued") return entry.wish;
  return entry.type === "refused" ? entry.command : undefined;
}

/** Of what it is about; of a wish for a new allocation there is none. */
export function allocationIdOf(entry: Entry): string | undefined {
  if (entry.type === "granted") return entry.allocationId;
  const command = commandOf(entry);
  if (!command) return entry.node?.id;
  return command.type === "open" ? undefined : command.allocationId;
}

function nameOf(entry: Entry): string | undefined {
  if (entry.type === "granted") return entry.name;
  const command = commandOf(entry);
  return command && "limits" in command ? command.name : entry.node?.name;
}

/** Whether the text is the path, or the end of it from a name on. */
export function isPathOf(path: string, text: string): boolean {
  return path === text || path.endsWith(`/${text}`);
}
