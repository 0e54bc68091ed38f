/**
 * The loop, in this order and nowhere else: take commands from a bounded queue → decide, which evolves the state at once → append the
 * events of the batch → when they are durable, send its messages → answer its callers. One commit is under way at a time; what arrives
 * meanwhile is the next batch. A commit that fails ends the process, so that what is not durable dies with it. Holds that an allowance covers
 * are answered once they are written, before they are synced (ahead.ts).
 */
import {
  assertInvariants,
  type BudgetEvent,
  type BudgetState,
  type Command,
  createState,
  decide,
  evolve,
  type Message,
  nextDueMs,
  type Outcome,
  restoreState,
} from "#budget";
import { RefusalError } from "#errors";
import type { Clock, Journal, OpenedJournal } from "#ports";
import { assert, BoundedQueue, LIMITS } from "#std";
import { Ahead } from "./ahead.ts";
import { type CommandInput, timed } from "./command-input.ts";
import { DecisionLog, isNoted } from "./decision-log.ts";
import { EngineClock } from "./engine-clock.ts";

export interface TierOptions {
  readonly opened: OpenedJournal;
  readonly clock: Clock;
  /** Told once when the loop cannot go on: a failed commit or a broken invariant. The process must end. */
  readonly onFatal: (error: Error) => void;
  /** Check every invariant after every command; for tests and debugging, it is slow. */
  readonly checkInvariants?: boolean;
  /** Of the tables in memory, 0 … 2^53-1: chance that nobody else knows. Default 0, which is for tests. */
  readonly hashSeed?: number;
  /**
   * Names the time since the machine was started. When given, holds are answered ahead of their sync, out of an allowance. Default: nothing is
   * answered before it is durable.
   */
  readonly bootId?: string | undefined;
}

/** Told the outcomes of a batch that is written and not yet synced, and which of them may be answered now; `done` tells all of them again. */
export type AheadListener = (outcomes: readonly Outcome[], covered: ReadonlySet<Outcome>) => void;

type Waiting =
  | {
      readonly commands: readonly CommandInput[];
      readonly done: (outcomes: readonly Outcome[]) => void;
      readonly onAhead: AheadListener | undefined;
    }
  | { readonly read: (state: BudgetState, nowMs: number) => () => void };

type EarlyAnswer = (covered: ReadonlySet<Outcome>) => void;

type MessageListener = (message: Message) => void;

/** Why a command was not even queued. */
const FULL = `${LIMITS.commandQueueMax} commands already wait; try again in a moment`;
const QUEUE_FULL: Outcome = {
  type: "refused",
  refusal: { code: "too_many", message: FULL, retryAfterMs: LIMITS.retryAfterMs },
};

export class TierResourceManager {
  /** What was decided lately, and why. */
  readonly decisions: DecisionLog;
  readonly #state: BudgetState;
  readonly #queue = new BoundedQueue<Waiting>({ capacity: LIMITS.commandQueueMax });
  readonly #journal: Journal;
  readonly #clock: Clock;
  readonly #engineClock: EngineClock;
  readonly #onFatal: (error: Error) => void;
  readonly #checkInvariants: boolean;
  readonly #listeners = new Set<MessageListener>();
  readonly #ahead: Ahead | undefined;
  #commandsWaiting = 0;
  #turnIsDue = false;
  #committing = false;
  #ended = false;
  #closed: PromiseWithResolvers<void> | undefined;
  #timer: { readonly atMs: number; readonly cancel: () => void } | undefined;
  /** Nothing comes that is worth waiting for: the next command is decided at once, and not with what else the event loop reads in this turn. */
  #calm = true;
  #turns = 0;

