/** For tests: an engine in which budget is reserved for later, and what became of the requests. */
import { assert } from "#std";
import { describeState } from "./describe.ts";
import { effectKey } from "./draft.ts";
import type { Outcome } from "./outcome.ts";
import type { Priority } from "./policy.ts";
import { missingOf, type Reservation } from "./reservation.ts";
import type { Amounts, Resource } from "./resource.ts";
import { type LimitNumbers, limits, type Opening, Scenario, some, usage } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

type Numbers = { readonly [R in Resource]?: number };

export interface Ahead {
  readonly startsInMs?: number;
  readonly lastsMs?: number;
  readonly priority?: Priority;
  readonly requestId?: string;
  readonly reservationId?: string;
  readonly afterId?: string;
  readonly name?: string;
}

export class Reserver extends Scenario {
  tryAhead(allocationId: string, id: string, amounts: Numbers, ahead: Ahead = {}): Outcome {
    const { startsInMs = 0, lastsMs = 60_000, priority = "NORMAL", requestId = this.id("ahead"), afterId } = ahead;
    const { reservationId = id, name = `name-${id}` } = ahead;
    const how = { startsInMs, lastsMs, priority, ...(afterId !== undefined && { afterId }) };
    const what = { caller: "person", requestId, reservationId, allocationId, name, amounts: some(amounts) };
    return this.ask({ type: "reserve_ahead", ...what, ...how });
  }

  ahead(allocationId: string, id: string, amounts: Numbers, ahead: Ahead = {}): void {
    const outcome = this.tryAhead(allocationId, id, amounts, ahead);
    assert(outcome.type === "reserved_ahead", `expected a reservation, got ${JSON.stringify(outcome)}`);
  }

  /** A step under this name; its amounts are also its limits. */
  want(parentId: string, name: string, amounts: LimitNumbers, opening: Opening = {}): Outcome {
    const all = { ...amounts, ...opening.limits };
    const wish = { allocationId: name, name, requestId: name, ...opening, limits: all };
    return this.grant(this.openWish(parentId, wish));
  }

  cancel(reservationId: string): Outcome {
    return this.ask({ type: "cancel_reservation", reservationId });
  }

  reservation(id: string): Reservation {
    const found = this.state.reservations.get(id);
    assert(found !== undefined, `no reservation ${id} stands`);
    return found;
  }

  left(id: string): Amounts {
    return this.reservation(id).left;
  }

  missing(id: string): Amounts {
    const reservation = this.reservation(id);
    return missingOf(reservation, this.node(reservation.allocationId).waiters.earmarks);
  }

  /** How it ended; undefined: it stands. */
  past(id: string): string | undefined {
    return this.state.reservations.past(id)?.cause;
  }

  #answers = new Map<string, Outcome>();

  override run(...command: Parameters<Scenario["run"]>): ReturnType<Scenario["run"]> {
    const decision = super.run(...command);
    for (const message of decision.messages) {
      if (message.type === "decided") this.#answers.set(effectKey(message.caller, message.requestId), message.outcome);
    }
    return decision;
  }

  /** What one that waited was answered in the end. */
  told(requestId: string): Outcome {
    return this.#answers.get(effectKey("client", requestId)) as Outcome;
  }

  raiseAccount(allocationId: string, numbers: LimitNumbers): Outcome {
    const requestId = this.id("limits");
    return this.ask({ type: "update_limits", caller: "person", requestId, allocationId, limits: limits(numbers) });
  }

  move(allocationId: string, durationMs: number): Outcome {
    return this.raiseAccount(allocationId, { durationMs });
  }

  /** The holder of a delegated allocation gives its final account. */
  finish(allocationId: string): void {
    this.report(allocationId, 1, usage(), { caller: "elsewhere", final: true });
  }

  /** The state is built anew from its parts, and must be the same. */
  throughSnapshot(): void {
    const before = JSON.stringify(describeState(this.state));
    this.state = restoreState(snapshotParts(this.state));
    assert(JSON.stringify(describeState(this.state)) === before, "a snapshot does not give the state");
  }
}
