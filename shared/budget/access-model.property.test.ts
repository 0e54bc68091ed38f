/**
 * Random requests for names at a small tree, beside a model that knows nothing but lists: who holds, who waits, in which order, and that
 * after each step whoever can have all of its names, in turn, has them. Budget is no hindrance here.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Access, AccessMode } from "./access.ts";
import { describeState } from "./describe.ts";
import { disputed, isUnder } from "./names-model.test-support.ts";
import { PRIORITIES } from "./policy.ts";
import { conflictOf, Scenario } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

interface Held {
  readonly path: string;
  readonly access: readonly Access[];
}

interface Waits extends Held {
  readonly parent: string;
  readonly priority: number;
  readonly arrived: number;
}

/** The rule by which requests have their turn. */
type Before = (a: Waits, b: Waits) => boolean;

const BY_ARRIVAL: Before = (a, b) => a.arrived < b.arrived;
// Nobody waits long enough to rise.
const BY_PRIORITY: Before = (a, b) => a.priority > b.priority || (a.priority === b.priority && a.arrived < b.arrived);

class Model {
  readonly open: Held[] = [];
  waiting: Waits[] = [];
  #before: Before;

  constructor(before: Before) {
    this.#before = before;
  }

  /** The nearest at or above the parent that holds the name. */
  #above(parent: string, name: string): Held | undefined {
    return this.open
      .filter(({ path, access }) => isUnder(parent, path) && access.some((one) => one.name === name))
      .sort((a, b) => b.path.length - a.path.length)[0];
  }

  /** What stands in its way: others that hold a name, not above it, and those before it that want a name in the same scope. */
  blockers({ parent, access }: Waits, self: Waits): { readonly held: Held[]; readonly before: Waits[] } {
    const scope = (at: string, name: string) => this.#above(at, name)?.path ?? "";
    return {
      held: this.open.filter(
        ({ path, access: theirs }) => !isUnder(parent, path) && disputed(access, theirs).length > 0,
      ),
      before: this.waiting.filter(
        (other) =>
          other !== self &&
          this.#before(other, self) &&
          disputed(access, other.access).some((name) => scope(parent, name) === scope(other.parent, name)),
      ),
    };
  }

  /** Below a shared hold nobody has the name alone. */
  isBad(parent: string, access: readonly Access[]): boolean {
    return access.some(
      ({ name, mode }) =>
        mode === "EXCLUSIVE" &&
        this.#above(parent, name)?.access.some((one) => one.name === name && one.mode === "SHARED"),
    );
  }

  /** Whether to wait would never end for one who comes. */
  isCircle(newcomer: Waits): boolean {
    this.waiting.push(newcomer);
    const closes = this.#waitsForItself(newcomer);
    this.waiting.pop();
    return closes;
  }

  /** Others have their turn first from now on: who is refused, the last to come of those who wait for each other, one after the other. */
  reorder(before: Before): string[] {
    this.#before = before;
    const refused: string[] = [];
    for (;;) {
      const last = this.waiting.findLast((one) => this.#waitsForItself(one));
      if (!last) return refused.sort();
      this.waiting.splice(this.waiting.indexOf(last), 1);
      refused.push(last.path);
    }
  }

  /** Each who waits, and all that they wait for. */
  #waitsForItself(start: Waits): boolean {
    const next = (one: Waits): Waits[] => {
      const { held, before } = this.blockers(one, one);
      const below = held.flatMap(({ path }) => this.waiting.filter(({ parent }) => isUnder(parent, path)));
      return [...below, ...before];
    };
    const seen = new Set<Waits>();
    const todo = next(start);
    for (let one = todo.pop(); one; one = todo.pop()) {
      if (one === start) return true;
      if (seen.has(one)) continue;
      seen.add(one);
      todo.push(...next(one));
    }
    return false;
  }

  /** Until nobody moves any more. */
  serve(): string[] {
    const served: string[] = [];
    for (;;) {
      const one = this.waiting.find((waits) => {
        const { held, before } = this.blockers(waits, waits);
        return held.length === 0 && before.length === 0;
      });
      if (!one) return served.sort();
      this.waiting.splice(this.waiting.indexOf(one), 1);
      this.open.push(one);
      served.push(one.path);
    }
  }

  close(path: string): void {
    const at = this.open.findIndex((held) => held.path === path);
    if (at >= 0) this.open.splice(at, 1);
  }
}

