import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { object, optional, record } from "./collections.ts";
import { formatProblems } from "./problem.ts";
import { readDocument } from "./read-document.ts";
import { text, whole } from "./scalars.ts";

const anyValue = text({ charsMin: 0 });
const numbers = record(whole({ unit: "things" }), { key: anyValue, noun: "numbers", entriesMax: 100_000 });

function problemsOf(content: string | Uint8Array): string {
  const result = readDocument({ file: "f.yaml", text: content }, numbers);
  return result.ok ? "" : formatProblems(result.problems);
}

describe("what is no YAML", () => {
  test.each([
    ["a: [1, 2", "f.yaml:1:9  not valid YAML: Flow sequence in block collection"],
    ["a: 1\n\tb: 2", "f.yaml:2:1  not valid YAML: Tabs are not allowed as indentation"],
    ["a: 1\n---\nb: 2\n", "f.yaml:2:1  a second document starts here; keep one document in a file"],
    ["a: !secret 1", "f.yaml:1:4  not valid YAML: Unresolved tag: !secret"],
    ["a: 'x", "f.yaml:1:6  not valid YAML: Missing closing 'quote"],
  ])("%j is refused with its place", (content, problem) => {
    expect(problemsOf(content)).toContain(problem);
  });

  test("all its faults are named at once", () => {
    expect(problemsOf('a: "\\q"\nb: &x &y 1\nc: [1\n').split("\n")).toEqual([
      "f.yaml:1:5  not valid YAML: Invalid escape sequence \\q",
      "f.yaml:2:7  not valid YAML: A node can have at most one anchor",
      expect.stringMatching(/^f.yaml:4:1 {2}not valid YAML: Flow sequence in block collection must be/),
    ]);
  });
});

describe("what is too much", () => {
  test("a file above the bound, counted in bytes", () => {
    const tooLarge = `a: ${"é".repeat(LIMITS.documentBytesMax / 2)}`;
    expect(problemsOf(tooLarge)).toBe("f.yaml:1:1  the file has 1048579 bytes; split it: at most 1048576 are read");
    expect(problemsOf(new TextEncoder().encode(tooLarge))).toContain("the file has 1048579 bytes");
  });

  test("depth, also when the whole file is brackets", { timeout: 60_000 }, () => {
    const message = "nested too deep; at most 128 maps and lists may lie in each other";
    expect(problemsOf("[".repeat(200_000))).toBe(`f.yaml:1:129  ${message}`);
    expect(problemsOf(`${"- ".repeat(129)}x`)).toBe(`f.yaml:1:257  ${message}`);
    expect(problemsOf(`${"{a: ".repeat(128)}1${"}".repeat(128)}`)).not.toContain("too deep");
  });

  test("aliases that multiply", () => {
    const levels = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"];
    for (const [above, here] of ["ab", "bc", "cd", "de", "ef", "fg", "gh"].map((pair) => [...pair])) {
      levels.push(`${here}: &${here} [${Array(9).fill(`*${above}`).join(", ")}]`);
    }
    expect(problemsOf(levels.join("\n"))).toContain("aliases expand to too much (at most 100)");
    expect(problemsOf("a: &a [*a]")).toBe("f.yaml:1:8  *a stands for something that contains it; write the value out");
    expect(problemsOf("a: *b\nc: *d")).toContain(
      "f.yaml:1:4  *b has no anchor before it; write &b at what it stands for",
    );
  });

  test("a large map is read in linear time, its repeated key named", { timeout: 60_000 }, () => {
    const lines = Array.from({ length: 40_000 }, (_, index) => `key${index}: ${index}`);
    expect(problemsOf(lines.join("\n"))).toBe("");
    expect(problemsOf([...lines, "key7: 7"].join("\n"))).toBe(
      "f.yaml:40001:1  key7: stands twice in this map, first on line 8; remove one",
    );
  });
});

test("bytes are read as UTF-8 or refused", () => {
  expect(problemsOf(Uint8Array.of(0x61, 0x3a, 0x20, 0xff))).toBe(
    "f.yaml:1:1  the file is not UTF-8 text; save it as UTF-8",
  );
  expect(problemsOf(new TextEncoder().encode("\uFEFFa: 1\r\nb: 2\r\n"))).toBe("");
});

test("an alias is read as what it stands for", () => {
  const pair = object({ a: optional("a", numbers), b: optional("b", numbers) });
  const result = readDocument({ file: "f.yaml", text: "a: &x { n: 1_000 }\nb: *x\n" }, pair);
  expect(result).toEqual({ ok: true, value: { a: { n: 1000 }, b: { n: 1000 } } });
});

test("no text makes the reader throw, and every refusal has a place", { timeout: 60_000 }, () => {
  const yamlish = fc.array(
    fc.oneof(
      fc.constantFrom(..."abc:-[]{}&*!|>'\"#%@,?~ \n\t\u0000\u2028"),
      fc.constantFrom(": ", "- ", "\n  ", "*a", "&a ", "---\n", "...\n", "!!int ", "<<: ", "? ", "|\n "),
      fc.string({ unit: "binary", maxLength: 3 }),
    ),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(
      yamlish.map((parts) => parts.join("")),
      (content) => {
        const result = readDocument({ file: "f.yaml", text: content }, numbers);
        if (result.ok) return;
        expect(result.problems.length).toBeGreaterThan(0);
        for (const { line, column, message } of result.problems) {
          expect(line >= 1 && column >= 1 && message !== "").toBe(true);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
