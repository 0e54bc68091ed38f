import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { formatProblems } from "./problem.ts";
import { readSwarmDocument, type SwarmSpec } from "./swarm-document.ts";

const WHOLE = `name: research
account: global/research/demo
limits: { credits: 50_000, tool_calls: 100, branches: 8, memory: 2GiB, duration: 10m }
strategy: FIRST_COME_FIRST_SERVED
routines:
  - name: survey
    limits: { credits: 40_000, branches: 5, memory: 1GiB, tool_calls: 5 }
    steps:
      - name: list
        limits: { credits: 2000, duration: 20s, memory: 256MiB }
        code: { command: [node, "list.mjs"], env: { A: b, EMPTY: "" }, cwd: work }
      - name: analyse
        parallel:
          - name: lines
            limits: { credits: 100, memory: 256MiB, duration: 20s }
            on_failure: continue
            steps:
              - { name: count, limits: { credits: 100, memory: 1MiB }, code: { command: [wc] } }
          - name: words
            limits: { credits: 200, branches: 1, tool_calls: 5, duration: 30s }
            steps:
              - { name: ask, limits: { credits: 1, tool_calls: 5 }, worker: { kind: llm, attach_within: 5s } }
      - name: agent
        limits: { credits: 9 }
        worker: { kind: llm }
        on_failure: continue
`;

function read(text: string): SwarmSpec {
  const result = readSwarmDocument({ file: "s.yaml", text });
  return result.ok ? result.value : expect.fail(formatProblems(result.problems));
}

function problemsOf(text: string): string[] {
  const result = readSwarmDocument({ file: "s.yaml", text });
  return result.ok ? [] : formatProblems(result.problems).split("\n");
}

/** A swarm of one routine with these steps, and these limits beside 100 credits. */
function swarmOf(steps: string, swarm = "", routine = swarm): string {
  const limits = `credits: 100, ${routine}`;
  return `{ name: s, account: a, limits: { credits: 100, ${swarm} }, routines: [{ name: r, limits: { ${limits} }, steps: ${steps} }] }`;
}

const MEBIBYTE = 1024 ** 2;

test("reads every kind of step into a complete value", () => {
  const { routines, ...swarm } = read(WHOLE);
  expect(swarm).toEqual({
    name: "research",
    account: "global/research/demo",
    priority: "NORMAL",
    strategy: "FIRST_COME_FIRST_SERVED",
    limits: { credits: 50_000, toolCalls: 100, branches: 8, memoryBytes: 2048 * MEBIBYTE, durationMs: 600_000 },
  });
  const [list, analyse, agent] = routines[0]?.steps ?? [];
  expect(list).toEqual({
    kind: "code",
    name: "list",
    limits: { credits: 2_000, durationMs: 20_000, memoryBytes: 256 * MEBIBYTE },
    onFailure: "fail",
    onInterruption: "fail",
    code: { command: ["node", "list.mjs"], env: { A: "b", EMPTY: "" }, cwd: "work" },
  });
  expect(agent).toEqual({
    kind: "worker",
    name: "agent",
    limits: { credits: 9 },
    onFailure: "continue",
    onInterruption: "continue",
    worker: { kind: "llm", attachWithinMs: 60_000 },
  });
  if (analyse?.kind !== "parallel") expect.fail("analyse is a parallel step");
  // Stated by none: what its branches need side by side, and a slot for each branch beside the one for its step.
  expect(analyse.limits).toEqual({
    credits: 300,
    toolCalls: 5,
    branches: 4,
    memoryBytes: 256 * MEBIBYTE,
    durationMs: 30_000,
  });
  expect(analyse.parallel.map(({ name, onFailure }) => [name, onFailure])).toEqual([
    ["lines", "continue"],
    ["words", "fail"],
  ]);
  expect(analyse.parallel[1]?.steps[0]).toMatchObject({ kind: "worker", worker: { attachWithinMs: 5_000 } });
});

test("slots are counted where they are not stated: each child takes one and those it has itself", () => {
  const parallel =
    "[{ name: b, limits: { credits: 1, branches: 2 }, steps: [{ name: x, limits: { credits: 1 }, code: { command: [x] } }] }]";
  const spec = read(swarmOf(`[{ name: p, limits: { credits: 5 }, parallel: ${parallel} }]`));
  expect(spec.routines[0]?.steps[0]?.limits).toEqual({ credits: 5, branches: 3 });
  expect(spec.routines[0]?.limits).toEqual({ credits: 100, branches: 4 });
});