const NAMES = ["browser", "db", "lab"];

const access = fc
  .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 })
  .chain((names) =>
    fc
      .array(fc.constantFrom<AccessMode>("SHARED", "EXCLUSIVE"), { minLength: names.length, maxLength: names.length })
      .map((modes) => names.map((name, at) => ({ name, mode: modes[at] ?? "SHARED" }))),
  );

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      at: fc.nat(6),
      access,
      priority: fc.nat(4),
      waits: fc.boolean(),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("close" as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cancel" as const), at: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("reorder" as const), at: fc.nat() }) },
);

class World {
  readonly s = new Scenario();
  readonly model: Model;
  readonly #root: string;
  /** Ids by path. */
  readonly #ids = new Map<string, string>();
  readonly #requests = new Map<string, string>();
  #count = 0;

  constructor(strategy: "QUEUE_AND_WAIT" | "PRIORITY_BASED") {
    this.model = new Model(strategy === "QUEUE_AND_WAIT" ? BY_ARRIVAL : BY_PRIORITY);
    const id = this.s.account({}, { strategy, agingStepMs: 1_000_000 });
    this.#root = this.s.node(id).path;
    this.#ids.set(this.#root, id);
  }

  /** Paths of what is open, the root among them. */
  get #places(): string[] {
    return [this.#root, ...this.model.open.map(({ path }) => path)];
  }

  ask({
    at,
    access: names,
    priority,
    waits,
  }: {
    at: number;
    access: readonly Access[];
    priority: number;
    waits: boolean;
  }): void {
    const parent = this.#places[at % this.#places.length] ?? this.#root;
    this.#count += 1;
    const [name, requestId] = [`n${this.#count}`, `r${this.#count}`];
    const wanted: Waits = { path: `${parent}/${name}`, parent, access: names, priority, arrived: this.#count };
    const wish = this.s.openWish(this.#ids.get(parent) ?? "", {
      allocationId: name,
      requestId,
      limits: {},
      access: names,
      priority: PRIORITIES[priority] ?? "LOW",
      waitMs: waits ? 500_000 : 0,
    });
    this.#ids.set(wanted.path, name);
    this.#requests.set(wanted.path, requestId);
    const outcome = this.s.grant(wish);
    const expected = this.#expected(wanted, waits);
    expect(outcome.type === "refused" && outcome.refusal.code === "invalid" ? "invalid" : outcome.type).toBe(
      expected === "circle" ? "refused" : expected,
    );
    if (outcome.type === "refused" && outcome.refusal.code === "conflict") {
      expect(conflictOf(outcome).access?.circle !== undefined).toBe(expected === "circle");
    }
    if (expected === "opened") this.model.open.push(wanted);
    if (expected === "queued") this.model.waiting.push(wanted);
  }

