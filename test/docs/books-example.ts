/** The worked examples of docs/architecture.md as the engine itself works them out: rows of the same table, from the real books. */
import {
  type Amount,
  amountsOf,
  assertInvariants,
  type Command,
  createState,
  decide,
  NO_USAGE,
  NOTHING,
  type OpenWish,
} from "#budget";

type WithoutTime<T> = T extends { readonly nowMs: number } ? Omit<T, "nowMs"> : never;

const LEASE_MS = 15_000;

class Example {
  readonly rows: string[] = [];
  readonly #state = createState();
  #nowMs = 0;

  wait(ms: number): void {
    this.#nowMs += ms;
    this.do({ type: "tick" });
  }

  do(command: WithoutTime<Command>): void {
    const { outcome } = decide(this.#state, { ...command, nowMs: this.#nowMs } as Command);
    if (outcome.type === "refused") throw new Error(JSON.stringify(outcome.refusal));
    assertInvariants(this.#state);
  }

  open(name: string, parentId: string, credits: number, holder?: string): void {
    const limits = { credits: credits as Amount };
    const fixed = { priority: "NORMAL", weight: 1, policy: {}, pooled: [], byHolder: false, waitMs: 0 } as const;
    const rank = { ...fixed, strategy: undefined, token: undefined, leaseTtlMs: LEASE_MS, kind: "step" } as const;
    const place = { allocationId: name, requestId: name, caller: "example", parentId, name, limits, holder } as const;
    const wish: OpenWish = { type: "open", ...rank, ...place, min: amountsOf(limits) };
    this.do({ type: "grant", wish });
  }

  reserve(holdId: string, allocationId: string, credits: number): void {
    const wanted = amountsOf({ credits: credits as Amount });
    const call = { what: "model", name: "m", requestId: holdId, holdId, allocationId, ttlMs: 60_000 } as const;
    this.do({ type: "reserve", ...call, wanted, min: wanted });
  }

  settle(holdId: string, allocationId: string, cost: number): void {
    const facts = { networkBytes: 0, diskBytes: 0, gpuMs: 0, memoryPeakBytes: 0 };
    const charged = { credits: cost as Amount, toolCalls: NOTHING.toolCalls, final: true };
    this.do({ type: "settle", allocationId, holdId, ...charged, ...facts });
  }

  report(credits: number, { final = false } = {}): void {
    const usage = { ...NO_USAGE, credits: credits as Amount };
    this.do({ type: "report_usage", caller: "holder", allocationId: "step", epoch: 1, sequence: 0, usage, final });
  }

  /** Writes down the books of one node as they now stand. */
  row(what: string, id: string): void {
    const book = this.#state.allocations.get(id)?.books.credits;
    if (book === undefined) throw new Error(`no node ${id}`);
    const { limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent } = book;
    const terms = [limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent];
    this.rows.push(`| ${what} | ${id} | ${terms.join(" | ")} |`);
  }

  root(name: string, credits: number): void {
    const limits = { credits: credits as Amount };
    this.do({ type: "open_root", allocationId: name, name, limits, policy: {} });
  }
}

/** A swarm of 1,000 credits, a run, a step, two calls, the second of which costs more than anybody had set aside. */
export function callsExample(): string[] {
  const example = new Example();
  example.root("swarm", 1_000);
  example.open("run", "swarm", 600);
  example.open("step", "run", 400);
  example.row("granted: 600 to the run, of which 400 to the step", "swarm");
  example.row("", "run");
  example.row("", "step");
  example.reserve("first", "step", 150);
  example.row("reserve 150", "step");
  example.settle("first", "step", 120);
  example.row("settle 120; 30 are free again", "step");
  example.row("the usage of 120 is inside granted", "run");
  example.reserve("second", "step", 100);
  example.settle("second", "step", 330);
  example.row("reserve 100, settle 330: overrun 230, of which 50 owed", "step");
  example.row("the step has used 450 of 400", "run");
  example.row("", "swarm");
  example.do({ type: "close", allocationId: "step", reason: "done" });
  example.row("the step is closed", "run");
  example.do({ type: "close", allocationId: "run", reason: "done" });
  example.row("the run is closed; 150 are back", "swarm");
  return example.rows;
}

/** A holder that falls silent and comes back. */
export function doubtExample(): string[] {
  const example = new Example();
  example.root("run", 600);
  example.open("step", "run", 400, "holder");
  example.report(150);
  example.row("400 granted to a step elsewhere, 150 reported", "run");
  example.wait(LEASE_MS + 2_000);
  example.row("its lease ends unrenewed", "run");
  example.report(320);
  example.row("its holder is back: 320 used by now", "run");
  example.report(320, { final: true });
  example.row("it closes: 320 spent, 80 back", "run");
  return example.rows;
}