test("names every problem of a bad file at once, each with its line and path", () => {
  const text = `name: Research
acount: global/research
limits: { credits: 100, memory: 1GiB, branches: 2, duration: 1m }
priority: URGENT
routines:
  - name: survey
    limits: { credits: 101, memory: 512MiB, branches: 1, duration: 2m }
    steps:
      - name: list
        limits: { credits: -5 }
        code: { command: [], env: { BURSAR_WORK_DIR: x, "A B": y } }
      - name: list
        limits: { credits: 10, tool_calls: 1_0.5, memory: 1GiB }
        code: { command: [x] }
        worker: { kind: llm, attach_within: 30 }
      - name: none
        limits: { credits: 1 }
        on_failure: ignore
      - name: both
        limits: { credits: 10 }
        parallel:
          - { name: a, limits: { credits: 6 }, steps: [{ name: x, code: { command: [x] } }] }
          - { name: a, limits: { credits: 6, memory: 1MiB }, steps: [] }
`;
  const at = "routines[0].steps";
  expect(problemsOf(text)).toEqual([
    "s.yaml:1:7  name: must be a name of small letters, digits, - and _, starting with a letter or digit; got Research",
    "s.yaml:2:1  acount: unknown key; did you mean account?",
    "s.yaml:4:11  priority: must be one of LOW, NORMAL, HIGH, CRITICAL, EMERGENCY; got URGENT",
    "s.yaml:7:24  routines[0].limits.credits: takes 101 credits, but the swarm has only 100; lower this or raise limits.credits",
    "s.yaml:7:68  routines[0].limits.duration: is longer than that of the swarm; shorten it",
    `s.yaml:10:17  ${at}[0].limits.memory: must be stated for code, because memory is limited above: like memory: 256MiB`,
    `s.yaml:10:28  ${at}[0].limits.credits: must be a whole number of credits, 0 or more; got -5`,
    `s.yaml:11:26  ${at}[0].code.command: has 0 words; give at least 1`,
    `s.yaml:11:37  ${at}[0].code.env.BURSAR_WORK_DIR: names that start with BURSAR_ are set by Bursar itself; choose another`,
    `s.yaml:11:57  ${at}[0].code.env["A B"]: must be a name of letters, digits and _; got "A B"`,
    `s.yaml:12:15  ${at}[1].name: there is another step list here, on line 9; give this one a name of its own`,
    `s.yaml:13:44  ${at}[1].limits.tool_calls: must be a whole number of tool calls, 0 or more; got 1_0.5`,
    `s.yaml:13:59  ${at}[1].limits.memory: takes 1073741824 bytes of memory, but routines[0] has only 536870912; lower this or raise routines[0].limits.memory`,
    `s.yaml:15:9  ${at}[1].worker: stands beside code; keep only one of code, worker, parallel`,
    `s.yaml:15:45  ${at}[1].worker.attach_within: must be a duration like 500ms, 90s, 10m or 1h30m; got 30 without a unit`,
    `s.yaml:16:9  ${at}[2]: must have one of code, worker, parallel`,
    `s.yaml:18:21  ${at}[2].on_failure: must be one of fail, continue; got ignore`,
    `s.yaml:20:28  ${at}[3].limits.credits: the branches take 12 in all; raise this or lower theirs`,
    `s.yaml:22:11  ${at}[3].parallel: takes 4 branches, itself included, but routines[0] has only 1; lower this or raise routines[0].limits.branches`,
    `s.yaml:22:56  ${at}[3].parallel[0].steps[0].limits: is missing; state at least the credits of the step`,
    `s.yaml:23:21  ${at}[3].parallel[1].name: there is another branch a here, on line 22; give this one a name of its own`,
    `s.yaml:23:54  ${at}[3].parallel[1].limits.memory: takes 1048576 bytes of memory, but ${at}[3] states none and so has none; lower this or state ${at}[3].limits.memory`,
    `s.yaml:23:69  ${at}[3].parallel[1].steps: has 0 steps; give at least 1`,
  ]);
});

