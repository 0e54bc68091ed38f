/** For tests: a ledger with true events, the same every time: allocations are opened under one account, spend, and are closed again. */
import {
  type Amount,
  type BudgetState,
  type Command,
  createState,
  decide,
  describeState,
  evolve,
  type GrantWish,
  NOTHING,
  restoreState,
} from "#budget";
import { decodeCommit, encodeCommit } from "#codec";
import type { Commit, OpenedJournal } from "#ports";
import { assert } from "#std";
import type { CommitCodec } from "./commit-codec.ts";

/** The codec of the daemons. */
export const realCodec: CommitCodec = { encode: encodeCommit, decode: decodeCommit };

const amount = (n: number): Amount => n as Amount;
const credits = (n: number) => ({ ...NOTHING, credits: amount(n) });

const MINUTE_MS = 60_000;

export interface LedgerOptions {
  /** How many allocations stay open at a time. Default 20. */
  readonly openMax?: number;
  /** Engine time from commit to commit. Default 10. */
  readonly stepMs?: number;
}

/** Writes commits `1, 2, …`, each a few events. */
export class Ledger {
  readonly state: BudgetState = createState();
  readonly #openMax: number;
  readonly #stepMs: number;
  #count = 0;

  constructor({ openMax = 20, stepMs = 10 }: LedgerOptions = {}) {
    this.#openMax = openMax;
    this.#stepMs = stepMs;
  }

  /** A ledger whose steps are a minute long, so that its state stays small, at the commit that led to `state`. */
  static after({ engineTimeMs }: { readonly engineTimeMs: number }): Ledger {
    const ledger = new Ledger({ stepMs: MINUTE_MS });
    while (ledger.count * MINUTE_MS < engineTimeMs) ledger.next();
    return ledger;
  }

  get count(): number {
    return this.#count;
  }

  next(): Commit {
    this.#count += 1;
    const n = this.#count;
    const nowMs = this.#stepMs * n;
    const events = this.#commands(n, nowMs).flatMap((command) => decide(this.state, command).events);
    assert(events.length > 0, `commit ${n} has no events`);
    return { engineTimeMs: nowMs, events };
  }

  #commands(n: number, nowMs: number): Command[] {
    if (n === 1) return [{ type: "open_root", nowMs, allocationId: "root", name: "root", limits: {}, policy: {} }];
    const commands: Command[] = [
      { type: "tick", nowMs },
      open(n, nowMs),
      reserve(n, nowMs),
      settle(n, nowMs, n % 3 > 0),
    ];
    const old = n - this.#openMax;
    if (old <= 1) return commands;
    if (old % 3 === 0) commands.push(settle(old, nowMs, true));
    commands.push({ type: "close", nowMs, allocationId: `node-${old}`, reason: "over" });
    return commands;
  }
}

function open(n: number, nowMs: number): Command {
  const wish: GrantWish = {
    type: "open",
    caller: "test",
    requestId: `open-${n}`,
    allocationId: `node-${n}`,
    token: `token-${n}`,
    parentId: "root",
    name: `node-${n}`,
    kind: "step",
    limits: { credits: amount(1_000 + n) },
    min: credits(1_000 + n),
    priority: "NORMAL",
    weight: 1,
    policy: {},
    pooled: [],
    byHolder: false,
    holder: undefined,
    leaseTtlMs: 0,
    waitMs: 0,
    strategy: undefined,
  };
  return { type: "grant", nowMs, wish };
}

function reserve(n: number, nowMs: number): Command {
  const ids = { requestId: `reserve-${n}`, allocationId: `node-${n}`, holdId: `hold-${n}` };
  const wanted = credits(n % 97);
  return { type: "reserve", nowMs, ...ids, what: "tool", name: `tool-${n % 5}`, wanted, min: NOTHING, ttlMs: 60_000 };
}

function settle(n: number, nowMs: number, final: boolean): Command {
  const ids = { allocationId: `node-${n}`, holdId: `hold-${n}` };
  const cost = { credits: amount(n % 89), toolCalls: amount(0) };
  const facts = { networkBytes: n, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
  return { type: "settle", nowMs, ...ids, ...cost, ...facts, final };
}

/** The first `count` commits. */
export function ledgerCommits(count: number): Commit[] {
  const ledger = new Ledger();
  return Array.from({ length: count }, () => ledger.next());
}

/** The state that an opened journal leads to, read as the loop reads it. */
export function stateOf({ snapshot, commits }: Pick<OpenedJournal, "snapshot" | "commits">): BudgetState {
  const state = snapshot === undefined ? createState() : restoreState(snapshot);
  for (const commit of commits) for (const event of commit.events) evolve(state, event);
  return state;
}

/** The description of the state after the first `count` commits of a ledger. */
export function ledgerState(count: number): unknown {
  return describeState(stateOf({ snapshot: undefined, commits: ledgerCommits(count) }));
}