  #expected(wanted: Waits, waits: boolean): "invalid" | "opened" | "refused" | "circle" | "queued" {
    if (this.model.isBad(wanted.parent, wanted.access)) return "invalid";
    const { held, before } = this.model.blockers(wanted, wanted);
    if (held.length === 0 && before.length === 0) return "opened";
    if (!waits) return "refused";
    return this.model.isCircle(wanted) ? "circle" : "queued";
  }

  /** Closes something below which nothing is open and nobody waits. */
  close(at: number): void {
    const busy = (path: string) =>
      this.model.open.some((held) => held.path !== path && isUnder(held.path, path)) ||
      this.model.waiting.some(({ parent }) => isUnder(parent, path));
    const idle = this.model.open.filter(({ path }) => !busy(path));
    const path = idle[at % Math.max(1, idle.length)]?.path;
    if (path === undefined) return;
    this.s.close(this.#ids.get(path) ?? "");
    this.model.close(path);
    this.#compare();
  }

  cancel(at: number): void {
    const { waiting } = this.model;
    const [one] = waiting.splice(at % Math.max(1, waiting.length), 1);
    if (!one) return;
    this.s.ask({ type: "cancel_request", caller: "client", requestId: this.#requests.get(one.path) ?? "" });
    this.#compare();
  }

  /** The order of turns changes while they wait; how many waited for each other then. */
  reorder(at: number): number {
    const strategy = at % 2 === 0 ? "QUEUE_AND_WAIT" : "PRIORITY_BASED";
    this.#count += 1;
    const which = { caller: "person", requestId: `order${this.#count}`, allocationId: this.#ids.get(this.#root) ?? "" };
    this.s.expect("updated", { type: "update_limits", ...which, limits: {}, strategy });
    const refused = this.model.reorder(at % 2 === 0 ? BY_ARRIVAL : BY_PRIORITY);
    const told = this.s.last.messages.flatMap((message) =>
      message.type === "decided" && message.outcome.type === "refused" ? [message] : [],
    );
    const paths = [...this.#requests].filter(([, id]) => told.some(({ requestId }) => requestId === id));
    expect(paths.map(([path]) => path).sort()).toEqual(refused);
    for (const { outcome } of told) expect(conflictOf(outcome).access?.circle).toBeDefined();
    this.#compare();
    return refused.length;
  }

  #compare(): void {
    const served = this.s.last.messages.flatMap((message) =>
      message.type === "decided" && message.outcome.type === "opened" ? [message.outcome.path] : [],
    );
    expect(served.sort()).toEqual(this.model.serve());
  }

  /** What a snapshot tells is all there is. */
  restore(): void {
    const described = JSON.stringify(describeState(this.s.state));
    this.s.state = restoreState(snapshotParts(this.s.state));
    expect(JSON.stringify(describeState(this.s.state))).toBe(described);
  }
}

/** Few places and names, and everybody waits: so that some wait for each other when the order changes. */
const dense = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      at: fc.nat(2),
      access: fc
        .uniqueArray(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 2 })
        .map((names) => names.map((name) => ({ name, mode: "EXCLUSIVE" as const }))),
      priority: fc.nat(4),
      waits: fc.constant(true),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("close" as const), at: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reorder" as const), at: fc.nat() }) },
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** How many were refused because they waited for each other. */
function follow(world: World, steps: readonly Step[], restoredAt: number): number {
  let circles = 0;
  for (const [at, one] of steps.entries()) {
    if (one.do === "ask") world.ask(one);
    else if (one.do === "close") world.close(one.at);
    else if (one.do === "reorder") circles += world.reorder(one.at);
    else world.cancel(one.at);
    if (at === restoredAt) world.restore();
  }
  world.s.restart();
  return circles;
}

test.each(["QUEUE_AND_WAIT", "PRIORITY_BASED"] as const)("%s: who has a name, and who waits for it", (strategy) => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), fc.nat(60), (steps, restoredAt) => {
      follow(new World(strategy), steps, restoredAt);
    }),
    { numRuns: 80 },
  );
});

test("where the order of turns changes nobody waits for itself afterwards, and nobody else is refused", () => {
  let circles = 0;
  fc.assert(
    fc.property(fc.array(dense, { minLength: 10, maxLength: 30 }), fc.nat(30), (steps, restoredAt) => {
      circles += follow(new World("QUEUE_AND_WAIT"), steps, restoredAt);
    }),
    { numRuns: 200, seed: 20261124 },
  );
  // It was no idle property.
  expect(circles).toBeGreaterThan(10);
});
