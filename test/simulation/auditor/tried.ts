/**
 * A17: only the policy in force acts. Nobody waits, nobody is made to give way and nothing is asked back for a fair share where the strategy in
 * force does not say so, whatever is tried beside it. Policies are read from the events, without what they try.
 */
import type { BudgetEvent, Policy } from "#budget";
import { Violation } from "../world/violation.ts";
import type { Ledger } from "./ledger.ts";

type Strategy = NonNullable<Policy["strategy"]>;

interface Fact {
  readonly parentId: string | undefined;
  policy: Policy;
}

export class TriedAudit {
  readonly #ledger: Ledger;
  readonly #facts = new Map<string, Fact>();
  /** Strategies that requests which wait have named for themselves. */
  readonly #named = new Map<string, Strategy>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    switch (event.type) {
      case "allocation_opened":
        this.#facts.set(event.allocationId, { parentId: event.parentId, policy: event.policy });
        break;
      case "policy_set": {
        const fact = this.#facts.get(event.allocationId);
        if (fact) fact.policy = event.policy;
        break;
      }
      case "allocation_closed":
        this.#facts.delete(event.allocationId);
        break;
      case "request_queued":
        this.#queued(event);
        break;
      case "request_dequeued":
        this.#named.delete(event.effectKey);
        break;
      case "claim_planned":
        this.#planned(event);
        break;
      case "reclaim_requested":
        this.#asked(event);
        break;
      default:
    }
  }

  #queued({ parentId, effectKey, request }: Extract<BudgetEvent, { type: "request_queued" }>): void {
    if (request.strategy !== undefined) this.#named.set(effectKey, request.strategy);
    const strategy = request.strategy ?? this.#inForce(parentId);
    // What stands still waits to go on, whatever the strategy has become.
    if (strategy !== "FIRST_COME_FIRST_SERVED" || request.caller === "") return;
    throw this.#fault("A17.waits", `${JSON.stringify(effectKey)} waits under ${strategy}`, parentId);
  }

  /** A claim that was planned for goes on when the strategy becomes another one, without anybody to give way. */
  #planned({ parentId, effectKey, givers, round }: Extract<BudgetEvent, { type: "claim_planned" }>): void {
    const strategy = this.#named.get(effectKey) ?? this.#inForce(parentId);
    if (strategy === "PREEMPTION_ALLOWED" || givers.length === 0 || round > 1) return;
    throw this.#fault("A17.preempts", `${givers.length} give way under ${strategy}`, parentId);
  }

  #asked({ allocationId, preemptionId }: Extract<BudgetEvent, { type: "reclaim_requested" }>): void {
    const parentId = this.#facts.get(allocationId)?.parentId;
    // Its own share is what the name speaks of. What is asked of one above it, and through that of this one, is decided by another strategy,
    // which may be at another daemon and become what counts here a moment later.
    if (parentId === undefined || !preemptionId.startsWith(`fair-share/${allocationId}/`)) return;
    const strategy = this.#inForce(parentId);
    if (strategy === "PROPORTIONAL_SHARING") return;
    throw this.#fault("A17.shares", `${allocationId} is asked for a fair share under ${strategy}`, parentId);
  }

  #inForce(id: string): Strategy {
    for (let at: string | undefined = id; at !== undefined; at = this.#facts.get(at)?.parentId) {
      const { inherited, strategy = inherited?.strategy } = this.#facts.get(at)?.policy ?? {};
      if (strategy !== undefined) return strategy;
    }
    return "FIRST_COME_FIRST_SERVED";
  }

  #fault(check: string, what: string, id: string): Violation {
    return new Violation(check, `${this.#ledger.owner} ${id}: ${what}`, [id, this.#ledger.owner]);
  }
}
