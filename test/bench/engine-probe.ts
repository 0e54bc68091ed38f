/**
 * The process of the engine rows: the engine alone, a heap of its own. Opens allocations up to a size and tells its parent what an open
 * one weighs; then it opens one and closes the oldest, again and again, and tells what one decision cost. What an allocation weighs is
 * true in a process that is asked for nothing else: closed ones leave their answers behind, and room that the heap keeps.
 */
import { amount, amountsOf, createState, decide, NOTHING, nextDueMs, type OpenWish, type StrategyName } from "#budget";
import { systemIds } from "#tier";

/** What is asked of the process, as its one argument in JSON: populations in growing order. */
export interface EngineProbeOrder {
  readonly sizes: readonly number[];
  /** Length of each measurement of decisions in milliseconds; 0: none. */
  readonly durationMs: number;
  /** Of the swarms. Default: the account's, which is first come, first served. */
  readonly strategy?: StrategyName;
}

export interface EngineProbeResult {
  readonly size: number;
  /** Grants and closes per second; 0 when they are not measured. */
  readonly decisionsPerSecond: number;
  /** Growth of the resident memory since the process began, per open allocation, in bytes, after garbage collection. */
  readonly residentBytesEach: number;
}

const SWARMS = 10;
/** Commands made ready before the clock runs: few, for what waits to be decided is copied by each collection of young objects. */
const BLOCK = 500;
/** Engine time between two grants: the answers of closed ones are kept for ten minutes, so about 100,000 are. */
const STEP_MS = 6;

class EngineProbe {
  readonly #state = createState();
  readonly #open: string[] = [];
  #oldest = 0;
  #nowMs = 0;
  #grants = 0;

  constructor(strategy: StrategyName | undefined) {
    const policy = {};
    const limits = { credits: amount(Number.MAX_SAFE_INTEGER), branches: amount(100_000_000) };
    decide(this.#state, { type: "open_root", nowMs: 0, allocationId: "account", name: "account", limits, policy });
    for (let swarm = 0; swarm < SWARMS; swarm += 1) {
      const credits = amount(1e14);
      this.#grant({
        ...this.#wish("account", `swarm-${swarm}`),
        kind: "swarm",
        policy: strategy === undefined ? policy : { strategy },
        limits: { credits, branches: amount(9_000_000) },
      });
    }
  }

  get size(): number {
    return this.#open.length - this.#oldest;
  }

  fill(size: number): void {
    while (this.size < size) this.#openOne(this.#nextWish());
  }

  /** Decisions per second at the present size. */
  measure(durationMs: number): number {
    let spentMs = 0;
    let decisions = 0;
    while (spentMs < durationMs) {
      const wishes = Array.from({ length: BLOCK }, () => this.#nextWish());
      const startMs = performance.now();
      for (const wish of wishes) {
        this.#openOne(wish);
        this.#closeOldest();
      }
      spentMs += performance.now() - startMs;
      decisions += 2 * BLOCK;
      this.#open.splice(0, this.#oldest);
      this.#oldest = 0;
    }
    return (decisions * 1_000) / spentMs;
  }

  #openOne(wish: OpenWish): void {
    this.#grant(wish);
    this.#open.push(wish.allocationId);
  }

  #grant(wish: OpenWish): void {
    this.#nowMs += STEP_MS;
    if ((nextDueMs(this.#state) ?? Number.POSITIVE_INFINITY) <= this.#nowMs) {
      decide(this.#state, { type: "tick", nowMs: this.#nowMs });
    }
    const { outcome } = decide(this.#state, { type: "grant", nowMs: this.#nowMs, wish });
    if (outcome.type !== "opened") throw new Error(`a grant was answered with ${JSON.stringify(outcome)}`);
  }

  #closeOldest(): void {
    const allocationId = this.#open[this.#oldest] ?? "";
    this.#oldest += 1;
    const { outcome } = decide(this.#state, { type: "close", nowMs: this.#nowMs, allocationId, reason: "done" });
    if (outcome.type === "refused") throw new Error(`a close was answered with ${JSON.stringify(outcome)}`);
  }

  #nextWish(): OpenWish {
    this.#grants += 1;
    return this.#wish(`swarm-${this.#grants % SWARMS}`, systemIds.newId());
  }

  #wish(parentId: string, allocationId: string): OpenWish {
    const credits = amount(1_000);
    const place = {
      caller: "process-1",
      requestId: allocationId,
      allocationId,
      parentId,
      name: "run",
      kind: "run",
    } as const;
    const own = {
      token: undefined,
      policy: {},
      pooled: [],
      byHolder: false,
      holder: undefined,
      leaseTtlMs: 0,
    } as const;
    const rank = { priority: "NORMAL", weight: 1, waitMs: 0, strategy: undefined } as const;
    return { type: "open", ...place, ...own, ...rank, limits: { credits }, min: amountsOf({ ...NOTHING, credits }) };
  }
}

function residentBytes(): number {
  // Once for the garbage, and once more for the pages that the first has emptied.
  globalThis.gc?.();
  globalThis.gc?.();
  return process.memoryUsage.rss();
}

const send = process.send?.bind(process);
if (send !== undefined) {
  const { sizes, durationMs, strategy } = JSON.parse(process.argv[2] ?? "{}") as EngineProbeOrder;
  const probe = new EngineProbe(strategy);
  const emptyBytes = residentBytes();
  if (durationMs > 0) {
    probe.fill(sizes[0] ?? 0);
    probe.measure(durationMs);
  }
  for (const size of sizes) {
    probe.fill(size);
    const residentBytesEach = (residentBytes() - emptyBytes) / size;
    if (durationMs > 0) probe.measure(durationMs / 4);
    const decisionsPerSecond = durationMs > 0 ? probe.measure(durationMs) : 0;
    send({ size, decisionsPerSecond, residentBytesEach } satisfies EngineProbeResult);
  }
  process.disconnect?.();
}
