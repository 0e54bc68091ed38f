// The example files are what newcomers read first: they must be right, and fit together.
import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type AccountSpec, readAccountsDocument } from "./accounts-document.ts";
import { affordableCodeMs, codeCost } from "./price.ts";
import { modelPrice, readPricesDocument } from "./prices-document.ts";
import { type DocumentResult, formatProblems } from "./problem.ts";
import type { DocumentInput } from "./source.ts";
import { readSwarmDocument, type StepSpec } from "./swarm-document.ts";

const ROOT = new URL("../../../", import.meta.url);

function example<T>(file: string, read: (input: DocumentInput) => DocumentResult<T>): T {
  const result = read({ file, text: readFileSync(new URL(file, ROOT)) });
  return result.ok ? result.value : expect.fail(formatProblems(result.problems));
}

const accounts = example("examples/accounts.yaml", readAccountsDocument);
const prices = example("examples/prices.yaml", readPricesDocument);
const swarm = example("examples/research-swarm.yaml", readSwarmDocument);

function stepsIn(steps: readonly StepSpec[]): readonly StepSpec[] {
  return steps.flatMap((step) => [
    step,
    ...(step.kind === "parallel" ? step.parallel.flatMap((branch) => stepsIn(branch.steps)) : []),
  ]);
}

test("the swarm's account exists and can pay for it", () => {
  const all = (level: readonly AccountSpec[]): AccountSpec[] => level.flatMap((one) => [one, ...all(one.children)]);
  const payer = all(accounts.accounts).find(({ path }) => path === swarm.account);
  expect(payer?.limits.credits).toBeGreaterThanOrEqual(swarm.limits.credits ?? Number.POSITIVE_INFINITY);
  expect(accounts.accounts[0]?.limits.credits).toBe(1_000_000_000_000);
});

test("the models cost 3 credits per context token and 15 per generated one", () => {
  expect(modelPrice(prices, "any")).toEqual({
    contextToken: { numerator: 3, denominator: 1 },
    generatedToken: { numerator: 15, denominator: 1 },
  });
});

test("every task exists, is paid for its whole time, and only the runaway outlives its credits", () => {
  const { code } = prices;
  if (code === undefined) expect.fail("examples/prices.yaml has no price for code");
  const outliving: string[] = [];
  for (const step of stepsIn(swarm.routines.flatMap(({ steps }) => steps))) {
    if (step.kind !== "code") continue;
    expect(existsSync(new URL(step.code.command[1] ?? "", ROOT)), step.name).toBe(true);
    const { credits, durationMs } = step.limits;
    if (credits === undefined || durationMs === undefined) expect.fail(`${step.name} has no credits or no duration`);
    if (codeCost(durationMs, code) > credits) outliving.push(`${step.name} ${affordableCodeMs(credits, code)} ms`);
  }
  expect(outliving).toEqual(["search-for-ever 1990 ms"]);
});
