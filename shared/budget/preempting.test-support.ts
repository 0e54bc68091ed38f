/** What happens where work gives way, as a transcript. */
import type { Priority } from "./policy.ts";
import { type Opening, Scenario } from "./scenario.test-support.ts";

/** A scenario that is written down as it goes: what was asked, and what came of it. */
export class Transcript extends Scenario {
  readonly lines: string[] = [];
  #at = 0;

  override run(untimed: Parameters<Scenario["run"]>[0]) {
    const decision = super.run(untimed);
    for (const event of decision.events) this.#note(event);
    return decision;
  }

  #note(event: ReturnType<Scenario["run"]>["events"][number]): void {
    if (event.type === "claim_planned") {
      const givers = event.givers.map(({ allocationId, mode }) => `${mode} ${allocationId}`);
      this.lines.push(`${this.#time()}${this.#who(event.effectKey)}: ${givers.join(", ") || "nobody gives way"}`);
    }
    if (event.type === "room_reserved" && event.by.credits > 0) {
      const from = event.fromEffectKey === undefined ? "" : ` from ${this.#who(event.fromEffectKey)}`;
      this.lines.push(`${this.#time()}${this.#who(event.effectKey)}: ${event.by.credits} set aside${from}`);
    }
    if (event.type === "allocation_opened" && event.parentId !== undefined)
      this.lines.push(`${this.#time()}${event.allocationId} granted ${event.limits.credits}`);
    if (event.type === "reclaim_ended" && event.cause === "resumed")
      this.lines.push(
        `${this.#time()}${event.allocationId} goes on with ${this.node(event.allocationId).books.credits.limit}`,
      );
    if (event.type === "allocation_closed") this.lines.push(`${this.#time()}${event.allocationId} gone`);
  }

  #time(): string {
    this.#at = this.nowMs;
    return `${String(this.#at / 1_000)}s `;
  }

  #who(key: string): string {
    return key.split("\n")[1] ?? key;
  }

  /** Asks for an allocation of this name. */
  want(parentId: string, name: string, credits: number, priority: Priority, opening: Opening = {}) {
    const rest = { allocationId: name, name, requestId: name, priority, waitMs: 600_000, ...opening };
    return this.grant(this.openWish(parentId, { ...rest, limits: { credits, ...opening.limits } }));
  }

  /** What has been written down since the last time. */
  told(): string[] {
    return this.lines.splice(0);
  }
}
