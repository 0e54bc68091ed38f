import { expect, test } from "vitest";
import { importsOf } from "./imports.ts";
import { functionsIn } from "./size.ts";
import { codeOf } from "./source.ts";

const code = (text: string): string => codeOf({ path: "x.ts", text });

test.each([
  [`a("x // y") // z`, `a("      ")     `],
  ["a /* b\nc */ d", "a     \n     d"],
  [`a('it\\'s') + b`, `a('     ') + b`],
  ["`x ${a + `y ${b}`} z`", "`  ${a + `  ${b}`}  `"],
  ["`${{ a: 1 }.a} b`", "`${{ a: 1 }.a}  `"],
  ["x = /[/\"]'/g; y", "x = /     /g; y"],
  ["a / b / c // d", "a / b / c     "],
  ["return /x`/.test(y)", "return /  /.test(y)"],
  ["f(a) / 2 + `b`", "f(a) / 2 + ` `"],
  ["#!/usr/bin/env node\nx", "                   \nx"],
])("blanks comments and strings in %j", (text, expected) => {
  expect(code(text)).toBe(expected);
});

test("positions and lines stay where they are", () => {
  const text = "`a\n${b}\n` /* c\n */ + 'd\\\ne' // f\n";
  expect(code(text)).toHaveLength(text.length);
  expect(code(text).split("\n")).toHaveLength(text.split("\n").length);
});

test("reads every form of import", () => {
  const text = [
    `import "./side.ts";`,
    `import one from "./one.ts";`,
    `import * as two from './two.ts';`,
    `import type { Three } from "#three";`,
    `import {\n  four,\n  type Five,\n} from "./four.ts";`,
    `export { six } from "./six.ts";`,
    `export const notOne = from("./not.ts");`,
    `const seven = await import("./seven.ts");`,
    `const text = 'import "./text.ts"';`,
    `// import "./comment.ts";`,
    `const meta = import.meta.url;`,
    `await import(computed);`,
  ].join("\n");
  expect(importsOf({ path: "x.ts", text }).map(({ specifier, line, typeOnly }) => [specifier, line, typeOnly])).toEqual(
    [
      ["./side.ts", 1, false],
      ["./one.ts", 2, false],
      ["./two.ts", 3, false],
      ["#three", 4, true],
      ["./four.ts", 5, false],
      ["./six.ts", 9, false],
      ["./seven.ts", 11, false],
      [undefined, 15, false],
    ],
  );
});

test("measures functions and only functions", () => {
  const text = [
    "function a(x: { y: 1 }): { z: 1 } {",
    "  if (x) {",
    "    return { z: 1 };",
    "  }",
    "}",
    "const b = async (x) => {",
    "};",
    "call(1, 2);",
    "const c = x ? f(1) : {",
    "};",
  ].join("\n");
  expect(functionsIn(text).map(({ name, line, lines }) => [name, line, lines])).toEqual([
    ["a", 1, 5],
    ["async", 6, 2],
  ]);
});
