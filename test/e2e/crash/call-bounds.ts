/**
 * What the books may have charged for calls, by the worker's own log alone: exactly the true cost where the settle was acknowledged in
 * time, exactly the hold where nobody ever settled it, and where an answer is missing one of the two or nothing between them.
 */
import type { CallLine, Cost } from "./worker-log.ts";

/** The least and the most that may be charged. */
export interface Bounds {
  readonly low: Cost;
  readonly high: Cost;
}

export const NOTHING: Cost = { credits: 0, toolCalls: 0 };

const both = (one: Cost, other: Cost, choose: (one: number, other: number) => number): Cost => ({
  credits: choose(one.credits, other.credits),
  toolCalls: choose(one.toolCalls, other.toolCalls),
});

export const plus = (one: Cost, other: Cost): Cost => both(one, other, (left, right) => left + right);
export const least = (one: Cost, other: Cost): Cost => both(one, other, Math.min);
export const most = (one: Cost, other: Cost): Cost => both(one, other, Math.max);

/** All that the log says of one call. */
class Call {
  #wanted = NOTHING;
  #refused = false;
  #held: Cost | undefined;
  /** What is surely charged by now, and what may be. */
  #charged = NOTHING;
  #perhaps = NOTHING;
  #final: { readonly cost: Cost; readonly stand: "asked" | "late" | "done" } | undefined;

  add(line: CallLine): void {
    if (line.op === "reserve") this.#wanted = line.wanted;
    if (line.op === "refused") this.#refused = line.sure;
    if (line.op === "held") this.#held = line.granted;
    if (line.op === "settle") {
      this.#perhaps = most(this.#perhaps, line.cost);
      if (line.final) this.#final ??= { cost: line.cost, stand: "asked" };
    }
    if (line.op === "settled") {
      this.#charged = most(this.#charged, line.cost);
      // Said twice it was done by the first answer, however late the second came.
      if (line.final && this.#final?.stand !== "done") {
        this.#final = { cost: line.cost, stand: line.late ? "late" : "done" };
      }
    }
  }

  bounds(): Bounds {
    const held = this.#held;
    if (held === undefined) return { low: NOTHING, high: this.#refused ? NOTHING : this.#wanted };
    if (this.#final?.stand === "done") return { low: this.#final.cost, high: this.#final.cost };
    // Lapsed: what was set aside, or what was charged already if that is more.
    const low = most(held, this.#final?.stand === "late" ? NOTHING : this.#charged);
    const high = most(held, this.#perhaps);
    return this.#final === undefined ? { low, high } : { low: least(low, this.#final.cost), high };
  }
}

/** What the answers to one call cannot be together: two holds for one request, or a charge that was never told. */
export function contradictions(lines: readonly CallLine[]): string[] {
  const held = new Map<string, CallLine & { op: "held" }>();
  const told = new Map<string, Cost>();
  return lines.flatMap((line) => {
    const id = `${line.step} ${line.call}`;
    const name = `${line.call} of ${line.path}`;
    if (line.op === "settle") told.set(id, line.cost);
    if (line.op === "settled" && !same(line.cost, told.get(id) ?? NOTHING)) {
      return [`${name} was settled at ${told.get(id)?.credits} credits and answered ${line.cost.credits}`];
    }
    if (line.op !== "held") return [];
    const before = held.get(id) ?? line;
    held.set(id, before);
    return before.holdId === line.holdId && same(before.granted, line.granted)
      ? []
      : [`${name} got hold ${before.holdId} first and ${line.holdId} then`];
  });
}

const same = (one: Cost, other: Cost): boolean => one.credits === other.credits && one.toolCalls === other.toolCalls;

/** Bounds of all calls together, by what `keyOf` says of their lines. */
export function boundsBy(lines: readonly CallLine[], keyOf: (line: CallLine) => string): Map<string, Bounds> {
  const calls = new Map<string, { readonly key: string; readonly call: Call }>();
  for (const line of lines) {
    const id = `${line.step} ${line.call}`;
    const known = calls.get(id) ?? { key: keyOf(line), call: new Call() };
    calls.set(id, known);
    known.call.add(line);
  }
  const sums = new Map<string, Bounds>();
  for (const { key, call } of calls.values()) {
    const { low, high } = sums.get(key) ?? { low: NOTHING, high: NOTHING };
    const own = call.bounds();
    sums.set(key, { low: plus(low, own.low), high: plus(high, own.high) });
  }
  return sums;
}

/** The most that was ever spent and set aside at a time by the workers' own account, overruns left out; by what `keyOf` says. */
export function peakBy(lines: readonly CallLine[], keyOf: (line: CallLine) => string): Map<string, Cost> {
  const now = new Map<string, Cost>();
  const peak = new Map<string, Cost>();
  const held = new Map<string, Cost>();
  const ended = new Set<string>();
  const add = (key: string, by: Cost) => {
    const sum = plus(now.get(key) ?? NOTHING, by);
    now.set(key, sum);
    peak.set(key, most(peak.get(key) ?? NOTHING, sum));
  };
  for (const line of lines) {
    const id = `${line.step} ${line.call}`;
    const known = held.get(id);
    if (line.op === "held" && known === undefined && !ended.has(id)) {
      held.set(id, line.granted);
      add(keyOf(line), line.granted);
    } else if (line.op === "settle" && line.final && known !== undefined) {
      held.delete(id);
      ended.add(id);
      // From here on the rest of the hold may be given to others.
      const stays = least(line.cost, known);
      add(keyOf(line), { credits: stays.credits - known.credits, toolCalls: stays.toolCalls - known.toolCalls });
    }
  }
  return peak;
}
