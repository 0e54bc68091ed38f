/**
 * Reservations against a calendar: a slow, obvious model that writes down who has how much from when to when, and grants what leaves the
 * sum at every moment within the limit.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { freeUntil } from "./reservation-calendar.ts";
import { markOf } from "./reservation-mark.ts";
import { Reserver } from "./reserving.test-support.ts";
import { RoomUntil } from "./room-until.ts";
import { limits, some } from "./scenario.test-support.ts";

const SLOTS = 6;
const CREDITS = 20;
const STEP_MS = 1_000;
/** Everything that has an end has it before this. */
const HORIZON = 40;

interface Entry {
  readonly id: string;
  readonly slots: number;
  readonly credits: number;
  readonly from: number;
  /** Infinity: nobody knows when. */
  readonly until: number;
}

/** Times are whole steps. */
class Calendar {
  now = 0;
  work: Entry[] = [];
  reserved: Entry[] = [];

  pass(): void {
    this.now += 1;
    this.work = this.work.filter(({ until }) => until > this.now);
    this.reserved = this.reserved.filter(({ until }) => until > this.now);
  }

  /** Whether everything fits, at every moment from now on. */
  static fits(now: number, work: readonly Entry[], reserved: readonly Entry[]): boolean {
    const all = [...work, ...reserved];
    const credits = all.reduce((sum, entry) => sum + entry.credits, 0);
    if (credits > CREDITS) return false;
    for (let at = now; at <= HORIZON; at += 1) {
      const slots = all.reduce((sum, { from, until, slots }) => sum + (from <= at && at < until ? slots : 0), 0);
      if (slots > SLOTS) return false;
    }
    return true;
  }

  /** Takes over what is so, if that fits. */
  #become(work: Entry[], reserved: Entry[]): boolean {
    if (!Calendar.fits(this.now, work, reserved)) return false;
    [this.work, this.reserved] = [work, reserved.filter(({ slots, credits }) => slots + credits > 0)];
    return true;
  }

  reserve(entry: Entry): boolean {
    return this.#become(this.work, [...this.reserved, entry]);
  }

  open(entry: Entry): boolean {
    return this.#become([...this.work, entry], this.reserved);
  }

  /** Out of a reservation, as far as that has it; undefined: it may not be used. */
  use(entry: Entry, id: string): boolean | undefined {
    const own = this.reserved.find((one) => one.id === id);
    if (!own || own.from > this.now) return undefined;
    const rest = {
      ...own,
      slots: Math.max(0, own.slots - entry.slots),
      credits: Math.max(0, own.credits - entry.credits),
    };
    return this.#become(
      [...this.work, entry],
      this.reserved.map((one) => (one === own ? rest : one)),
    );
  }
}

const nat = (max: number) => fc.integer({ min: 0, max });
const move = fc.oneof(
  fc.record({ do: fc.constant("reserve" as const), slots: nat(4), credits: nat(8), ahead: nat(5), lasts: nat(7) }),
  fc.record({ do: fc.constant("open" as const), slots: nat(3), credits: nat(8), lasts: nat(10), pick: nat(3) }),
  fc.record({ do: fc.constant("open" as const), slots: nat(3), credits: nat(8), lasts: nat(10), pick: nat(3) }),
  fc.record({ do: fc.constant("close" as const), pick: nat(9) }),
  fc.record({ do: fc.constant("cancel" as const), pick: nat(9) }),
  fc.record({ do: fc.constant("pass" as const) }),
);
type Move = typeof move extends fc.Arbitrary<infer T> ? T : never;

class Both {
  readonly engine = new Reserver();
  readonly calendar = new Calendar();
  readonly top = this.engine.account({ branches: SLOTS, credits: CREDITS });
  #count = 0;