  /** Rebuilds the state from the journal; throws what the journal throws. */
  constructor(options: TierOptions) {
    const { opened, clock, hashSeed } = options;
    this.#journal = opened.journal;
    this.#clock = clock;
    this.#onFatal = options.onFatal;
    this.#checkInvariants = options.checkInvariants ?? false;
    this.#state = opened.snapshot === undefined ? createState(hashSeed) : restoreState(opened.snapshot, hashSeed);
    let startMs = 0;
    for (const commit of opened.commits) {
      for (const event of commit.events) evolve(this.#state, event);
      startMs = commit.engineTimeMs;
    }
    assertInvariants(this.#state);
    this.decisions = new DecisionLog(this.#state);
    this.#engineClock = new EngineClock(clock, Math.max(startMs, this.#state.engineTimeMs));
    // Before anything else is decided: leases were kept while this daemon was not there, and what was granted here may still be spent.
    const { bootId } = options;
    this.#ahead = bootId === undefined ? undefined : new Ahead(this.#state);
    this.submit({ type: "start", ...(bootId !== undefined && { bootId }) }, () => undefined);
    this.#armTimer();
  }

  get journalId(): string {
    return this.#journal.journalId;
  }

  /** Engine time now, in milliseconds. */
  nowMs(): number {
    return this.#engineClock.nowMs();
  }

  /**
   * Queues a command. `done` gets the outcome after everything it rests on is durable; a full queue refuses at once. Once the loop
   * closes or has failed nothing is taken or answered any more.
   */
  submit(command: CommandInput, done: (outcome: Outcome) => void): void {
    this.submitAll([command], ([outcome = QUEUE_FULL]) => done(outcome));
  }

  /**
   * Queues commands that arrived together: decided one after the other, in one batch, answered together and in order. `onAhead`: holds among
   * them that an allowance covers may be answered before `done`; for those who can tell the two apart.
   */
  submitAll(
    commands: readonly CommandInput[],
    done: (outcomes: readonly Outcome[]) => void,
    onAhead?: AheadListener,
  ): void {
    if (this.#ended || this.#closed) return;
    const fits = this.#commandsWaiting + commands.length <= LIMITS.commandQueueMax;
    if (fits && this.#queue.push({ commands, done, onAhead })) {
      this.#commandsWaiting += commands.length;
      this.#wake();
    } else done(commands.map(() => QUEUE_FULL));
  }

  /** As `submit`, for callers off the hot path. */
  ask(command: CommandInput): Promise<Outcome> {
    return new Promise((resolve) => this.submit(command, resolve));
  }

  /**
   * Reads the state in turn with the commands; the answer comes after everything it saw is durable. Rejects with what the reader
   * throws, and with a RefusalError when the queue is full (QUEUE_FULL) and once the loop closes or has failed (DRAINING).
   */
  read<T>(reader: (state: BudgetState, nowMs: number) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const read = (state: BudgetState, nowMs: number) => {
        try {
          const value = reader(state, nowMs);
          return () => resolve(value);
        } catch (error) {
          return () => reject(error);
        }
      };
      if (this.#ended || this.#closed) {
        reject(new RefusalError({ reason: "DRAINING", message: "this daemon has ended; there is nothing to read" }));
      } else if (this.#queue.push({ read })) this.#wake();
      else reject(new RefusalError({ reason: "QUEUE_FULL", message: FULL, retryAfterMs: LIMITS.retryAfterMs }));
    });
  }

  /** Tells every message once its events are durable, before the callers of its batch are answered. */
  subscribe(listener: MessageListener): () => void {
    assert(this.#listeners.size < LIMITS.subscribersMax, "too many listeners of one loop");
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Answers what is queued, makes it durable and closes the journal. Nothing more is taken. Again is the same end. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = Promise.withResolvers();
      if (this.#ended) this.#finish();
      else this.#wake();
    }
    return this.#closed.promise;
  }

  #finish(): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#journal.close();
    this.#closed?.resolve();
  }

  #wake(): void {
    if (this.#turnIsDue || this.#committing || this.#ended) return;
    this.#turnIsDue = true;
    const turn = (): void => {
      this.#turnIsDue = false;
      this.#guarded(() => this.#turn());
    };
    if (this.#calm) this.#clock.atOnce(turn);
    else this.#clock.soon(turn);
  }

  #guarded(step: () => void): void {
    if (this.#ended) return;
    try {
      step();
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #fail(error: Error): void {
    this.#ended = true;
    this.#timer?.cancel();
    this.#onFatal(error);
    if (this.#closed) this.#finish();
  }

  #turn(): void {
    if (this.#committing) return;
    this.#turns += 1;
    this.#calm = false;
    let taken = 0;
    const nowMs = this.#engineClock.nowMs();
    const events: BudgetEvent[] = [];
    const messages: Message[] = [];
    const answers: (() => void)[] = [];
    const early: EarlyAnswer[] = [];
    const ahead = this.#ahead;
    ahead?.begin();
    const commands: Command[] = [];
    const outcomes: Outcome[] = [];
    let weight = 0;
    const take = (command: Command): Outcome => {
      const decision = decide(this.#state, command);
      const { type } = decision.outcome;
      const outcome = type === "queued" ? this.decisions.withRate(decision.outcome, command, nowMs) : decision.outcome;
      for (const event of decision.events) events.push(event);
      weight += weightOf(decision.events);
      for (const message of decision.messages) messages.push(message);
      if (isNoted(command, outcome)) {
        commands.push(command);
        outcomes.push(outcome);
      }
      ahead?.decided(command, outcome, decision.events);
      if (this.#checkInvariants) assertInvariants(this.#state);
      return outcome;
    };
    if ((nextDueMs(this.#state) ?? Number.POSITIVE_INFINITY) <= nowMs) take({ type: "tick", nowMs });
    for (
      let next = this.#queue.shift();
      next;
      next = weight < LIMITS.commitEventsMax ? this.#queue.shift() : undefined
    ) {
      if ("read" in next) {
        answers.push(next.read(this.#state, nowMs));
        continue;
      }
      const { commands: asked, done, onAhead } = next;
      this.#commandsWaiting -= asked.length;
      taken += asked.length;
      const answered = asked.map((command) => take(timed(command, nowMs)));
      answers.push(() => done(answered));
      if (onAhead && ahead) early.push((covered) => onAhead(answered, covered));
    }
    this.#commit({ engineTimeMs: nowMs, events }, this.#onWritten(early), () => {
      if (commands.length > 0 || messages.length > 0) {
        this.decisions.note({ atMs: nowMs, wallMs: this.#clock.wallMs(), commands, outcomes, messages });
      }
      for (const message of messages) for (const listener of this.#listeners) listener(message);
      for (const answer of answers) answer();
      if (taken <= LIMITS.calmCommandsMax) this.#awaitCalm();
      this.#armTimer();
      if (this.#queue.size > 0) this.#wake();
      else if (this.#closed) this.#finish();
    });
  }

  /** What to do with the batch once it is written; nothing: it is to be synced at once. */
  #onWritten(early: readonly EarlyAnswer[]): (() => void) | undefined {
    const covered = early.length > 0 ? this.#ahead?.covered : undefined;
    if (!covered || covered.size === 0) return undefined;
    return () => {
      for (const answer of early) answer(covered);
    };
  }

  /** It is calm when the event loop has read all that came meanwhile, once at least, and nothing of it was for this loop. */
  #awaitCalm(): void {
    const turns = this.#turns;
    this.#clock.soon(() =>
      this.#clock.soon(() => {
        this.#calm = this.#turns === turns && !this.#turnIsDue;
      }),
    );
  }

  #commit(
    commit: { readonly engineTimeMs: number; readonly events: readonly BudgetEvent[] },
    written: (() => void) | undefined,
    durable: () => void,
  ): void {
    if (commit.events.length === 0) {
      durable();
      return;
    }
    this.#committing = true;
    const done = (error?: Error): void => {
      this.#committing = false;
      if (error) this.#fail(error);
      else this.#guarded(durable);
    };
    if (written) this.#journal.append(commit, done, () => this.#guarded(written));
    else this.#journal.append(commit, done);
  }

  /** Sees to it that a turn comes when something is due. A timer for what is due no more stays, and when it is over is set anew. */
  #armTimer(): void {
    const dueMs = nextDueMs(this.#state);
    if (dueMs === undefined || this.#ended || (this.#timer !== undefined && this.#timer.atMs <= dueMs)) return;
    this.#timer?.cancel();
    const cancel = this.#clock.after(Math.max(0, dueMs - this.#engineClock.nowMs()), () => {
      this.#timer = undefined;
      if ((nextDueMs(this.#state) ?? Number.POSITIVE_INFINITY) <= this.#engineClock.nowMs()) this.#wake();
      else this.#armTimer();
    });
    this.#timer = { atMs: dueMs, cancel };
  }
}

/**
 * What the events of one decision count towards the end of a batch: more than one for those that may be long, so that a full batch
 * stays within LIMITS.commitRowBytesMax, which gives each event 2 KiB.
 */
function weightOf(events: readonly BudgetEvent[]): number {
  let weight = events.length;
  for (const event of events) {
    if (event.type === "note_attached") weight += event.value.length >> 8;
    else if (event.type === "usage_reported") weight += event.callsPerTool.length >> 3;
    else if (event.type === "allocation_opened") weight += event.path.length >> 8;
    else if (event.type === "allocation_closing") weight += event.reason.length >> 8;
  }
  return weight;
}