describe("on_interruption", () => {
  const step = (rest: string): string => `[{ name: a, limits: { credits: 1 }, ${rest} }]`;
  const worker = "worker: { kind: llm }";
  const code = "code: { command: [x] }";

  test.each([
    [`${worker}, on_interruption: retry`, "retry"],
    [`${worker}, on_interruption: fail`, "fail"],
    [`${code}, on_interruption: retry`, "retry"],
  ])("%s is read", (rest, onInterruption) => {
    expect(read(swarmOf(step(rest))).routines[0]?.steps[0]).toMatchObject({ onInterruption });
  });

  test.each([
    [step(`${worker}, on_interruption: again`), "must be one of continue, retry, fail; got again"],
    [
      step(`${code}, on_interruption: continue`),
      "continue is for worker steps; code dies with its daemon: set retry or",
    ],
    [
      `[{ name: p, on_interruption: fail, parallel: [{ name: b, limits: { credits: 1 }, steps: ${step(worker)} }] }]`,
      "is not for a parallel step; set it at its steps",
    ],
  ])("%s is refused", (steps, message) => {
    expect(problemsOf(swarmOf(steps))).toHaveLength(1);
    expect(problemsOf(swarmOf(steps))[0]).toContain(`steps[0].on_interruption: ${message}`);
  });
});

describe("wrap_up", () => {
  const step = (name: string, rest: string): string => `{ name: ${name}, limits: { credits: 1 }, ${rest} }`;
  const work = "code: { command: [x] }";

  test("marks the last step of a routine; false says nothing", () => {
    const { routines } = read(
      swarmOf(`[${step("a", `${work}, wrap_up: false`)}, ${step("b", `${work}, wrap_up: true`)}]`),
    );
    expect(routines[0]?.steps.map((one) => "wrapUp" in one)).toEqual([false, true]);
  });

  test.each([
    [`[${step("a", `${work}, wrap_up: true`)}, ${step("b", work)}]`, "steps[0].wrap_up: is for the last step"],
    [`[${step("a", `${work}, wrap_up: maybe`)}]`, "steps[0].wrap_up: must be one of true, false"],
    [
      `[{ name: p, wrap_up: true, parallel: [{ name: b, limits: { credits: 1 }, steps: [${step("a", work)}] }] }]`,
      "steps[0].wrap_up: is not for a parallel step",
    ],
    [
      `[{ name: p, parallel: [{ name: b, limits: { credits: 1 }, steps: [${step("a", `${work}, wrap_up: true`)}] }] }]`,
      "parallel[0].steps[0].wrap_up: is for the last step of the routine itself",
    ],
  ])("%s is refused", (steps, message) => {
    expect(problemsOf(swarmOf(steps))).toEqual([expect.stringContaining(message)]);
  });
});

describe("what runs in turn and what runs side by side", () => {
  const step = (name: string, credits: number): string =>
    `{ name: ${name}, limits: { credits: ${credits} }, code: { command: [x] } }`;
  const branch = (name: string, credits: number): string =>
    `{ name: ${name}, limits: { credits: ${credits} }, steps: [${step("x", credits)}] }`;

  test("steps in turn may each use all of it", () => {
    expect(problemsOf(swarmOf(`[${step("a", 100)}, ${step("b", 100)}]`))).toEqual([]);
    expect(problemsOf(swarmOf(`[${step("a", 100)}, ${step("b", 101)}]`))[0]).toContain(
      "routines[0].steps[1].limits.credits: takes 101 credits, but routines[0] has only 100",
    );
  });

  test("branches side by side must fit together, with or without limits of the parallel step", () => {
    expect(problemsOf(swarmOf(`[{ name: p, parallel: [${branch("a", 50)}, ${branch("b", 50)}] }]`))).toEqual([]);
    expect(problemsOf(swarmOf(`[{ name: p, parallel: [${branch("a", 50)}, ${branch("b", 51)}] }]`))[0]).toContain(
      "routines[0].steps[0].parallel: takes 101 credits, but routines[0] has only 100",
    );
    const stated = `[{ name: p, limits: { credits: 99 }, parallel: [${branch("a", 50)}, ${branch("b", 50)}] }]`;
    expect(problemsOf(swarmOf(stated))[0]).toContain("steps[0].limits.credits: the branches take 100 in all");
  });

  test("slots must be there for every child and grandchild", () => {
    // Each branch takes one for itself and one for its step, the parallel step another, and the run one of the swarm's.
    const parallel = `[{ name: p, parallel: [${branch("a", 1)}, ${branch("b", 1)}] }]`;
    expect(problemsOf(swarmOf(parallel, "branches: 6", "branches: 5"))).toEqual([]);
    expect(problemsOf(swarmOf(parallel, "branches: 6", ""))).toEqual([]);
    expect(problemsOf(swarmOf(parallel, "branches: 5", ""))[0]).toContain(
      "routines[0]: takes 6 branches, itself included, but the swarm has only 5",
    );
    expect(problemsOf(swarmOf(parallel, "branches: 6", "branches: 4"))[0]).toContain(
      "routines[0].steps[0].parallel: takes 5 branches, itself included, but routines[0] has only 4",
    );
    expect(problemsOf(swarmOf(`[${step("a", 1)}]`, "branches: 1", "branches: 0"))[0]).toContain(
      "routines[0].steps[0]: takes 1 branches, itself included, but routines[0] has only 0",
    );
  });
});

