import { expect, test } from "vitest";
import { readAccountsDocument } from "./accounts-document.ts";
import { policyOfSpec } from "./policy-reader.ts";
import { formatProblems } from "./problem.ts";

function problemsOf(text: string): string[] {
  const result = readAccountsDocument({ file: "a.yaml", text });
  return result.ok ? [] : formatProblems(result.problems).split("\n");
}

test("reads the whole tree with paths, units and defaults", () => {
  const result = readAccountsDocument({
    file: "a.yaml",
    text: `
accounts:
  - name: global
    limits: { credits: 1_030, tool_calls: 10, branches: 4, memory: 8GiB, duration: 24h, priority_bonus: 10, emergency_reserve: 20 }
    strategy: QUEUE_AND_WAIT
    queue: { length_max: 100, wait_max: 30s }
    accounts:
      - name: team-1
        limits: { credits: 600, tool_calls: 4, branches: 2, memory: 4GiB }
        accounts: [{ name: user, limits: { credits: 600, tool_calls: 4, branches: 2, memory: 1MiB, duration: 1h } }]
      - name: team_2
        limits: { credits: 400, tool_calls: 6, branches: 0, memory: 4GiB }
        accounts: []
  - name: other
    limits: { credits: 5 }
`,
  });
  const team1 = { credits: 600, toolCalls: 4, branches: 2, memoryBytes: 4 * 1024 ** 3 };
  const user = { ...team1, memoryBytes: 1024 ** 2, durationMs: 3_600_000 };
  expect(result).toEqual({
    ok: true,
    value: {
      accounts: [
        {
          path: "global",
          name: "global",
          limits: {
            ...{ credits: 1_030, toolCalls: 10, branches: 4, memoryBytes: 8 * 1024 ** 3, durationMs: 86_400_000 },
            ...{ priorityBonus: 10, emergencyReserve: 20 },
          },
          strategy: "QUEUE_AND_WAIT",
          queue: { lengthMax: 100, waitMaxMs: 30_000 },
          children: [
            {
              path: "global/team-1",
              name: "team-1",
              limits: team1,
              children: [{ path: "global/team-1/user", name: "user", limits: user, children: [] }],
            },
            {
              path: "global/team_2",
              name: "team_2",
              limits: { credits: 400, toolCalls: 6, branches: 0, memoryBytes: 4 * 1024 ** 3 },
              children: [],
            },
          ],
        },
        { path: "other", name: "other", limits: { credits: 5 }, children: [] },
      ],
    },
  });
});

test("names every problem of a bad file at once, each with its line", () => {
  const text = `accounts:
  - name: global
    limits: { credits: 1_000, tool_calls: 10, duration: 1h }
    accounts:
      - name: a
        limits: { credits: 600, duration: 2h }
        strategy: QUEUE_AND_WAT
      - name: a
        limits: { credits: 600, tool_calls: 11, memory: 1.5GiB }
        strategy: PROPORTIONAL_SHARING
      - name: Bad Name
        limits: { credits: -600, tool_calls: 9, priority_bonus: 5 }
        strategy: FIRST_COME_FIRST_SERVED
        queue: { length_max: 3 }
  - limits: { tool_calls: 3 }
    nmae: x
`;
  expect(problemsOf(text)).toEqual([
    "a.yaml:3:24  accounts[0].limits.credits: its accounts may use 1200 in all, more than the 1000 of global; raise this or lower theirs",
    "a.yaml:3:43  accounts[0].limits.tool_calls: its accounts may use 20 in all, more than the 10 of global; raise this or lower theirs",
    "a.yaml:6:17  accounts[0].accounts[0].limits.tool_calls: must be stated, because global limits it to 10",
    "a.yaml:6:43  accounts[0].accounts[0].limits.duration: is longer than that of global; shorten it",
    "a.yaml:7:19  accounts[0].accounts[0].strategy: must be one of FIRST_COME_FIRST_SERVED, PRIORITY_BASED, PROPORTIONAL_SHARING, PREEMPTION_ALLOWED, QUEUE_AND_WAIT; got QUEUE_AND_WAT; did you mean QUEUE_AND_WAIT?",
    "a.yaml:8:15  accounts[0].accounts[1].name: there is another account a here, on line 5; give this one a name of its own",
    "a.yaml:9:57  accounts[0].accounts[1].limits.memory: must be a whole number of bytes like 1_000_000, 512MiB or 2GiB; got 1.5GiB",
    "a.yaml:11:15  accounts[0].accounts[2].name: must be a name of small letters, digits, - and _, starting with a letter or digit; got Bad Name",
    "a.yaml:12:28  accounts[0].accounts[2].limits.credits: must be a whole number of credits, 0 or more; got -600",
    "a.yaml:14:16  accounts[0].accounts[2].queue: has no effect under FIRST_COME_FIRST_SERVED; remove it or set strategy to PRIORITY_BASED or QUEUE_AND_WAIT",
    "a.yaml:15:13  accounts[1].limits.credits: is missing; it must be given",
    "a.yaml:16:5  accounts[1].nmae: unknown key; did you mean name?",
  ]);
});

test("an aging step is a duration within bounds", () => {
  const file = (step: string): string =>
    `accounts: [{ name: r, limits: { credits: 10 }, strategy: PRIORITY_BASED, queue: { aging_step: ${step} } }]`;
  expect(problemsOf(file("90s"))).toEqual([]);
  const at = "a.yaml:1:95  accounts[0].queue.aging_step:";
  expect(problemsOf(file("0s"))).toEqual([`${at} must be at least 100ms; got 0s`]);
  expect(problemsOf(file("31d"))).toEqual([expect.stringContaining(at)]);
  expect(problemsOf(file("800h"))).toEqual([`${at} must be at most thirty days; got 800h`]);
});

