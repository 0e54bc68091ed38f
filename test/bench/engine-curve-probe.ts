/** The process of one curve of the engine: fills one node, and tells at each size what a decision costs beside all that is there. */
import { amount, amountsOf, createState, decide, type OpenWish, type Policy, STRATEGIES } from "#budget";

/** Each strategy with open siblings; with requests that wait; and shares that must be given by the siblings. */
export const CURVES = [
  ...STRATEGIES.map((strategy) => `siblings.${strategy}` as const),
  "waiting.PRIORITY_BASED",
  "waiting.QUEUE_AND_WAIT",
  "waiting.PREEMPTION_ALLOWED",
  "waiting.PROPORTIONAL_SHARING",
  "tight.PROPORTIONAL_SHARING",
] as const;
export type Curve = (typeof CURVES)[number];

export interface CurvePoint {
  readonly size: number;
  readonly decisionUs: number;
}

interface Order {
  readonly curve: Curve;
  readonly sizes: readonly number[];
}

const CREDITS = 1_000;
/** Pairs of decisions measured at each size, and the time after which fewer are enough. */
const [PAIRS, ENOUGH_MS] = [5_000, 3_000];

class Probe {
  readonly #state = createState();
  readonly #kind: string;
  #count = 0;
  #size = 0;

  constructor(curve: Curve) {
    const [kind = "", strategy = ""] = curve.split(".");
    this.#kind = kind;
    const policy: Policy = {
      strategy: strategy as (typeof STRATEGIES)[number],
      queueLengthMax: 2_000_000,
      queueWaitMsMax: 1_000_000_000,
    };
    const limits = { credits: amount(kind === "siblings" ? 1e12 : kind === "tight" ? 1 : CREDITS) };
    this.#run({ type: "open_root", nowMs: 0, allocationId: "node", name: "node", limits, policy });
    // What it holds it needs, so that nobody behind it is served.
    if (kind === "waiting") this.#open(this.#wish(CREDITS, CREDITS));
  }

  fill(size: number): void {
    if (this.#kind === "tight") this.#widen(size);
    for (; this.#size < size; this.#size += 1) this.#add();
  }

  /** Microseconds of this thread for one decision: what else runs on the machine shall not look like a curve. */
  measure(): number {
    const startMs = performance.now();
    const before = process.threadCpuUsage();
    let pairs = 0;
    for (; pairs < PAIRS && performance.now() - startMs < ENOUGH_MS; pairs += 1) this.#remove(this.#add());
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / (2 * pairs);
  }

  /** So that the first size does not pay for what is compiled. */
  warmUp(): void {
    for (let pair = 0; pair < PAIRS; pair += 1) this.#remove(this.#add());
  }

  /** As much as those to come wish, so that nothing of it is free then. */
  #widen(size: number): void {
    const limits = { credits: amount(size * CREDITS) };
    this.#run({
      type: "set_limits",
      nowMs: 0,
      allocationId: "node",
      limits,
      policy: { strategy: "PROPORTIONAL_SHARING" },
    });
  }

  #add(): string {
    if (this.#kind === "waiting") return this.#open({ ...this.#wish(CREDITS, 1), waitMs: 1_000_000_000 });
    return this.#open(this.#wish(CREDITS, this.#kind === "tight" ? 0 : CREDITS));
  }

  #remove(id: string): void {
    if (this.#kind === "waiting") this.#run({ type: "cancel_request", nowMs: 0, caller: "bench", requestId: id });
    else this.#run({ type: "close", nowMs: 0, allocationId: id, reason: "done" });
  }

  #open(wish: OpenWish): string {
    this.#run({ type: "grant", nowMs: 0, wish });
    return wish.allocationId;
  }

  #run(command: Parameters<typeof decide>[1]): void {
    const { outcome } = decide(this.#state, command);
    if (outcome.type === "refused") throw new Error(`${command.type} was refused: ${JSON.stringify(outcome.refusal)}`);
  }

  #wish(credits: number, min: number): OpenWish {
    this.#count += 1;
    const allocationId = `a-${this.#count}`;
    const place = { caller: "bench", requestId: allocationId, allocationId, parentId: "node", name: "step" } as const;
    const own = {
      token: undefined,
      policy: {},
      pooled: [],
      byHolder: false,
      holder: undefined,
      leaseTtlMs: 0,
    } as const;
    const rank = { priority: "NORMAL", weight: 1, waitMs: 0, strategy: undefined } as const;
    const limits = { credits: amount(credits) };
    const wished = { limits, min: amountsOf({ credits: amount(min) }) };
    return { type: "open", kind: "step", ...place, ...own, ...rank, ...wished };
  }
}

const send = process.send?.bind(process);
if (send !== undefined) {
  const { curve, sizes } = JSON.parse(process.argv[2] ?? "{}") as Order;
  const probe = new Probe(curve);
  for (const size of sizes) {
    probe.fill(size);
    if (size === sizes[0]) probe.warmUp();
    send({ size, decisionUs: probe.measure() } satisfies CurvePoint);
  }
  process.disconnect?.();
}