  take(one: Move): void {
    const { engine, calendar } = this;
    this.#count += 1;
    const id = `${one.do}-${this.#count}`;
    if (one.do === "pass") {
      calendar.pass();
      engine.wait(STEP_MS);
    } else if (one.do === "close") {
      const { id: closed } = calendar.work[one.pick] ?? { id: "" };
      if (closed === "") return;
      calendar.work = calendar.work.filter((entry) => entry.id !== closed);
      engine.close(closed);
    } else if (one.do === "cancel") {
      const { id: cancelled } = calendar.reserved[one.pick] ?? { id: "" };
      if (cancelled === "") return;
      calendar.reserved = calendar.reserved.filter((entry) => entry.id !== cancelled);
      engine.cancel(cancelled);
    } else if (one.do === "reserve") this.#reserve(id, one);
    else this.#open(id, one);
  }

  #reserve(id: string, { slots, credits, ahead, lasts }: Extract<Move, { readonly do: "reserve" }>): void {
    const { engine, calendar } = this;
    if (slots + credits === 0) return;
    const from = calendar.now + ahead;
    const times = { startsInMs: ahead * STEP_MS, lastsMs: (lasts + 1) * STEP_MS };
    const outcome = engine.tryAhead(this.top, id, { branches: slots, credits }, times);
    const made = calendar.reserve({ id, slots, credits, from, until: from + lasts + 1 });
    expect(outcome.type).toBe(made ? "reserved_ahead" : "refused");
  }

  /** A step takes a slot for itself. */
  #open(id: string, { slots, credits, lasts, pick }: Extract<Move, { readonly do: "open" }>): void {
    const { engine, calendar } = this;
    const until = lasts === 0 ? Number.POSITIVE_INFINITY : calendar.now + lasts;
    const entry = { id, slots: slots + 1, credits, from: calendar.now, until };
    const begun = calendar.reserved.filter(({ from }) => from <= calendar.now || pick === 1);
    const reservationId = pick === 0 ? undefined : begun.at(-pick)?.id;
    const asked = limits({ branches: slots, credits, ...(lasts > 0 && { durationMs: lasts * STEP_MS }) });
    const out = reservationId === undefined ? {} : { reservationId };
    const outcome = engine.want(this.top, id, {}, { limits: asked, min: some({ credits }), ...out });
    const granted = reservationId === undefined ? calendar.open(entry) : calendar.use(entry, reservationId);
    expect(outcome.type).toBe(granted ? "opened" : "refused");
  }

  /** What is promised is there, and nothing else is reserved. */
  check(): void {
    const { engine, calendar } = this;
    const standing = [...engine.state.reservations.standing()];
    expect(standing.map(({ id }) => id)).toEqual(calendar.reserved.map(({ id }) => id));
    for (const [at, { id, left }] of standing.entries()) {
      const { slots, credits } = calendar.reserved[at] ?? { slots: -1, credits: -1 };
      expect([left.branches, left.credits]).toEqual([slots, credits]);
      expect(engine.missing(id)).toEqual(some());
    }
    this.#checkRoom();
  }

  /** What is worked out for many requests at once is what each would be told by itself. */
  #checkRoom(): void {
    const { engine } = this;
    const node = engine.node(this.top);
    const room = new RoomUntil(node, engine.nowMs);
    const keys = [...node.waiters.reservations.keys()].map(markOf);
    for (const ownKey of [undefined, ...keys]) {
      for (let steps = 0; steps <= 12; steps += 1) {
        const endsAtMs = steps === 12 ? undefined : engine.nowMs + steps * STEP_MS;
        const alone = freeUntil(node, "branches", { nowMs: engine.nowMs, endsAtMs, ownKey });
        expect(room.of("branches", { endsAtMs, ownKey })).toBe(alone);
      }
    }
  }
}

describe("a reservation", () => {
  test("is made and honoured as a calendar would have it", () => {
    const made = { used: 0 };
    fc.assert(
      fc.property(fc.array(move, { minLength: 20, maxLength: 60, size: "max" }), (moves) => {
        const both = new Both();
        for (const one of moves) {
          both.take(one);
          both.check();
        }
        made.used += both.engine.events.filter(({ type }) => type === "reservation_used").length;
        both.engine.throughSnapshot();
        both.engine.restart();
      }),
      { seed: 20261126, numRuns: 200 },
    );
    // It was no idle property.
    expect(made.used).toBeGreaterThan(60);
  });
});
