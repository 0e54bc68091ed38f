/**
 * A20, from the events alone: work that was paused for the sake of others waits to go on as soon as it has given what it could, for exactly
 * what it gave; when that is granted the pause is over in the same commit.
 */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import type { Ledger } from "./ledger.ts";

const GIVEN = ["credits", "toolCalls"] as const;

interface Pause {
  readonly id: string;
  readonly preemptionId: string;
  readonly wanted: Record<(typeof GIVEN)[number], number>;
  readonly given: Record<(typeof GIVEN)[number], number>;
  /** Key under which it waits to go on. */
  waits: string | undefined;
  /** It has been granted what it waited for, and must be raised by this. */
  granted: Record<(typeof GIVEN)[number], number> | undefined;
}

type EventOf<T extends BudgetEvent["type"]> = Extract<BudgetEvent, { type: T }>;

export class GoingOnAudit {
  readonly #ledger: Ledger;
  readonly #pauses = new Map<string, Pause>();
  readonly #asked = new Map<string, EventOf<"request_queued">>();
  readonly #touched = new Set<Pause>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told each event when it is durable, and has been booked. */
  read(event: BudgetEvent): void {
    switch (event.type) {
      case "reclaim_requested":
        if (event.mode === "PAUSE") this.#begun(event);
        break;
      case "limit_lowered":
        this.#gave(event);
        break;
      case "request_queued":
        if (event.request.type === "raise" && event.request.resumes !== undefined) this.#waits(event);
        break;
      case "request_dequeued":
        this.#dequeued(event);
        break;
      case "limit_raised":
        this.#raised(event);
        break;
      case "reclaim_ended":
        this.#forget(event.allocationId, event.preemptionId);
        break;
      case "allocation_closing":
        for (const { id, preemptionId } of this.#of(event.allocationId)) this.#forget(id, preemptionId);
        break;
      default:
    }
  }

  /** All events of a commit were told. */
  commitEnds(): void {
    for (const pause of this.#touched) {
      if (this.#pauses.get(keyOf(pause.id, pause.preemptionId)) !== pause) continue;
      if (pause.granted) this.#fail(pause, "over", "was granted what it waited for, and is still paused");
      const gaveAll = GIVEN.every((resource) => pause.given[resource] >= pause.wanted[resource]);
      if (gaveAll && pause.waits === undefined) this.#fail(pause, "waits", "has given all it could and does not wait");
    }
    this.#touched.clear();
  }

  #of(id: string): Pause[] {
    return [...this.#pauses.values()].filter((pause) => pause.id === id);
  }

  #begun({ allocationId: id, preemptionId, wanted, forOthers }: EventOf<"reclaim_requested">): void {
    const known = this.#pauses.get(keyOf(id, preemptionId));
    const { credits, toolCalls } = wanted;
    if (known) Object.assign(known.wanted, { credits, toolCalls });
    else if (forOthers !== true) return;
    const given = { credits: 0, toolCalls: 0 };
    const pause = known ?? {
      id,
      preemptionId,
      wanted: { credits, toolCalls },
      given,
      waits: undefined,
      granted: undefined,
    };
    this.#pauses.set(keyOf(id, preemptionId), pause);
    this.#touched.add(pause);
  }

  #gave({ allocationId, preemptionId = "", by }: EventOf<"limit_lowered">): void {
    const pause = this.#pauses.get(keyOf(allocationId, preemptionId));
    if (!pause) return;
    for (const resource of GIVEN) pause.given[resource] += by[resource];
    this.#touched.add(pause);
  }

  #waits(event: EventOf<"request_queued">): void {
    const { request, effectKey } = event;
    if (request.type !== "raise") return;
    const pause = this.#pauses.get(keyOf(request.allocationId, request.resumes ?? ""));
    if (!pause)
      throw new Violation("A20.paused", `${effectKey} waits to go on, and nothing is paused`, [this.#ledger.owner]);
    const { by } = request;
    if (GIVEN.some((resource) => by[resource] !== pause.given[resource])) {
      this.#fail(pause, "gives_back", `gave ${JSON.stringify(pause.given)} and waits for ${JSON.stringify(by)}`);
    }
    pause.waits = effectKey;
    this.#asked.set(effectKey, event);
  }

  #dequeued({ effectKey, cause }: EventOf<"request_dequeued">): void {
    const asked = this.#asked.get(effectKey);
    this.#asked.delete(effectKey);
    if (asked?.request.type !== "raise") return;
    const pause = this.#pauses.get(keyOf(asked.request.allocationId, asked.request.resumes ?? ""));
    if (!pause) return;
    pause.waits = undefined;
    if (cause === "granted") pause.granted = asked.request.by;
    this.#touched.add(pause);
  }

  #raised({ allocationId, by }: EventOf<"limit_raised">): void {
    for (const pause of this.#of(allocationId)) {
      const { granted } = pause;
      if (!granted) continue;
      if (GIVEN.some((resource) => by[resource] !== granted[resource])) {
        this.#fail(pause, "gets", `was granted ${JSON.stringify(granted)} and gets ${JSON.stringify(by)}`);
      }
    }
  }

  #forget(id: string, preemptionId: string): void {
    this.#pauses.delete(keyOf(id, preemptionId));
  }

  #fail({ id, preemptionId }: Pause, check: string, what: string): never {
    throw new Violation(`A20.${check}`, `${this.#ledger.owner} ${id}, paused by ${preemptionId}, ${what}`, [
      id,
      this.#ledger.owner,
    ]);
  }
}

function keyOf(id: string, preemptionId: string): string {
  return `${id}\n${preemptionId}`;
}