describe("bounds", () => {
  const nested = (depth: number): string => {
    let steps = "[{ name: x, limits: { credits: 1 }, code: { command: [x] } }]";
    for (let level = 1; level < depth; level += 1) {
      steps = `[{ name: p, parallel: [{ name: b, limits: { credits: 1 }, steps: ${steps} }] }]`;
    }
    return swarmOf(steps);
  };

  test("depth, and slots counted through all of it", () => {
    const deepest = read(nested(LIMITS.routineDepthMax));
    expect(deepest.routines[0]?.limits).toEqual({ credits: 100, branches: 2 * LIMITS.routineDepthMax - 1 });
    expect(problemsOf(nested(LIMITS.routineDepthMax + 1)).at(-1)).toContain(
      "lies 17 lists of steps deep; at most 16 may lie in each other",
    );
  });

  test("number of steps, over all branches", { timeout: 60_000 }, () => {
    const steps = (count: number): string =>
      Array.from(
        { length: count },
        (_, index) => `{name: s${index}, limits: {credits: 1}, code: {command: [x]}}`,
      ).join();
    const branches = (each: number): string =>
      ["a", "b"].map((name) => `{ name: ${name}, limits: { credits: 1 }, steps: [${steps(each)}] }`).join();
    expect(problemsOf(swarmOf(`[{ name: p, parallel: [${branches(4_999)}] }]`))).toEqual([]);
    expect(problemsOf(swarmOf(`[{ name: p, parallel: [${branches(5_000)}] }]`))).toEqual([
      "s.yaml:1:109  routines[0].steps: has 10001 steps in all; split the routine: at most 10000 are allowed",
    ]);
  });
});

test("a damaged file never makes the reader throw", () => {
  const damage = fc.record({
    at: fc.nat(WHOLE.length),
    cut: fc.nat(40),
    paste: fc.constantFrom("", "- ", ": ", "{", "]", "&a ", "*a", "~", "\n", "-1"),
  });
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
      let text = WHOLE;
      for (const { at, cut, paste } of damages) text = text.slice(0, at) + paste + text.slice(at + cut);
      const result = readSwarmDocument({ file: "s.yaml", text });
      if (!result.ok) expect(result.problems.length).toBeGreaterThan(0);
    }),
    { numRuns: 300 },
  );
});

test("whose strategy decides: the swarm's, those of runs and branches, and that which a request names", () => {
  const step = "{ name: c, limits: { credits: 1 }, code: { command: [wc] } }";
  const branch = `{ name: b, limits: { credits: 1 }, strategy: QUEUE_AND_WAIT, steps: [${step}] }`;
  const routine = `name: r, limits: { credits: 9 }, strategy: PRIORITY_BASED, request_strategy: PREEMPTION_ALLOWED`;
  const swarm =
    "name: s, account: a, limits: { credits: 9 }, request_may_choose: true, request_strategy: QUEUE_AND_WAIT";
  const spec = read(`{ ${swarm}, routines: [{ ${routine}, steps: [{ name: p, parallel: [${branch}] }] }] }`);
  expect(spec).toMatchObject({ requestMayChoose: true, requestStrategy: "QUEUE_AND_WAIT" });
  const [run] = spec.routines;
  expect(run).toMatchObject({ strategy: "PRIORITY_BASED", requestStrategy: "PREEMPTION_ALLOWED" });
  expect(run?.steps[0]).toMatchObject({ parallel: [{ strategy: "QUEUE_AND_WAIT" }] });
  expect(problemsOf(swarmOf(`[${step}]`).replace("routines", "request_strategy: LOTTERY, routines"))[0]).toContain(
    "request_strategy: must be one of FIRST_COME_FIRST_SERVED",
  );
});
