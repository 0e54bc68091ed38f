/** The engine of a random world, what is known of it beside its state, and how an instruction finds what it speaks of. */
import { Auditor, type Charge, NO_CHARGE } from "./auditor.test-support.ts";
import type { ReportedUsage } from "./command.ts";
import type { Decision, Message } from "./outcome.ts";
import type { Amounts } from "./resource.ts";
import { Scenario, type Untimed } from "./scenario.test-support.ts";
import type { Allocation } from "./state.ts";

/** An operation reads its three numbers against the world as it then is. */
export type Op = (w: World, a: number, b: number, c: number) => void;

/** What a holder has truly used, and how its account of it stands. */
export interface Truth extends Charge {
  readonly sequence: number;
  /** How often the account was corrected below the holder, and what of it may still be: it is written off there. */
  readonly corrections: number;
  readonly writtenOff: number;
}

const NOTHING_USED: Truth = { ...NO_CHARGE, sequence: 0, corrections: 0, writtenOff: 0 };

/** A request that had an effect: what was asked, and what ends it. */
export interface PastEffect {
  readonly command: Untimed;
  readonly subject: string;
}

export class World {
  readonly s = new Scenario();
  readonly auditor = new Auditor();
  readonly effects: PastEffect[] = [];
  readonly queued = new Map<string, Untimed>();
  /** What holders of delegated allocations have truly used; they may report less, or late. */
  readonly truth = new Map<string, Truth>();
  /** The latest that the tier above was told of a received grant. */
  readonly told = new Map<string, { readonly final?: ReportedUsage; readonly returned?: Amounts }>();
  readonly preemptions: { readonly preemptionId: string; readonly allocationId: string }[] = [];

  run(command: Untimed): Decision {
    const decision = this.s.run(command);
    for (const event of decision.events) this.auditor.read(event);
    const { outcome } = decision;
    if ("repeated" in outcome && !outcome.repeated) {
      this.#effect(command, outcome.type === "held" ? outcome.holdId : outcome.allocationId);
    }
    if (outcome.type === "queued" && command.type === "grant") this.queued.set(command.wish.requestId, command);
    for (const message of decision.messages) {
      this.#tell(message);
      if (message.type !== "decided") continue;
      const waiting = this.queued.get(message.requestId);
      this.queued.delete(message.requestId);
      const answer = message.outcome;
      if (waiting && (answer.type === "opened" || answer.type === "raised")) this.#effect(waiting, answer.allocationId);
    }
    return decision;
  }

  #effect(command: Untimed, subject: string): void {
    const { type } = command;
    // A change that changes nothing is no effect; which it was the events say.
    const changed = type === "update_limits" && this.s.last.events.length > 0;
    if (type === "grant" || type === "reserve" || type === "write_off" || changed)
      this.effects.push({ command, subject });
  }

  #tell(message: Message): void {
    if (message.type !== "returned" && message.type !== "closed") return;
    const known = this.told.get(message.allocationId);
    if (message.type === "returned") this.told.set(message.allocationId, { ...known, returned: message.returnedTotal });
    else if (message.side === "received") this.told.set(message.allocationId, { ...known, final: message.usage });
  }

  /** Closed grants for which a true account is still to come. */
  get awaited(): Allocation[] {
    const all = [...this.s.state.allocations.values()];
    return all.filter((node) => node.side === "delegated" && node.state === "closed" && node.uncorrected > 0);
  }

  /** An allocation of that kind, seldom another or a closed one. */
  one(kind: Kind, n: number): Allocation | undefined {
    const all = [...this.s.state.allocations.values()];
    const found = all.filter((node) => (IS[kind](node) || n % 23 === 0) && (node.state !== "closed" || n % 11 === 0));
    return pick(found, n);
  }

  holdId(n: number): string | undefined {
    const { holds, ended } = this.s.state;
    const over = n % 5 > 0 ? [] : [...ended.items()].flatMap((item) => ("call" in item ? [item.call.holdId] : []));
    return pick([...holds.keys(), ...over], n);
  }

  trulyUsed(allocationId: string): Truth {
    return this.truth.get(allocationId) ?? NOTHING_USED;
  }
}

type Kind = "any" | "keeper" | "child" | Allocation["side"];

const IS: { readonly [K in Kind]: (node: Allocation) => boolean } = {
  any: () => true,
  keeper: (node) => node.side !== "delegated",
  child: (node) => node.parent !== undefined,
  local: (node) => node.side === "local",
  received: (node) => node.side === "received",
  delegated: (node) => node.side === "delegated",
};

export function pick<T>(from: readonly T[], n: number): T | undefined {
  return from[n % Math.max(1, from.length)];
}

export function part(n: number, shift: number, of: number): number {
  return Math.floor(n / shift) % of;
}
