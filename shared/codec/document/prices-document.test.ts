import { expect, test } from "vitest";
import { modelPrice, readPricesDocument, toolCallCost } from "./prices-document.ts";
import { formatProblems } from "./problem.ts";

function problemsOf(text: string): string[] {
  const result = readPricesDocument({ file: "p.yaml", text });
  return result.ok ? [] : formatProblems(result.problems).split("\n");
}

test("reads whole prices and exact fractions, in lowest terms", () => {
  const result = readPricesDocument({
    file: "p.yaml",
    text: `models:
  default: { context_token: 3, generated_token: "15/1000" }
  vendor/large-4.1: { context_token: 1_000/4_000, generated_token: 0 }
tools: { default: 10, web_search: 25 }
code: { call: 1, second: 100 }
`,
  });
  if (!result.ok) expect.fail(formatProblems(result.problems));
  const table = result.value;
  expect(table.code).toEqual({ call: { numerator: 1, denominator: 1 }, second: { numerator: 100, denominator: 1 } });
  expect(modelPrice(table, "anything")).toEqual({
    contextToken: { numerator: 3, denominator: 1 },
    generatedToken: { numerator: 3, denominator: 200 },
  });
  expect(modelPrice(table, "vendor/large-4.1")).toEqual({
    contextToken: { numerator: 1, denominator: 4 },
    generatedToken: { numerator: 0, denominator: 1 },
  });
  expect(toolCallCost(table, "web_search")).toBe(25);
  expect(toolCallCost(table, "constructor")).toBe(10);
});

test("has no price for what it does not list, when there is no default", () => {
  const result = readPricesDocument({ file: "p.yaml", text: "tools: { a: 1 }" });
  if (!result.ok) expect.fail(formatProblems(result.problems));
  expect(result.value).toEqual({ models: {}, tools: { a: 1 } });
  expect(toolCallCost(result.value, "toString")).toBeUndefined();
  expect(modelPrice(result.value, "default")).toBeUndefined();
});

test("names every problem at once", () => {
  const text = `models:
  default: { context_token: 0.003, generated_token: -15 }
  small: { context_token: 1/0 }
  "a b": { context_token: 1, generated_token: 9007199254740993/9007199254740992 }
tools: { search: "5/2", other: [] }
code: { call: 1, seconds: 100 }
`;
  expect(problemsOf(text)).toEqual([
    'p.yaml:2:29  models.default.context_token: must be credits per unit, a whole number or a fraction like "3/1000"; got 0.003',
    'p.yaml:2:53  models.default.generated_token: must be credits per unit, a whole number or a fraction like "3/1000"; got -15',
    "p.yaml:3:10  models.small.generated_token: is missing; it must be given",
    'p.yaml:3:27  models.small.context_token: must be credits per unit, a whole number or a fraction like "3/1000"; got 1/0',
    'p.yaml:4:3  models["a b"]: must be a name of letters, digits and . _ : / @ -, starting with a letter or digit; got "a b"',
    'p.yaml:4:47  models["a b"].generated_token: must not use numbers above 9007199254740991; got 9007199254740993/9007199254740992',
    'p.yaml:5:18  tools.search: must be a whole number of credits, 0 or more; got "5/2"',
    "p.yaml:5:32  tools.other: must be a whole number of credits, 0 or more; got a list",
    "p.yaml:6:18  code.seconds: unknown key; did you mean second?",
  ]);
});
