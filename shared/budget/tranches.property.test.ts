/**
 * Tranches against a slow and obvious model: every credit of an account is an object that knows of which tranche it is. Who draws takes
 * credits out of the pile one by one, in the stated order, and keeps them in a purse; what goes back onto the pile goes back as what it is,
 * reserves first; what is spent is burnt at the end, of what is left in the purse then.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { PRIORITIES, type Priority } from "./policy.ts";
import { limits, Scenario, usage } from "./scenario.test-support.ts";

type Kind = "general" | "bonus" | "emergency" | "wrapUp";
const KINDS: readonly Kind[] = ["general", "bonus", "emergency", "wrapUp"];
const TRANCHES = ["bonus", "emergency", "wrapUp"] as const;

interface Credit {
  kind: Kind;
}

interface Child {
  readonly id: string;
  readonly priority: Priority;
  readonly isLast: boolean;
  /** Given to it and not given back. */
  readonly purse: Credit[];
  spent: number;
}

/** One account. Nobody owes anything. */
class Model {
  readonly pile: Credit[] = [];
  readonly children = new Map<string, Child>();

  constructor(sizes: Readonly<Record<Kind, number>>) {
    for (const kind of KINDS) for (let i = 0; i < sizes[kind]; i += 1) this.pile.push({ kind });
  }

  static order({ priority, isLast }: Pick<Child, "priority" | "isLast">): Kind[] {
    const rank = PRIORITIES.indexOf(priority);
    const byPriority: Kind[] = ["general"];
    if (rank >= PRIORITIES.indexOf("HIGH")) byPriority.push("bonus");
    if (rank >= PRIORITIES.indexOf("CRITICAL")) byPriority.push("emergency");
    return isLast ? ["wrapUp", ...byPriority] : byPriority;
  }

  reach(child: Pick<Child, "priority" | "isLast">): number {
    const kinds = Model.order(child);
    return this.pile.filter(({ kind }) => kinds.includes(kind)).length;
  }

  draw(child: Child, count: number): void {
    for (let i = 0; i < count; i += 1) {
      const kind = Model.order(child).find((one) => this.pile.some((credit) => credit.kind === one));
      child.purse.push(
        ...this.pile.splice(
          this.pile.findIndex((credit) => credit.kind === kind),
          1,
        ),
      );
    }
  }

  static unspent({ purse, spent }: Child): number {
    return purse.length - spent;
  }

  /** What it is of goes back, the wrap-up reserve and the emergency reserve first. */
  giveBack(child: Child, count: number): void {
    for (let i = 0; i < count; i += 1) {
      const kind = (["wrapUp", "emergency", "bonus", "general"] as const).find((one) =>
        child.purse.some((credit) => credit.kind === one),
      );
      this.pile.push(
        ...child.purse.splice(
          child.purse.findIndex((credit) => credit.kind === kind),
          1,
        ),
      );
    }
  }

  left(kind: Kind): number {
    return this.pile.filter((credit) => credit.kind === kind).length;
  }
}

const step = fc.record({
  action: fc.constantFrom("open", "raise", "spend", "shrink", "close", "resize"),
  priority: fc.constantFrom(...PRIORITIES),
  isLast: fc.boolean(),
  amount: fc.integer({ min: 1, max: 40 }),
  which: fc.nat(),
});
const sizes = fc.record({
  general: fc.nat(60),
  bonus: fc.nat(20),
  emergency: fc.nat(20),
  wrapUp: fc.nat(15),
});

test("as a pile of marked credits says, whatever is opened, raised, spent, asked back, resized and closed", () => {
  fc.assert(
    fc.property(sizes, fc.array(step, { maxLength: 25 }), (given, steps) => {
      const model = new Model(given);
      const s = new Scenario();
      const total = given.general + given.bonus + given.emergency + given.wrapUp;
      const carve = { priorityBonus: given.bonus, emergencyReserve: given.emergency, wrapUpReserve: given.wrapUp };
      const account = s.account({ credits: total, ...carve });
      for (const { action, priority, isLast, amount, which } of steps) {
        const child = [...model.children.values()][which % Math.max(1, model.children.size)];
        if (action === "open") {
          const final = isLast && given.wrapUp > 0 && ![...model.children.values()].some((one) => one.isLast);
          const fresh: Child = { id: s.id("child"), priority, isLast: final, purse: [], spent: 0 };
          const wish = s.openWish(account, {
            allocationId: fresh.id,
            limits: { credits: amount },
            priority,
            holder: "holder",
            caller: "holder",
            leaseTtlMs: 1_000_000,
            ...(final && { wrapUp: true }),
          });
          const fits = amount <= model.reach(fresh);
          expect(s.grant(wish).type).toBe(fits ? "opened" : "refused");
          if (fits) {
            model.children.set(fresh.id, fresh);
            model.draw(fresh, amount);
          }
        } else if (action === "resize") {
          // Between general credits and what is left of the bonus: the model repaints them.
          const { tranches } = s.node(account);
          const down = Math.min(amount, model.left("bonus"));
          const up = Math.min(amount, model.left("general"));
          const by = isLast ? up : -down;
          const priorityBonus = tranches.carve.bonus + by;
          s.ask({
            type: "update_limits",
            caller: "p",
            requestId: s.id("u"),
            allocationId: account,
            limits: limits({ priorityBonus }),
          });
          const from = by > 0 ? "general" : "bonus";
          for (const credit of model.pile.filter(({ kind }) => kind === from).slice(0, Math.abs(by))) {
            credit.kind = by > 0 ? "bonus" : "general";
          }
        } else if (child) act(s, model, child, { action, amount });
        for (const tranche of TRANCHES) expect(s.node(account).tranches.left[tranche]).toBe(model.left(tranche));
        expect(s.node(account).books.credits.available).toBe(model.pile.length);
      }
    }),
    { numRuns: 300 },
  );
});

interface Act {
  readonly action: "raise" | "spend" | "shrink" | "close";
  readonly amount: number;
}

function act(s: Scenario, model: Model, child: Child, { action, amount }: Act): void {
  const report = (final: boolean) =>
    s.report(child.id, s.node(child.id).usageSequence + 1, usage({ credits: child.spent }), { final });
  if (action === "raise") {
    const fits = amount <= model.reach(child);
    const wish = s.raiseWish(child.id, { by: { credits: amount }, caller: "holder" });
    expect(s.grant(wish).type).toBe(fits ? "raised" : "refused");
    if (fits) model.draw(child, amount);
  } else if (action === "spend") {
    child.spent += Math.min(amount, Model.unspent(child));
    report(false);
  } else if (action === "shrink") {
    const count = Math.min(amount, Model.unspent(child));
    const { returnedTotal } = s.node(child.id);
    const total = { ...returnedTotal, credits: (returnedTotal.credits + count) as typeof returnedTotal.credits };
    s.ask({ type: "receive_return", caller: "holder", allocationId: child.id, epoch: 1, returnedTotal: total });
    model.giveBack(child, count);
  } else {
    model.giveBack(child, Model.unspent(child));
    report(true);
    model.children.delete(child.id);
  }
}
