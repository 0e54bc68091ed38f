import { expect, test } from "vitest";
import { LIMITS } from "#std";
import { type DocumentProblem, formatProblems, ProblemList, printable } from "./problem.ts";

function problem(part: Partial<DocumentProblem>): DocumentProblem {
  return { file: "x.yaml", line: 1, column: 1, field: "", message: "is wrong", ...part };
}

test("prints one problem a line, as a compiler does", () => {
  const text = formatProblems([
    problem({ line: 3, column: 7, message: "not valid YAML" }),
    problem({ line: 12, column: 5, field: "routine.steps[0].limits.credits", message: "must be 0 or more; got -5" }),
  ]);
  expect(text).toBe(
    "x.yaml:3:7  not valid YAML\nx.yaml:12:5  routine.steps[0].limits.credits: must be 0 or more; got -5",
  );
});

test("lets no document steer the terminal", () => {
  expect(printable("\u001b[31mred\u001b[0m\r\nnext\u202eline")).toBe(
    "\\u{1b}[31mred\\u{1b}[0m\\u{d}\\u{a}next\\u{202e}line",
  );
  expect(formatProblems([problem({ file: "\u0007.yaml" })])).toBe("\\u{7}.yaml:1:1  is wrong");
  const list = new ProblemList();
  list.add(problem({ field: "\u001bx", message: "got \u0000" }));
  expect(list.inOrder()).toEqual([problem({ field: "\\u{1b}x", message: "got \\u{0}" })]);
});

test("keeps the order of the file, says nothing twice, and counts what it does not list", () => {
  const list = new ProblemList();
  expect(list.empty).toBe(true);
  for (let line = LIMITS.documentProblemsMax + 5; line >= 1; line -= 1) list.add(problem({ line }));
  list.add(problem({ line: LIMITS.documentProblemsMax }));
  const problems = list.inOrder();
  expect(list.empty).toBe(false);
  expect(problems).toHaveLength(LIMITS.documentProblemsMax + 1);
  expect(problems[0]?.line).toBe(6);
  expect(problems.at(-1)?.message).toBe("5 more problems are not listed; mend these first");
});
