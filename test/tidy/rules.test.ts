/** Shows that each rule can fail, and that it lets the lawful neighbour of the same thing pass. */
import { describe, expect, test } from "vitest";
import { EXAMPLES, type Example } from "./examples.ts";
import { findings, RULES } from "./rules.ts";

const ruleNamed = (name: string) => RULES.filter((rule) => rule.name === name);

function found({ rule, beside = [] }: Example, path: string, text: string): string[] {
  return findings([{ path, text }, ...beside], ruleNamed(rule)).filter((line) => line.startsWith(`${path}:`));
}

describe.each(EXAMPLES.map((example) => [`${example.rule}: ${example.path}`, example] as const))("%s", (_, example) => {
  test.each(example.broken)("finds %j", (text) => {
    expect(found(example, example.path, text)).not.toEqual([]);
  });
  if (example.kept !== undefined) {
    test.each(example.kept)("accepts %j", (text) => {
      expect(found(example, example.path, text)).toEqual([]);
    });
  }
  if (example.lawfulIn !== undefined) {
    test.each(example.lawfulIn)("accepts the same in %s", (path) => {
      expect(example.broken.flatMap((text) => found(example, path, text))).toEqual([]);
    });
  }
});

test("every rule is shown failing", () => {
  const shown = new Set(EXAMPLES.map(({ rule }) => rule));
  expect(RULES.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
});

test("every rule has a name of its own", () => {
  expect(new Set(RULES.map(({ name }) => name)).size).toBe(RULES.length);
});

test("a finding names file, line and rule, and says what to do instead", () => {
  const text = `/** Job. */\n\nconst ms = Date.now();\n`;
  expect(findings([{ path: "shared/tier/loop.ts", text }])).toEqual([
    expect.stringMatching(
      /^shared\/tier\/loop\.ts:3 {2}\[one place: clock\] Date\.now is not legal here: take the time as an argument/,
    ),
  ]);
});