test("children that fit exactly are accepted, one credit more is not, even where sums leave the safe range", () => {
  const file = (limit: string, first: string, second: string): string =>
    `accounts: [{ name: r, limits: { credits: ${limit} }, accounts: [{ name: a, limits: { credits: ${first} } }, { name: b, limits: { credits: ${second} } }] }]`;
  expect(problemsOf(file("10", "4", "6"))).toEqual([]);
  expect(problemsOf(file("10", "4", "7"))).toHaveLength(1);
  const largest = "9_007_199_254_740_991";
  expect(problemsOf(file(largest, largest, "0"))).toEqual([]);
  expect(problemsOf(file(largest, largest, largest))[0]).toContain("may use 18014398509481982 in all");
});

test("the special parts lie inside the credits", () => {
  const file = (limits: string): string => `accounts: [{ name: r, limits: { ${limits} } }]`;
  expect(problemsOf(file("credits: 10, priority_bonus: 4, emergency_reserve: 6"))).toEqual([]);
  expect(problemsOf(file("credits: 10, priority_bonus: 4, wrap_up_reserve: 7"))).toEqual([
    expect.stringContaining("limits.wrap_up_reserve: priority_bonus 4 and wrap_up_reserve 7 lie inside the credits"),
  ]);
  const promised =
    "accounts: [{ name: r, limits: { credits: 9, priority_bonus: 1 }, accounts: [{ name: a, limits: { credits: 9 } }] }]";
  expect(problemsOf(promised)).toEqual([
    expect.stringContaining("more than the 8 of r that are kept for nothing else"),
  ]);
  expect(problemsOf(file("credits: 10, priority_bonus: 5, emergency_reserve: 6"))).toEqual([
    "a.yaml:1:84  accounts[0].limits.emergency_reserve: priority_bonus 5 and emergency_reserve 6 lie inside the credits, but there are only 10",
  ]);
  const child =
    "accounts: [{ name: r, limits: { credits: 1 }, accounts: [{ name: a, limits: { priority_bonus: 0 } }] }]";
  expect(problemsOf(child)).toEqual([
    "a.yaml:1:77  accounts[0].accounts[0].limits.credits: must be stated, because r limits it to 1",
    "a.yaml:1:95  accounts[0].accounts[0].limits.priority_bonus: is a part of the credits; state credits too",
  ]);
});

test("a file without accounts is refused", () => {
  expect(problemsOf("")).toEqual(["a.yaml:1:1  must be a map with accounts; got nothing"]);
  expect(problemsOf("accounts: []")).toEqual(["a.yaml:1:11  accounts: has 0 accounts; give at least 1"]);
});

test("reads what is to be tried beside the policy, and refuses what cannot be", () => {
  const read = (shadow: string) =>
    readAccountsDocument({
      file: "a.yaml",
      text: `accounts:\n  - { name: a, limits: { credits: 5 }, shadow: ${shadow} }\n`,
    });
  const tried = "{ strategy: PRIORITY_BASED, queue: { aging_step: 10s, length_max: 3 }, preemption: { protect: 0s } }";
  const result = read(tried);
  expect(result.ok && result.value.accounts.map(policyOfSpec)).toEqual([
    { shadow: { strategy: "PRIORITY_BASED", queueLengthMax: 3, agingStepMs: 10_000, preemption: { protectMs: 0 } } },
  ]);
  const problems = (shadow: string) => {
    const refused = read(shadow);
    return refused.ok ? [] : refused.problems.map(({ field, message }) => `${field}: ${message}`);
  };
  expect(problems("{}")).toEqual([
    "accounts[0].shadow: must state what is to be tried: strategy, request_may_choose, queue or preemption",
  ]);
  expect(read("{ request_may_choose: true }")).toMatchObject({ ok: true });
  expect(problems("{ request_may_choose: false }")[0]).toMatch(/request_may_choose: must be true/);
  expect(problems("{ strategy: LOTTERY }")[0]).toMatch(/^accounts\[0\]\.shadow\.strategy: must be one of /);
  expect(problems("{ shadow: { strategy: QUEUE_AND_WAIT } }")[0]).toMatch(
    /^accounts\[0\]\.shadow\.shadow: unknown key/,
  );
  expect(problems("{ low_budget_percents: [50] }")[0]).toMatch(
    /^accounts\[0\]\.shadow\.low_budget_percents: unknown key/,
  );
  expect(problems("{ strategy: FIRST_COME_FIRST_SERVED, queue: { length_max: 3 } }")[0]).toMatch(
    /^accounts\[0\]\.shadow\.queue: has no effect/,
  );
});

test("requests may choose their strategy where it says so, and then a queue is of use", () => {
  const read = (more: string) => {
    const text = `accounts: [{ name: a, limits: { credits: 5 }, strategy: FIRST_COME_FIRST_SERVED, ${more} }]`;
    return readAccountsDocument({ file: "a.yaml", text });
  };
  const [own] = ["request_may_choose: true, queue: { length_max: 3 }"].map(read);
  expect(own?.ok && own.value.accounts.map(policyOfSpec)).toEqual([
    { strategy: "FIRST_COME_FIRST_SERVED", requestMayChoose: true, queueLengthMax: 3 },
  ]);
  const not = read("request_may_choose: false");
  expect(not.ok && not.value.accounts.map(policyOfSpec)).toEqual([{ strategy: "FIRST_COME_FIRST_SERVED" }]);
  expect(read("request_may_choose: 1")).toMatchObject({ ok: false });
  expect(read("request_may_choose: false, queue: { length_max: 3 }")).toMatchObject({ ok: false });
});
