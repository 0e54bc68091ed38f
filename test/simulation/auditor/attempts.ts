/**
 * A22: the next attempt of work that gave way to others has its turn as the first one had, and neither that work nor its next attempt is made
 * to stand still again before its cool-down is over.
 */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import type { Ledger } from "./ledger.ts";
import type { Policies } from "./policies.ts";

const USUAL_COOL_DOWN_MS = 60_000;
/** How coordination names its requests for next attempts: the attempt before follows. */
const AGAIN = /^again:[^\n]*\n(.*)$/s;
/** How process names tries of steps but the first; which try that one follows is not said. */
const LATER_TRY = /^run:[^\n]*\n.*#(?!1$)\d+$/s;

type EventOf<T extends BudgetEvent["type"]> = Extract<BudgetEvent, { type: T }>;

interface Work {
  readonly parentId: string | undefined;
  /** When its first attempt came, as far as that is to be remembered; undefined: nobody can tell. */
  readonly arrivedAtMs: number | undefined;
  /** When it, or the attempt before it, was last made to stand still, or has gone on. */
  preemptedAtMs: number | undefined;
}

interface Asked {
  readonly arrivedAtMs: number;
  readonly attemptOf: string | undefined;
}

export class AttemptsAudit {
  readonly #ledger: Ledger;
  readonly #policies: Policies;
  readonly #work = new Map<string, Work>();
  readonly #asked = new Map<string, Asked>();
  /** Preemptions of work for the sake of others. */
  readonly #forOthers = new Set<string>();
  readonly #planned = new Set<string>();

  constructor(ledger: Ledger, policies: Policies) {
    this.#ledger = ledger;
    this.#policies = policies;
  }

  /** To be told every durable event, after the ledger and the policies. */
  read(event: BudgetEvent): void {
    switch (event.type) {
      case "request_queued":
        this.#queued(event);
        break;
      case "request_dequeued":
        if (event.cause !== "granted") this.#asked.delete(event.effectKey);
        break;
      case "allocation_opened":
        this.#opened(event);
        break;
      case "claim_planned":
        for (const { allocationId, preemptionId, mode } of event.givers)
          if (mode !== "SHRINK") this.#standsStill(event, allocationId, preemptionId);
        break;
      case "reclaim_requested":
        if (event.forOthers) this.#forOthers.add(`${event.preemptionId} ${event.allocationId}`);
        break;
      case "reclaim_ended": {
        const work = this.#work.get(event.allocationId);
        const went = this.#forOthers.delete(`${event.preemptionId} ${event.allocationId}`);
        if (work && went && work.preemptedAtMs !== undefined) work.preemptedAtMs = event.atMs;
        break;
      }
      default:
    }
  }

  /** The work whose next attempt this is, if it gave way to others here. */
  #before(attemptOf: string | undefined, parentId: string | undefined): Work | undefined {
    const work = attemptOf === undefined ? undefined : this.#work.get(attemptOf);
    const isOver = attemptOf !== undefined && this.#ledger.nodes.get(attemptOf)?.state !== "open";
    return isOver && work?.preemptedAtMs !== undefined && work.parentId === parentId ? work : undefined;
  }

  #queued({ effectKey, parentId, request, atMs }: EventOf<"request_queued">): void {
    if (request.type !== "open") return;
    const { attemptOf, arrivedAtMs = atMs } = request;
    this.#asked.set(effectKey, { arrivedAtMs, attemptOf });
    const first = this.#before(attemptOf, parentId)?.arrivedAtMs;
    if (first === undefined || first === arrivedAtMs) return;
    this.#fail("turn", attemptOf, `came first at ${first}, and its next attempt waits as if since ${arrivedAtMs}`);
  }

  #opened(event: EventOf<"allocation_opened">): void {
    const { allocationId, parentId, atMs, effect } = event;
    const key = effect?.key ?? "";
    const asked = this.#asked.get(key);
    this.#asked.delete(key);
    const attemptOf = asked?.attemptOf ?? AGAIN.exec(key)?.[1];
    const before = this.#before(attemptOf, parentId);
    const isKept = this.#policies.at(parentId).strategy === "PREEMPTION_ALLOWED";
    const isUnknown = (asked === undefined && LATER_TRY.test(key)) || (before && before.arrivedAtMs === undefined);
    const arrived = before?.arrivedAtMs ?? asked?.arrivedAtMs ?? atMs;
    if (isKept && !isUnknown && before && (event.arrivedAtMs ?? atMs) !== arrived)
      this.#fail(
        "turn",
        attemptOf,
        `came first at ${arrived}, of its next attempt it is known since ${event.arrivedAtMs}`,
      );
    // Where nobody may be preempted it is not remembered since when work waited.
    const arrivedAtMs = isUnknown ? undefined : isKept ? arrived : atMs;
    this.#work.set(allocationId, { parentId, arrivedAtMs, preemptedAtMs: isKept ? before?.preemptedAtMs : undefined });
  }

  #standsStill({ parentId, atMs }: EventOf<"claim_planned">, id: string, preemptionId: string): void {
    const name = `${preemptionId} ${id}`;
    const work = this.#work.get(id);
    if (!work || this.#planned.has(name)) return;
    this.#planned.add(name);
    const { coolDownMs = USUAL_COOL_DOWN_MS } = this.#policies.at(parentId).preemption ?? {};
    const since = work.preemptedAtMs;
    work.preemptedAtMs = atMs;
    if (since === undefined || atMs - since >= coolDownMs) return;
    this.#fail("cool-down", id, `is preempted ${atMs - since} ms after the last time, not ${coolDownMs}`);
  }

  #fail(check: string, id: string | undefined, what: string): never {
    throw new Violation(`A22.${check}`, `${this.#ledger.owner}: ${id} ${what}`, [id ?? "", this.#ledger.owner]);
  }
}
