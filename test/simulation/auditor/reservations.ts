/**
 * A21: what is reserved goes to those who use it, from its beginning on, and to nobody else. Credits only, which are set aside at once: what is
 * told of them is told of the rest in the same words. Nor is it asked back by a SHRINK.
 */
import type { BudgetEvent } from "#budget";
import { Violation } from "../world/violation.ts";
import { booksOf } from "./books.ts";
import { type Ledger, type Node, usageOf } from "./ledger.ts";

type EventOf<T extends BudgetEvent["type"]> = Extract<BudgetEvent, { type: T }>;

interface Reserved {
  readonly id: string;
  readonly at: string;
  readonly startsAtMs: number;
  readonly endsAtMs: number;
  /** What nobody has used. */
  left: number;
  /** What of it must be there; an overrun takes of it. */
  kept: number;
  /** What of it may be there: more than that where credits are carved, which an overrun takes after the general ones. */
  keptMax: number;
}

export class ReservationsAudit {
  readonly #ledger: Ledger;
  readonly #reserved = new Map<string, Reserved>();
  /** What is carved inside the credits of a node at most: nothing of it is there for a reservation. */
  readonly #carved = new Map<string, number>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  /** To be told every durable event, after the ledger. */
  read(event: BudgetEvent): void {
    this.#follow(event);
    if (this.#reserved.size > 0) this.#bound();
  }

  #follow(event: BudgetEvent): void {
    switch (event.type) {
      case "reservation_made":
        this.#made(event);
        break;
      case "reservation_used":
        this.#used(event);
        break;
      case "reservation_filled":
        this.#filled(event);
        break;
      case "reservation_ended":
        this.#reserved.delete(event.reservationId);
        break;
      case "allocation_closing":
        for (const { id, at } of this.#reserved.values()) if (at === event.allocationId) this.#reserved.delete(id);
        break;
      case "allocation_opened":
        this.#carve(
          event.allocationId,
          event.limits.priorityBonus,
          event.limits.emergencyReserve,
          event.limits.wrapUpReserve,
        );
        this.#given(event.parentId, event.allocationId);
        break;
      case "tranches_set":
        this.#carve(event.allocationId, ...Object.values(event.carve));
        break;
      case "limit_raised":
        this.#given(this.#ledger.nodes.get(event.allocationId)?.parent?.id, event.allocationId);
        break;
      case "limit_lowered":
        this.#given(event.allocationId, "the one above it");
        break;
      case "hold_placed":
        this.#given(event.allocationId, event.holdId);
        break;
      case "reclaim_requested":
        if (event.mode === "SHRINK" && !event.exhausted) this.#asked(event);
        break;
      default:
    }
  }

  #made({ reservationId: id, allocationId: at, amounts, startsAtMs, endsAtMs }: EventOf<"reservation_made">): void {
    this.#reserved.set(id, {
      id,
      at,
      startsAtMs,
      endsAtMs,
      left: amounts.credits,
      kept: amounts.credits,
      keptMax: amounts.credits,
    });
    this.#given(at, `reservation ${id}`);
  }

  #used({ reservationId, by, atMs }: EventOf<"reservation_used">): void {
    const reserved = this.#reserved.get(reservationId);
    if (!reserved || atMs < reserved.startsAtMs || atMs >= reserved.endsAtMs) {
      throw this.#fault(
        "A21.time",
        `reservation ${reservationId} is used at ${atMs}, which is not its time`,
        reservationId,
      );
    }
    if (by.credits > reserved.keptMax) {
      throw this.#fault(
        "A21.more",
        `${by.credits} are taken of the ${reserved.keptMax} of ${reservationId}`,
        reservationId,
      );
    }
    reserved.left -= by.credits;
    reserved.kept = Math.max(0, reserved.kept - by.credits);
    reserved.keptMax -= by.credits;
  }

  #filled({ reservationId, by }: EventOf<"reservation_filled">): void {
    const reserved = this.#reserved.get(reservationId);
    if (!reserved) return;
    reserved.kept += by.credits;
    reserved.keptMax = Math.min(reserved.left, reserved.keptMax + by.credits);
    if (reserved.kept > reserved.left) {
      throw this.#fault(
        "A21.more",
        `${reserved.kept} are kept for ${reservationId}, which lacks nothing`,
        reservationId,
      );
    }
  }

  /** Whoever is given something leaves what is reserved. */
  #given(at: string | undefined, who: string): void {
    const node = at === undefined ? undefined : this.#ledger.nodes.get(at);
    if (!node || node.unlimited.credits) return;
    const kept = this.#sumAt(node.id, "kept");
    const { available } = booksOf(node, "credits");
    if (kept === 0 || available >= kept) return;
    throw this.#fault(
      "A21.kept",
      `${who} leaves ${available} credits of the ${kept} reserved at ${node.path}`,
      node.id,
    );
  }

  /** A SHRINK asks for no more than what could come back beside what is reserved there and below. */
  #asked({ allocationId, preemptionId, wanted }: EventOf<"reclaim_requested">): void {
    const node = this.#ledger.nodes.get(allocationId);
    if (!node || node.unlimited.credits || wanted.credits === 0) return;
    let kept = 0;
    for (const reserved of this.#reserved.values()) if (this.#isUnder(reserved.at, node)) kept += reserved.kept;
    if (kept === 0 || wanted.credits + kept <= node.limit.credits - usageOf(node, "credits")) return;
    const message = `${preemptionId} asks ${node.path} for ${wanted.credits} credits: ${kept} of its ${node.limit.credits} are reserved, ${usageOf(node, "credits")} used`;
    throw this.#fault("A21.asked", message, node.id);
  }

  #isUnder(id: string, top: Node): boolean {
    for (let at = this.#ledger.nodes.get(id); at; at = at.parent) if (at === top) return true;
    return false;
  }

  #sumAt(id: string, which: "kept" | "keptMax"): number {
    let sum = 0;
    for (const reserved of this.#reserved.values()) if (reserved.at === id) sum += reserved[which];
    return sum;
  }

  /** What was spent beyond what had been granted is gone: of the youngest first. */
  #bound(): void {
    for (const reserved of [...this.#reserved.values()].reverse()) {
      const node = this.#ledger.nodes.get(reserved.at);
      const available = node ? booksOf(node, "credits").available : 0;
      const beyond = this.#sumAt(reserved.at, "keptMax") - available;
      if (beyond > 0) reserved.keptMax = Math.max(0, reserved.keptMax - beyond);
      const beyondGeneral = this.#sumAt(reserved.at, "kept") + (this.#carved.get(reserved.at) ?? 0) - available;
      if (beyondGeneral > 0) reserved.kept = Math.max(0, reserved.kept - beyondGeneral);
    }
  }

  #carve(id: string, ...parts: readonly (number | undefined)[]): void {
    const sum = parts.reduce<number>((all, part = 0) => all + part, 0);
    if (sum > 0 || this.#carved.has(id)) this.#carved.set(id, sum);
  }

  #fault(check: string, message: string, about: string): Violation {
    return new Violation(check, `${this.#ledger.owner}: ${message}`, [about, this.#ledger.owner]);
  }
}
