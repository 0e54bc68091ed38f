/**
 * The worker of one step: reserves, calls, settles, and says what it did in a log of its own. It loses connections and finds them again,
 * asks again under the same request_id, sometimes spends more than it reserved, and sometimes vanishes in the middle of a call.
 */
import { CallKind } from "#gen/bursar/v1/meter_service_pb.js";
import { type WorkerReady, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { fromStatusMessage } from "#rpc";
import type { Prng } from "#std";
import { systemClock } from "#tier";
import { elapse } from "./elapse.ts";
import { LostError, type MeterConnections, type MeterOperation, type MeterResult } from "./meter-connection.ts";
import type { CallEvent, Cost, WorkerLog } from "./worker-log.ts";

/** One call: what it is reserved at, the least that is of use, and what it will truly cost. */
export interface PlannedCall {
  readonly wanted: Cost;
  readonly min: Cost;
  readonly cost: Cost;
  readonly durationMs: number;
}

export interface WorkerOptions {
  /** The step, with its token; `address` is where the worker dials. */
  readonly ready: Pick<WorkerReady, "allocationId" | "token" | "path" | "address">;
  readonly connections: MeterConnections;
  readonly log: WorkerLog;
  /** The calls it makes, in order; ends the step when there are no more. */
  readonly calls: Iterator<PlannedCall>;
  readonly prng: Prng;
  /** It may vanish in the middle of a call. */
  readonly vanishes: boolean;
  /** Aborted: make no further call, settle what is in flight and end the step. */
  readonly windUp: AbortSignal;
  /** Aborted: ask nothing more; what has no answer by now has none. */
  readonly leave: AbortSignal;
}

/** Time to live of its holds: short, for a round waits for those that nobody settles. */
const HOLD_TTL_MS = 2_000;
const RETRY_MS = 100;

/** How often in a thousand calls a worker does what workers do. */
const HABITS = Object.freeze({
  /** Spends more than was set aside. */
  overrun: 30,
  /** Says a thing twice, as one does that restarts. */
  repeat: 30,
  /** Tells a part of the cost while the call goes on. */
  part: 100,
  /** Never settles the call, and goes on with others. */
  forget: 12,
  /** Is never heard of again. */
  vanish: 4,
});

const permille = (prng: Prng, parts: number): boolean => prng.below(1_000) < parts;

/** `on`: it can go on; `over`: the step takes no more of it; `gone`: it has vanished. */
type Stand = "on" | "over" | "gone";

type Answered = { readonly result: MeterResult; readonly attempts: number };

export class Worker {
  readonly #options: WorkerOptions;
  #calls = 0;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Works until there is nothing more to do, or nothing more can be done. */
  async work(): Promise<void> {
    const { calls, windUp, ready } = this.#options;
    let stand: Stand = "on";
    while (stand === "on" && !windUp.aborted) {
      const next = calls.next();
      if (next.done === true) break;
      stand = await this.#call(next.value);
    }
    if (stand === "gone") return;
    const outcome = stand === "on" ? WorkOutcome.SUCCEEDED : WorkOutcome.STOPPED;
    await this.#ask({ case: "complete", value: { allocationId: ready.allocationId, outcome } });
  }

  async #call(planned: PlannedCall): Promise<Stand> {
    const { prng, vanishes } = this.#options;
    const call = `call-${++this.#calls}`;
    const held = await this.#reserve(call, planned);
    if (held === undefined) return "over";
    const { holdId, granted, live } = held;
    if (!live) {
      // The answer came too late to be of use: no call is made, and none is charged.
      return this.#settle(call, holdId, { credits: 0, toolCalls: 0 }, true);
    }
    // What it is clamped to it heeds; what it overruns it overruns by its own fault.
    const overruns = permille(prng, HABITS.overrun);
    const cost = overruns
      ? { credits: granted.credits + 1 + prng.below(50), toolCalls: granted.toolCalls }
      : {
          credits: Math.min(planned.cost.credits, granted.credits),
          toolCalls: Math.min(planned.cost.toolCalls, granted.toolCalls),
        };
    this.#tell(call, { op: "made", cost });
    if (planned.durationMs > 0) await elapse(planned.durationMs);
    if (vanishes && permille(prng, HABITS.vanish)) return "gone";
    if (permille(prng, HABITS.forget)) return "on";
    if (permille(prng, HABITS.part) && cost.credits > 1) {
      const part = { credits: 1 + prng.below(cost.credits - 1), toolCalls: 0 };
      if ((await this.#settle(call, holdId, part, false)) === "over") return "over";
    }
    const stand = await this.#settle(call, holdId, cost, true);
    return stand === "on" && permille(prng, HABITS.repeat) ? this.#settle(call, holdId, cost, true) : stand;
  }

  async #reserve(call: string, { wanted, min }: PlannedCall) {
    const { allocationId } = this.#options.ready;
    this.#tell(call, { op: "reserve", wanted });
    const reserve = {
      requestId: call,
      allocationId,
      kind: CallKind.MODEL,
      name: "default",
      wanted: amounts(wanted),
      minAmount: amounts(min),
      ttlMs: HOLD_TTL_MS,
    };
    if (permille(this.#options.prng, HABITS.repeat))
      this.#tellHeld(call, await this.#ask({ case: "reserve", value: reserve }));
    const answered = await this.#ask({ case: "reserve", value: reserve });
    const held = this.#tellHeld(call, answered);
    if (held !== undefined) return held;
    this.#tell(call, { op: "refused", why: whyOf(answered), sure: answered?.attempts === 1 });
    return undefined;
  }

  #tellHeld(call: string, answered: Answered | undefined) {
    if (answered?.result.case !== "held") return undefined;
    const { holdId, granted, ttlMs } = answered.result.value;
    const held = { credits: Number(granted?.credits ?? 0n), toolCalls: Number(granted?.toolCalls ?? 0n) };
    this.#tell(call, { op: "held", holdId, granted: held });
    return { holdId, granted: held, live: ttlMs > 0 };
  }

  async #settle(call: string, holdId: string, cost: Cost, final: boolean): Promise<Stand> {
    const { allocationId } = this.#options.ready;
    this.#tell(call, { op: "settle", cost, final });
    const value = { allocationId, holdId, credits: BigInt(cost.credits), toolCalls: BigInt(cost.toolCalls), final };
    const answered = await this.#ask({ case: "settle", value });
    if (answered?.result.case === "settled") {
      const { credits, toolCalls, late } = answered.result.value;
      this.#tell(call, {
        op: "settled",
        cost: { credits: Number(credits), toolCalls: Number(toolCalls) },
        final,
        late,
      });
      return "on";
    }
    this.#tell(call, { op: "unsettled", why: whyOf(answered) });
    return "over";
  }

  /** Asks until there is an answer; undefined when it was told to leave before, or the daemon does not know it any more. */
  async #ask(operation: MeterOperation): Promise<Answered | undefined> {
    const { ready, connections, leave } = this.#options;
    for (let attempts = 1; !leave.aborted; attempts += 1) {
      try {
        const connection = connections.at(ready.address);
        const attached = await connection.attach(ready.allocationId, ready.token);
        // Asked for nothing yet: what an earlier attempt did is not known.
        if (attached.case === "error") return { result: attached, attempts: attempts + 1 };
        return { result: await connection.ask(operation), attempts };
      } catch (error) {
        if (!(error instanceof LostError)) throw error;
        await elapse(RETRY_MS, leave);
      }
    }
    return undefined;
  }

  #tell(call: string, event: CallEvent): void {
    const { ready, log } = this.#options;
    log.add({ t: systemClock.wallMs(), step: ready.allocationId, path: ready.path, call, ...event });
  }
}

function amounts({ credits, toolCalls }: Cost) {
  return { credits: BigInt(credits), toolCalls: BigInt(toolCalls) };
}

function whyOf(answered: Answered | undefined): string {
  if (answered === undefined) return "no answer";
  const { result } = answered;
  return result.case === "error"
    ? String(fromStatusMessage(result.value))
    : `an answer of another kind: ${result.case}`;
}
