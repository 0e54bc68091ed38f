/** Victim plans against all subsets: a slow, obvious model in plain numbers that shares no arithmetic with the plan. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PRIORITIES } from "../policy.ts";
import { type Amounts, RESOURCES } from "../resource.ts";
import { some, UNDAMPED } from "./victim-plan.test-support.ts";
import { planVictims, type VictimPlan } from "./victim-plan.ts";
import type { VictimCandidate, VictimQuestion } from "./victim-plan-candidate.ts";

const SEED = 20_261_124;
const RUNS = 400;
const NOW_MS = 1_000;

const plus = (a: Amounts, b: Amounts): Amounts =>
  some(Object.fromEntries(RESOURCES.map((resource) => [resource, a[resource] + b[resource]])));
const covers = (a: Amounts, b: Amounts): boolean => RESOURCES.every((resource) => a[resource] >= b[resource]);

const figures = fc.record({ credits: fc.nat(9), branches: fc.nat(2), memoryBytes: fc.nat(3) }).map(some);

interface Drawn {
  readonly unspent: Amounts;
  readonly pause: Amounts | undefined;
  readonly stop: Amounts | undefined;
  readonly level: number;
  readonly percentDone: number;
  readonly grantedAtMs: number;
  readonly preemptedAtMs: number | undefined;
  readonly leaving: boolean;
  readonly exempt: VictimCandidate["exempt"];
}

const drawn: fc.Arbitrary<Drawn> = fc.record({
  unspent: figures,
  pause: fc.option(figures, { nil: undefined }),
  stop: fc.option(figures, { nil: undefined, freq: 5 }),
  level: fc.integer({ min: 0, max: 3 }),
  percentDone: fc.constantFrom(0, 0, 50, 51),
  grantedAtMs: fc.constantFrom(0, 1, 2, 990),
  preemptedAtMs: fc.option(fc.constantFrom(0, 500, 999), { nil: undefined, freq: 2 }),
  leaving: fc.nat(9).map((draw) => draw === 0),
  exempt: fc.option(fc.constantFrom("EMERGENCY_WORK" as const, "WRAP_UP" as const), { nil: undefined, freq: 1 }),
});

/** What a stop gives is at least what a pause gives, and that at least what is unspent: so the engine makes them. */
function candidateOf(of: Drawn, index: number): VictimCandidate {
  const byPause = of.pause && plus(of.unspent, of.pause);
  const byStop = of.stop && plus(byPause ?? of.unspent, of.stop);
  const { unspent, percentDone, grantedAtMs, preemptedAtMs, leaving } = of;
  const exempt = index % 7 === 6 ? of.exempt : undefined;
  const priority = PRIORITIES[of.level] ?? "LOW";
  const id = `c${index}`;
  return { id, path: id, priority, grantedAtMs, unspent, byPause, byStop, percentDone, leaving, preemptedAtMs, exempt };
}

const damped = { ...UNDAMPED, protectMs: 100, coolDownMs: 300 };

function questions(most: number): fc.Arbitrary<VictimQuestion> {
  return fc
    .record({
      candidates: fc.array(drawn, { maxLength: most }).map((list) => list.map(candidateOf)),
      needed: fc.record({ credits: fc.nat(30), branches: fc.nat(4), memoryBytes: fc.nat(6) }).map(some),
      priority: fc.constantFrom("NORMAL" as const, "HIGH" as const, "HIGH" as const, "CRITICAL" as const),
      rules: fc.constantFrom(UNDAMPED, UNDAMPED, damped),
    })
    .map(({ priority, ...rest }) => ({ ...rest, claimant: { priority, path: "claimant" }, nowMs: NOW_MS }));
}

const check = (most: number, verify: (question: VictimQuestion) => void): void =>
  fc.assert(fc.property(questions(most), verify), { seed: SEED, numRuns: RUNS });

/** Read off the rules once more: who may have to give way. */
function mayGive(candidate: VictimCandidate, { claimant, rules }: VictimQuestion): boolean {
  const lower = PRIORITIES.slice(0, PRIORITIES.indexOf(claimant.priority)).includes(candidate.priority);
  const ripe = NOW_MS - candidate.grantedAtMs >= rules.protectMs;
  const cool = NOW_MS - (candidate.preemptedAtMs ?? Number.NEGATIVE_INFINITY) >= rules.coolDownMs;
  return lower && ripe && cool && !candidate.exempt && !candidate.leaving;
}

