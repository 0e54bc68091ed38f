/**
 * The attempts of a run that gives way to others, or whose process daemon was gone before it took it: each has an allocation of its own, and
 * the next one begins the routine anew. What it was asked to do and which attempt comes next is written down beside the one before, so that
 * it outlasts this daemon.
 */
import { type BudgetState, limitsAtOpening, type OpenWish } from "#budget";
import { routineFromMessage, runWorkNotes, runWorkOf } from "#codec";
import type { DaemonBase } from "#daemon";
import type { RunFinished } from "#gen/bursar/v1/run_pb.js";
import { LIMITS } from "#std";
import type { RunOrder } from "./run-order.ts";

/** Keys of the notes beside an attempt that another one follows: the next one, and what was asked for. */
const NEXT_NOTE = "next_attempt";
const ORDER_NOTE = "order";
const UNTAKEN = "untaken";

export interface NextAttempt {
  /** Its allocation. */
  readonly runId: string;
  /** Its number: 2 or more, or that of the one before where no daemon had taken that. */
  readonly attempt: number;
  /** No daemon had taken the one before: nothing of it had begun. */
  readonly isUntaken: boolean;
}

export interface FoundAttempt extends NextAttempt {
  /** The allocation of the attempt before it. */
  readonly before: string;
  /** Undefined where it cannot be read. */
  readonly order: RunOrder | undefined;
}

type Notes = ReadonlyMap<string, string>;

export interface Before {
  /** The attempt that ended just now. */
  readonly allocationId: string;
  /** The latest that gave way; undefined: none has. */
  readonly gaveWay: string | undefined;
}

/**
 * The wish of the next attempt. One that gave way waits for as long as the queue lets it, another one as its caller wished; its request is
 * named after the attempt before, by a caller that is no client's, so that it has one effect.
 */
export function againWish(wish: OpenWish, { allocationId: requestId, gaveWay: attemptOf }: Before): OpenWish {
  const caller = `again:${wish.parentId}`;
  // What was reserved for it the first one has had.
  const { reservationId: _, ...rest } = wish;
  const again = { ...rest, caller, requestId };
  return attemptOf === undefined ? again : { ...again, attemptOf, waitMs: LIMITS.queueWaitMsMax };
}

export function attemptNotes(order: RunOrder, next: NextAttempt): (readonly [string, string])[] {
  const { routine, trace, ...rest } = order;
  const { runId, attempt, isUntaken } = next;
  return [
    [NEXT_NOTE, `${attempt} ${runId}${isUntaken ? ` ${UNTAKEN}` : ""}`],
    [ORDER_NOTE, JSON.stringify(rest)],
    ...runWorkNotes({ routine, trace }),
  ];
}

/** The attempt that follows a run. */
export function nextAttemptOf({ notes }: { readonly notes: Notes }): NextAttempt | undefined {
  const [attempt = "", runId, how] = notes.get(NEXT_NOTE)?.split(" ") ?? [];
  return runId === undefined ? undefined : { runId, attempt: Number(attempt), isUntaken: how === UNTAKEN };
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
