import { create, type MessageInitShape } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Limits, STRATEGIES } from "#budget";
import { type CodeWorkSchema, RoutineSchema, type StepSchema } from "#gen/bursar/v1/routine_pb.js";
import { LIMITS } from "#std";
import { slotsOfBranches, slotsOfSteps } from "./document/swarm-check.ts";
import type { BranchSpec, RoutineSpec, StepSpec } from "./document/swarm-document.ts";
import { name, parsedWith, throughBytes, wantedLimits } from "./messages/values.fixture.ts";
import { routineFromProto, routineToProto } from "./routine.ts";

const unique = <T extends { readonly name: string }>(items: fc.Arbitrary<T>) =>
  fc.uniqueArray(items, { minLength: 1, maxLength: 3, selector: (item) => item.name });
const onFailure = fc.constantFrom("fail", "continue");
const word = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !text.includes("\0"));
const variable = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,10}$/).filter((text) => !text.startsWith("BURSAR_"));
const common = { name, limits: wantedLimits, onFailure };

const code: fc.Arbitrary<StepSpec> = fc.record({
  ...common,
  kind: fc.constant("code" as const),
  onInterruption: fc.constantFrom("retry", "fail"),
  code: fc.record({
    command: fc.array(word, { minLength: 1, maxLength: 4 }),
    env: fc.dictionary(variable, word, { maxKeys: 3, noNullPrototype: true }),
    cwd: fc.constantFrom(".", "work/here"),
  }),
});
const worker: fc.Arbitrary<StepSpec> = fc.record({
  ...common,
  kind: fc.constant("worker" as const),
  onInterruption: fc.constantFrom("continue", "retry", "fail"),
  worker: fc.record({ kind: name, attachWithinMs: fc.integer({ min: 1, max: 100_000 }) }),
});

const strategy = fc.constantFrom(...STRATEGIES);

const withSlots = (limits: Limits, branches: number): Limits => ({ branches: branches as never, ...limits });

const { steps } = fc.letrec<{ steps: StepSpec[]; step: StepSpec; branch: BranchSpec; parallel: StepSpec }>((tie) => ({
  steps: unique(tie("step")),
  step: fc.oneof({ depthSize: "small", withCrossShrink: true }, code, worker, tie("parallel")),
  branch: fc
    .record({ ...common, steps: tie("steps"), strategy }, { requiredKeys: ["name", "limits", "onFailure", "steps"] })
    .map((spec) => ({ ...spec, limits: withSlots(spec.limits, slotsOfSteps(spec.steps)) })),
  parallel: fc
    .record({ ...common, kind: fc.constant("parallel" as const), parallel: unique(tie("branch")) })
    .map((spec) => ({ ...spec, limits: withSlots(spec.limits, slotsOfBranches(spec.parallel)) })),
}));
/** With the last as final step, if somebody does it. */
const withFinalStep = (given: readonly StepSpec[]): readonly StepSpec[] =>
  given.map((one, at) => (at === given.length - 1 && one.kind !== "parallel" ? { ...one, wrapUp: true } : one));
const routines: fc.Arbitrary<RoutineSpec> = fc
  .record(
    { name, limits: wantedLimits, steps, wrapsUp: fc.boolean(), strategy, requestStrategy: strategy },
    { requiredKeys: ["name", "limits", "steps", "wrapsUp"] },
  )
  .map(({ wrapsUp, ...spec }) => ({
    ...spec,
    steps: wrapsUp ? withFinalStep(spec.steps) : spec.steps,
    limits: withSlots(spec.limits, slotsOfSteps(spec.steps)),
  }));

const parse = (message: MessageInitShape<typeof RoutineSchema>) =>
  parsedWith((check) => routineFromProto(check.inside("routine"), create(RoutineSchema, message)));

const fieldsOf = (message: MessageInitShape<typeof RoutineSchema>): string[] => {
  const parsed = parse(message);
  return parsed.ok ? [] : parsed.violations.map(({ field }) => field);
};

type StepInit = MessageInitShape<typeof StepSchema>;
type Work = NonNullable<StepInit["work"]>;

const work: Work = { case: "worker", value: { kind: "llm" } };
const codeWork = (value: MessageInitShape<typeof CodeWorkSchema>): Work => ({ case: "code", value });
const parallel = (branches: { name: string; steps: StepInit[] }[]): Work => ({ case: "parallel", value: { branches } });

/** `depth` lists of steps inside each other. */
function nested(depth: number): StepInit[] {
  if (depth === 1) return [{ name: "leaf", work }];
  return [{ name: "level", work: parallel([{ name: "only", steps: nested(depth - 1) }]) }];
}