type Mode = "PAUSE" | "STOP" | undefined;

function given(candidate: VictimCandidate, mode: Mode): Amounts {
  if (mode === "STOP") return candidate.byStop ?? candidate.byPause ?? candidate.unspent;
  return (mode === "PAUSE" ? candidate.byPause : undefined) ?? candidate.unspent;
}

/** All unspent budget, and what the candidates in these modes give, together. */
function total(candidates: readonly VictimCandidate[], modes: ReadonlyMap<string, Mode>): Amounts {
  return candidates.map((one) => given(one, modes.get(one.id))).reduce(plus, some({}));
}

/** Every way to stop some of them; the set of levels touched by each that is enough. */
function enoughStops(question: VictimQuestion): number[] {
  const open = question.candidates.filter((candidate) => mayGive(candidate, question));
  const highest: number[] = [];
  for (let subset = 0; subset < 2 ** open.length; subset += 1) {
    const stopped = open.filter((_, index) => subset & (1 << index));
    const modes = new Map(stopped.map(({ id }) => [id, "STOP" as const]));
    if (!covers(total(open, modes), question.needed)) continue;
    highest.push(Math.max(-1, ...stopped.map(({ priority }) => PRIORITIES.indexOf(priority))));
  }
  return highest;
}

function asPlan(plan: VictimPlan): Extract<VictimPlan, { type: "plan" }> {
  if (plan.type !== "plan") throw new Error(`no plan: ${plan.because}`);
  return plan;
}

const modesOf = (plan: VictimPlan): Map<string, Mode> =>
  new Map(asPlan(plan).victims.map(({ id, mode }) => [id, mode]));

