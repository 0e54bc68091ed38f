/**
 * The attempts of a run that gives way to others: each has an allocation of its own, and the next one begins the routine anew. What it was
 * asked to do and which attempt comes next is written down beside the one that gave way, so that it outlasts this daemon.
 */
import { type BudgetState, limitsAtOpening, type OpenWish } from "#budget";
import { routineFromMessage, runWorkNotes, runWorkOf } from "#codec";
import type { DaemonBase } from "#daemon";
import type { RunFinished } from "#gen/bursar/v1/run_pb.js";
import { LIMITS } from "#std";
import type { RunOrder } from "./run-order.ts";

/** Keys of the notes beside an attempt that gave way: the next one, and what was asked for. */
const NEXT_NOTE = "next_attempt";
const ORDER_NOTE = "order";

export interface NextAttempt {
  /** Its allocation. */
  readonly runId: string;
  /** Its number, 2 or more. */
  readonly attempt: number;
}

export interface FoundAttempt extends NextAttempt {
  /** The allocation of the attempt before it. */
  readonly before: string;
  /** Undefined where it cannot be read. */
  readonly order: RunOrder | undefined;
}

type Notes = ReadonlyMap<string, string>;

/**
 * The wish of the next attempt. It waits for as long as the queue lets it; its request is named after the attempt before, by a caller that
 * is no client's, so that it has one effect.
 */
export function againWish(wish: OpenWish, before: string): OpenWish {
  const caller = `again:${wish.parentId}`;
  // What was reserved for it the first one has had.
  const { reservationId: _, ...rest } = wish;
  return { ...rest, caller, requestId: before, attemptOf: before, waitMs: LIMITS.queueWaitMsMax };
}

export function attemptNotes(order: RunOrder, { runId, attempt }: NextAttempt): (readonly [string, string])[] {
  const { routine, trace, ...rest } = order;
  return [[NEXT_NOTE, `${attempt} ${runId}`], [ORDER_NOTE, JSON.stringify(rest)], ...runWorkNotes({ routine, trace })];
}

/** The attempt that follows a run which gave way. */
export function nextAttemptOf({ notes }: { readonly notes: Notes }): NextAttempt | undefined {
  const [attempt = "", runId] = notes.get(NEXT_NOTE)?.split(" ") ?? [];
  return runId === undefined ? undefined : { runId, attempt: Number(attempt) };
}

/** All attempts but first ones, by their allocation. */
export function attemptsIn(state: BudgetState): ReadonlyMap<string, FoundAttempt> {
  const found = new Map<string, FoundAttempt>();
  for (const { id: before, kind, notes } of state.allocations.values()) {
    const next = kind === "run" && notes.size > 0 ? nextAttemptOf({ notes }) : undefined;
    if (next) found.set(next.runId, { ...next, before, order: orderOfNotes(notes) });
  }
  return found;
}

function orderOfNotes(notes: Notes): RunOrder | undefined {
  const [rest, work] = [notes.get(ORDER_NOTE), runWorkOf(notes)];
  return rest === undefined || !work
    ? undefined
    : { ...(JSON.parse(rest) as Omit<RunOrder, "routine" | "trace">), ...work };
}

/** What was asked for, of a run that an earlier life of this daemon began: by its books, and what its process daemon says it did. */
export async function orderOfBooks(
  loop: Pick<DaemonBase["loop"], "read">,
  runId: string,
  finished: RunFinished | undefined,
): Promise<RunOrder | undefined> {
  const routine = finished?.routine && routineFromMessage(finished.routine);
  if (!routine) return undefined;
  return loop.read((state) => {
    const node = state.allocations.get(runId);
    const limits = node && limitsAtOpening(state, node);
    if (!node?.parent || !limits) return undefined;
    const { priority, weight, parent } = node;
    const share = weight === 1 ? {} : { share: { weight } };
    return { requestId: runId, swarmId: parent.id, routine, limits, priority, waitMs: 0, ...share, trace: undefined };
  });
}
