/**
 * What this daemon decided lately, for whoever asks why. Kept in memory, bounded, and filled once a batch is durable: with references alone,
 * for words are made when somebody reads them. Grants and the like are kept in order; refusals by subject, the latest few of each.
 */
import {
  type Allocation,
  atRate,
  type BudgetState,
  type Command,
  type DecisionRecord,
  type Message,
  type Outcome,
} from "#budget";
import { assert, LIMITS } from "#std";
import {
  askedNode,
  type Entry,
  entryOfMessage,
  entryOfOutcome,
  Known,
  type Waiting,
  waitedAs,
} from "./decision-entry.ts";
import { allocationIdOf, type DecisionSubject, mentions, recordOf } from "./decision-record.ts";
import { ShadowCounts } from "./decision-shadows.ts";
import { ServedRates } from "./served-rates.ts";

export type { DecisionSubject };

export interface Decision {
  /** Wall clock of this daemon; for display. */
  readonly wallMs: number;
  readonly record: DecisionRecord;
}

/** `node`: what it is about, or else the node that was asked; undefined when neither is known. */
export type DecisionListener = (decision: Decision, node: Allocation | undefined) => void;

export interface Memory {
  /** Decisions of this life of the daemon, and how many of them are forgotten. */
  readonly noted: number;
  readonly forgotten: number;
}

export interface NotedBatch {
  readonly atMs: number;
  readonly wallMs: number;
  readonly commands: readonly Command[];
  /** The outcomes of these commands, in their order. */
  readonly outcomes: readonly Outcome[];
  readonly messages: readonly Message[];
}

/** Whether the outcome of such a command is remembered: what is decided about budget, and of calls what is refused. */
export function isNoted({ type }: Command, outcome: Outcome): boolean {
  if (type === "grant") return true;
  if (type === "reserve" || type === "receive_grant") return outcome.type === "refused";
  return type === "reclaim" || type === "update_limits" || type === "write_off" || type === "reserve_ahead";
}

export class DecisionLog {
  readonly #state: BudgetState;
  /** A ring: the next one goes where the oldest is. */
  readonly #kept: Entry[] = [];
  readonly #refused = new Map<string, Entry[]>();
  /** Requests that wait, by caller and request id, to know afterwards what they asked and how long they waited. */
  readonly #waiting: Waiting = new Map();
  readonly #listeners = new Set<DecisionListener>();
  readonly #shadows = new ShadowCounts();
  readonly #rates = new ServedRates();
  #next = 0;
  #noted = 0;

  constructor(state: BudgetState) {
    this.#state = state;
  }

  get memory(): Memory {
    let kept = this.#kept.length;
    for (const entries of this.#refused.values()) kept += entries.length;
    return { noted: this.#noted, forgotten: this.#noted - kept };
  }

  /** To be called when the batch is durable, and before anybody is told of it. */
  note({ atMs, wallMs, commands, outcomes, messages }: NotedBatch): void {
    const known = new Known(this.#state, this.#waiting, { atMs, wallMs });
    for (const [index, command] of commands.entries()) {
      const outcome = outcomes[index];
      const entry = outcome && entryOfOutcome(known, command, outcome);
      if (!entry) continue;
      if (entry.type === "queued" && entry.node) this.#rates.came({ nodeId: entry.node.id, atMs });
      this.#keep(entry);
    }
    for (const message of messages) {
      if ((message.type === "closing" || message.type === "closed") && this.#listeners.size === 0) continue;
      if (message.type === "decided") this.#countEnd(known, message);
      const entry = entryOfMessage(known, message);
      if (!entry) continue;
      // How something closed stands in the state for as long as it is known at all.
      if (entry.type === "closing") this.#tell(entry);
      else this.#keep(entry);
    }
  }

  /** The latest decision about this request or allocation that is no refusal. */
  latest(id: string): Decision | undefined {
    for (let back = 1; back <= this.#kept.length; back += 1) {
      const entry = this.#kept[(this.#next - back + this.#kept.length) % this.#kept.length];
      if (entry && (entry.requestId === id || allocationIdOf(entry) === id)) return decisionOf(entry);
    }
    return undefined;
  }

  /** The latest decisions that mention the subject, oldest first, `most` of them. */
  find(subject: DecisionSubject, most: number): Decision[] {
    const all = [...this.#kept, ...[...this.#refused.values()].flat()];
    const found = all.filter((entry) => mentions(entry, subject)).sort((a, b) => a.number - b.number);
    return found.slice(-most).map(decisionOf);
  }

  /** Tells every decision from now on. */
  follow(listener: DecisionListener): () => void {
    assert(this.#listeners.size < LIMITS.subscribersMax, "too many listeners of one log of decisions");
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** How the policy that is tried at a node has done there; undefined where nothing was decided by it. */
  shadowAt(nodeId: string): string | undefined {
    return this.#shadows.wordsAt(nodeId);
  }

  /** How often those who wait at a node are served, as told at this engine time. */
  servedEvery(atMs: number): (nodeId: string) => number | undefined {
    return (nodeId) => this.#rates.everyMs({ nodeId, atMs });
  }

  /** The answer as its caller is told it: of one who waits with how often one is served there, where nothing better is known. */
  withRate(outcome: Outcome, command: Command, atMs: number): Outcome {
    if (outcome.type !== "queued" || command.type !== "grant") return outcome;
    const nodeId = askedNode(this.#state, command.wish)?.id ?? "";
    return { ...outcome, conflict: atRate(outcome.conflict, this.#rates.everyMs({ nodeId, atMs })) };
  }

  #countEnd({ waiting, when: { atMs } }: Known, message: Extract<Message, { readonly type: "decided" }>): void {
    const node = waitedAs(waiting, message)?.node;
    const { type } = message.outcome;
    if (node)
      this.#rates.left({ nodeId: node.id, atMs }, type === "opened" || type === "raised" ? "served" : "unserved");
  }

  #keep(entry: Entry): void {
    if (entry.shadow && entry.node) this.#shadows.note(entry.node.id, entry.shadow);
    this.#noted += 1;
    entry.number = this.#noted;
    if (entry.type === "refused") this.#keepRefusal(entry, entry.subject);
    else {
      this.#kept[this.#next] = entry;
      this.#next = (this.#next + 1) % LIMITS.decisionsKept;
    }
    this.#tell(entry);
  }

  #keepRefusal(entry: Entry, subject: string): void {
    const before = this.#refused.get(subject) ?? [];
    if (before.length >= LIMITS.refusalsPerSubjectKept) before.shift();
    before.push(entry);
    // The subject that was refused last is forgotten last.
    this.#refused.delete(subject);
    this.#refused.set(subject, before);
    if (this.#refused.size <= LIMITS.refusedSubjectsKept) return;
    const [oldest] = this.#refused.keys();
    if (oldest !== undefined) this.#refused.delete(oldest);
  }

  #tell(entry: Entry): void {
    if (this.#listeners.size === 0) return;
    const decision = decisionOf(entry);
    for (const listener of this.#listeners) listener(decision, entry.node);
  }
}

function decisionOf(entry: Entry): Decision {
  return { wallMs: entry.when.wallMs, record: recordOf(entry) };
}