describe("a routine", () => {
  test("survives the contract", () => {
    fc.assert(
      fc.property(routines, (routine) => {
        const message = throughBytes(RoutineSchema, routineToProto(routine));
        expect(parsedWith((check) => routineFromProto(check, message))).toEqual({ ok: true, value: routine });
      }),
    );
  });

  test("gets defaults, and the slots that its branches take", () => {
    const branches = [
      {
        name: "left",
        steps: [
          { name: "a", work },
          { name: "b", work },
        ],
      },
      { name: "right", steps: [{ name: "a", work: codeWork({ command: ["true"] }) }] },
    ];
    expect(parse({ name: "main", steps: [{ name: "both", work: parallel(branches) }] })).toMatchObject({
      ok: true,
      value: {
        limits: { branches: 5 },
        steps: [
          {
            kind: "parallel",
            onFailure: "fail",
            limits: { branches: 4 },
            parallel: [
              {
                limits: { branches: 1 },
                steps: [{ onInterruption: "continue", worker: { attachWithinMs: LIMITS.workerAttachMs } }, {}],
              },
              { steps: [{ onInterruption: "fail", code: { command: ["true"], env: {}, cwd: "." } }] },
            ],
          },
        ],
      },
    });
  });

  test("keeps limits that are stated, and what is given on standard input", () => {
    const stdin = Uint8Array.of(1, 2);
    const step: StepInit = {
      name: "a",
      limits: { maxCredits: 5n },
      onFailure: 2,
      work: codeWork({ command: ["x"], stdin }),
    };
    const parsed = parse({ name: "main", limits: { maxConcurrentBranches: 9n }, steps: [step] });
    expect(parsed).toMatchObject({
      ok: true,
      value: { limits: { branches: 9 }, steps: [{ limits: { credits: 5 }, onFailure: "continue", code: { stdin } }] },
    });
    const again = parsed.ok && routineToProto(parsed.value).steps[0]?.work;
    expect(again).toMatchObject({ case: "code", value: { stdin } });
  });

  test.each<[string, MessageInitShape<typeof RoutineSchema>, string[]]>([
    ["nothing at all", {}, ["routine.name", "routine.steps"]],
    ["a step without work", { name: "m", steps: [{ name: "a" }] }, ["routine.steps[0].work"]],
    [
      "the same name twice among siblings",
      {
        name: "m",
        steps: [
          { name: "a", work },
          { name: "b", work },
          { name: "a", work },
        ],
      },
      ["routine.steps[2].name"],
    ],
    [
      "the same name twice among branches",
      {
        name: "m",
        steps: [
          {
            name: "a",
            work: parallel([
              { name: "x", steps: nested(1) },
              { name: "x", steps: nested(1) },
            ]),
          },
        ],
      },
      ["routine.steps[0].parallel.branches[1].name"],
    ],
    [
      "no branch, and a branch without steps",
      {
        name: "m",
        steps: [
          { name: "a", work: parallel([]) },
          { name: "b", work: parallel([{ name: "x", steps: [] }]) },
        ],
      },
      ["routine.steps[0].parallel.branches", "routine.steps[1].parallel.branches[0].steps"],
    ],
    [
      "a policy that only a newer peer knows",
      { name: "m", steps: [{ name: "a", work, onFailure: 9 as never }] },
      ["routine.steps[0].on_failure"],
    ],
    [
      "an interruption that cannot be: code that continues, a parallel step that says anything, a policy of a newer peer",
      {
        name: "m",
        steps: [
          { name: "a", work: codeWork({ command: ["x"] }), onInterruption: 1 },
          { name: "b", work: parallel([{ name: "x", steps: nested(1) }]), onInterruption: 2 },
          { name: "c", work, onInterruption: 9 as never },
        ],
      },
      ["routine.steps[0].on_interruption", "routine.steps[1].on_interruption", "routine.steps[2].on_interruption"],
    ],
    [
      "a final step that is not the last of the routine, or not one that somebody does",
      {
        name: "m",
        steps: [
          { name: "a", work, wrapUp: true },
          { name: "b", work: parallel([{ name: "x", steps: [{ name: "y", work, wrapUp: true }] }]), wrapUp: true },
        ],
      },
      [
        "routine.steps[0].wrap_up",
        "routine.steps[1].parallel.branches[0].steps[0].wrap_up",
        "routine.steps[1].wrap_up",
      ],
    ],
    [
      "bad limits at every level",
      { name: "m", limits: { maxCredits: -1n }, steps: [{ name: "a", work, limits: { maxToolCalls: -1n } }] },
      ["routine.limits.max_credits", "routine.steps[0].limits.max_tool_calls"],
    ],
    [
      "an empty command, and words and variables that cannot be passed on",
      {
        name: "m",
        steps: [
          { name: "a", work: codeWork({ command: [] }) },
          {
            name: "b",
            work: codeWork({ command: ["x", "y\0"], env: { "1X": "", BURSAR_X: "", OK: "\0" }, cwd: "\0" }),
          },
        ],
      },
      [
        "routine.steps[0].code.command",
        "routine.steps[1].code.command[1]",
        'routine.steps[1].code.env."1X"',
        "routine.steps[1].code.env.BURSAR_X",
        "routine.steps[1].code.env.OK",
        "routine.steps[1].code.cwd",
      ],
    ],
  ])("%s is refused by name", (_, message, fields) => {
    expect(fieldsOf(message).sort()).toEqual([...fields].sort());
  });

  test("is at most so deep", () => {
    expect(fieldsOf({ name: "m", steps: nested(LIMITS.routineDepthMax) })).toEqual([]);
    const [deepest] = fieldsOf({ name: "m", steps: nested(LIMITS.routineDepthMax + 1) });
    expect(deepest).toMatch(/^routine(\.steps\[0\]\.parallel\.branches\[0\]){16}\.steps$/);
  });

  test("has at most so many steps in all", () => {
    const steps = (count: number) => Array.from({ length: count }, (_, index) => ({ name: `s${index}`, work }));
    const half = LIMITS.routineStepsMax / 2;
    const split = (last: number) => [
      ...steps(half),
      { name: "rest", work: parallel([{ name: "branch", steps: steps(last) }]) },
    ];
    expect(fieldsOf({ name: "m", steps: split(half - 1) })).toEqual([]);
    expect(fieldsOf({ name: "m", steps: split(half) })).toEqual(["routine.steps"]);
  });
});