describe("against all subsets of up to 12 candidates", () => {
  test("atomic: there is a plan if and only if some subset is enough; and it touches no higher level than it must", () => {
    let plans = 0;
    check(12, (question) => {
      const plan = planVictims(question);
      const highest = enoughStops(question);
      expect(plan.type).toBe(highest.length > 0 ? "plan" : "none");
      if (plan.type === "none") return;
      plans += 1;
      const levels = plan.victims.map(({ id }) => question.candidates.find((one) => one.id === id)?.priority ?? "LOW");
      expect(Math.max(-1, ...levels.map((level) => PRIORITIES.indexOf(level)))).toBe(Math.min(...highest));
    });
    expect(plans).toBeGreaterThan(RUNS / 4);
  });

  test("strict: who may not give gives nothing; what is given is had, and is enough", () => {
    check(12, (question) => {
      const plan = planVictims(question);
      if (plan.type === "none") return;
      const givers = [...plan.unspent, ...plan.victims];
      expect(new Set(givers.map(({ id }) => id)).size).toBe(givers.length);
      for (const { id, takes } of plan.unspent) {
        const giver = question.candidates.find((one) => one.id === id);
        expect(giver && mayGive(giver, question) && covers(giver.unspent, takes)).toBe(true);
      }
      for (const { id, mode, takes } of plan.victims) {
        const giver = question.candidates.find((one) => one.id === id);
        expect(giver && mayGive(giver, question)).toBe(true);
        expect(giver && given(giver, mode)).toEqual(takes);
      }
      expect(covers(givers.map(({ takes }) => takes).reduce(plus, some({})), question.needed)).toBe(true);
    });
  });

  test("minimal: no proper subset, and no milder mode, would be enough with all that is unspent", () => {
    let many = 0;
    check(12, (question) => {
      const plan = planVictims(question);
      if (plan.type === "none") return;
      const open = question.candidates.filter((candidate) => mayGive(candidate, question));
      const modes = modesOf(plan);
      const ids = [...modes.keys()];
      if (ids.length > 1) many += 1;
      for (let subset = 0; subset < 2 ** ids.length - 1; subset += 1) {
        const part = new Map(ids.filter((_, index) => subset & (1 << index)).map((id) => [id, modes.get(id)]));
        expect(covers(total(open, part), question.needed)).toBe(false);
      }
      for (const { id, byPause } of open) {
        if (modes.get(id) !== "STOP" || !byPause) continue;
        expect(covers(total(open, new Map([...modes, [id, "PAUSE" as const]])), question.needed)).toBe(false);
      }
    });
    expect(many).toBeGreaterThan(20);
  });

  test("of unspent budget exactly what is lacking is taken, and from nobody in vain", () => {
    check(12, (question) => {
      const plan = planVictims(question);
      if (plan.type === "none") return;
      const byVictims = plan.victims.map(({ takes }) => takes).reduce(plus, some({}));
      const byOthers = plan.unspent.map(({ takes }) => takes).reduce(plus, some({}));
      for (const resource of RESOURCES) {
        expect(byOthers[resource]).toBe(Math.max(0, question.needed[resource] - byVictims[resource]));
      }
      const unspentOf = (id: string) => question.candidates.find((one) => one.id === id)?.unspent ?? some({});
      for (const { id } of plan.unspent) {
        const rest = plan.unspent.filter((other) => other.id !== id).map((other) => unspentOf(other.id));
        expect(covers(rest.reduce(plus, byVictims), question.needed)).toBe(false);
      }
    });
  });

  test("deterministic: the order of the candidates does not matter", () => {
    fc.assert(
      fc.property(questions(12), fc.infiniteStream(fc.nat()), (question, chance) => {
        const order = new Map(question.candidates.map(({ id }) => [id, chance.next().value as number]));
        const candidates = question.candidates.toSorted((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0));
        expect(planVictims({ ...question, candidates })).toEqual(planVictims(question));
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });

  test("monotone: who needs less gets a plan where one who needs more does, and touches no higher level", () => {
    fc.assert(
      fc.property(questions(12), figures, (question, more) => {
        const small = planVictims(question);
        const large = planVictims({ ...question, needed: plus(question.needed, more) });
        if (small.type === "none") {
          expect(large.type).toBe("none");
          return;
        }
        if (large.type === "none") return;
        const levelsOf = ({ victims }: typeof small): number[] =>
          victims.map(({ id }) =>
            PRIORITIES.indexOf(question.candidates.find((one) => one.id === id)?.priority ?? "LOW"),
          );
        expect(Math.max(-1, ...levelsOf(small))).toBeLessThanOrEqual(Math.max(-1, ...levelsOf(large)));
      }),
      { seed: SEED, numRuns: RUNS },
    );
  });
});

test("rounds: carried out one after the other they end, take no more than one round without a bound, and are enough", () => {
  check(10, (question) => {
    const whole = planVictims(question);
    if (whole.type === "none") return;
    const rules = { ...question.rules, victimsPerRoundMax: 1 };
    let { needed, candidates } = question;
    let rounds = 0;
    for (let owing = true; owing; rounds += 1) {
      const plan = asPlan(planVictims({ ...question, rules, needed, candidates }));
      owing = RESOURCES.some((resource) => plan.shortBy[resource] > 0);
      const back = [...plan.unspent, ...plan.victims].map(({ takes }) => takes).reduce(plus, some({}));
      needed = some(Object.fromEntries(RESOURCES.map((r) => [r, Math.max(0, needed[r] - back[r])])));
      const gone = new Set(plan.victims.map(({ id }) => id));
      candidates = candidates.filter(({ id }) => !gone.has(id)).map((one) => without(one, plan));
    }
    expect(needed).toEqual(some({}));
    expect(rounds).toBeLessThanOrEqual(Math.max(1, whole.victims.length));
  });
});

/** The candidate after it has given back what the plan took of its unspent budget. */
function without(candidate: VictimCandidate, plan: Extract<VictimPlan, { type: "plan" }>): VictimCandidate {
  const taken = plan.unspent.find(({ id }) => id === candidate.id)?.takes;
  if (!taken) return candidate;
  const less = (amounts: Amounts): Amounts =>
    some(Object.fromEntries(RESOURCES.map((r) => [r, amounts[r] - taken[r]])));
  const { unspent, byPause, byStop } = candidate;
  return { ...candidate, unspent: less(unspent), byPause: byPause && less(byPause), byStop: byStop && less(byStop) };
}
