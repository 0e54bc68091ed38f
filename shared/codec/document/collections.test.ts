import { expect, expectTypeOf, test } from "vitest";
import { defaulted, list, mapped, object, optional, record, required, unionByKey } from "./collections.ts";
import type { Reader } from "./place.ts";
import { formatProblems } from "./problem.ts";
import { readDocument } from "./read-document.ts";
import { name, text, whole } from "./scalars.ts";

const count = whole({ unit: "things" });
const shelf = object({
  name: required("name", name),
  bookCount: optional("book_count", count),
  tags: defaulted("tags", list(text(), { noun: "tags", itemsMax: 2 }), []),
});

function read<T>(reader: Reader<T>, content: string): T | string[] {
  const result = readDocument({ file: "f", text: content }, reader);
  return result.ok ? result.value : formatProblems(result.problems).split("\n");
}

test("a map becomes a value of the shape its fields describe", () => {
  expectTypeOf<ReturnType<typeof shelf>>().toExtend<
    { readonly name: string; readonly bookCount?: number; readonly tags: readonly string[] } | symbol
  >();
  expect(read(shelf, "{ name: a, book_count: 3, tags: [x] }")).toEqual({ name: "a", bookCount: 3, tags: ["x"] });
  const bare = read(shelf, "name: a");
  expect(bare).toEqual({ name: "a", tags: [] });
  expect(Object.keys(bare)).not.toContain("bookCount");
});

test("every problem of a map is reported in one pass", () => {
  const content = "book_cuont: 1\nname: B\ntags: [a, '', [c]]\nbook_count:\nname: b\nwidth: 3\n? {a: 1}\n: 2\n";
  expect(read(shelf, content)).toEqual([
    "f:1:1  book_cuont: unknown key; did you mean book_count?",
    "f:2:7  name: must be a name of small letters, digits, - and _, starting with a letter or digit; got B",
    "f:3:7  tags: has 3 tags; at most 2 are allowed",
    "f:4:12  book_count: has no value; write one or remove the key",
    "f:5:1  name: stands twice in this map, first on line 2; remove one",
    "f:6:1  width: unknown key; known here: name, book_count, tags",
    'f:7:3  ["?"]: a key must be a name, not a map or a list',
  ]);
});

test("a misspelt key is not also reported as missing", () => {
  expect(read(shelf, "nmae: a")).toEqual(["f:1:1  nmae: unknown key; did you mean name?"]);
  expect(read(shelf, "book_count: 1")).toEqual(["f:1:1  name: is missing; it must be given"]);
});

test.each([
  ["", "f:1:1  must be a map with name, book_count, tags; got nothing"],
  ["- a", "f:1:1  must be a map with name, book_count, tags; got a list"],
  ["'x'", 'f:1:1  must be a map with name, book_count, tags; got "x"'],
])("%j is no map", (content, problem) => {
  expect(read(shelf, content)).toEqual([problem]);
});

test("items of a list keep their place in the path", () => {
  const shelves = list(shelf, { noun: "shelves", itemsMin: 1, itemsMax: 3 });
  expect(read(shelves, "- name: a\n- nam: b\n- name: a b\n")).toEqual([
    "f:2:3  [1].nam: unknown key; did you mean name?",
    "f:3:9  [2].name: must be a name of small letters, digits, - and _, starting with a letter or digit; got a b",
  ]);
  expect(read(shelves, "[]")).toEqual(["f:1:1  has 0 shelves; give at least 1"]);
  expect(read(shelves, "a: 1")).toEqual(["f:1:1  must be a list of shelves; got a map"]);
});

test("a map of free keys is read key by key, whatever the keys are called", () => {
  const counts = record(count, { key: text({ pattern: /^\w+$/, mustBe: "a word" }), noun: "counts", entriesMax: 3 });
  const value = read(counts, "__proto__: 1\nconstructor: 2\n");
  expect(Object.entries(value)).toEqual([
    ["__proto__", 1],
    ["constructor", 2],
  ]);
  expect(read(counts, "a b: 1\nc: -1\nd:\n")).toEqual([
    'f:1:1  ["a b"]: must be a word; got a b',
    "f:2:4  c: must be a whole number of things, 0 or more; got -1",
    "f:3:3  d: has no value; write one or remove the key",
  ]);
  expect(read(counts, "{ a: 1, b: 1, c: 1, d: 1 }")).toEqual(["f:1:1  has 4 counts; at most 3 are allowed"]);
});

test("a union takes the one variant whose key is there", () => {
  const shape = unionByKey({ common: { name: required("name", name) }, variants: { circle: count, square: text() } });
  expectTypeOf<Exclude<ReturnType<typeof shape>, symbol>["kind"]>().toEqualTypeOf<"circle" | "square">();
  expect(read(shape, "{ name: a, circle: 3 }")).toEqual({ kind: "circle", name: "a", circle: 3 });
  expect(read(shape, "{ name: a, square: x }")).toEqual({ kind: "square", name: "a", square: "x" });
  expect(read(shape, "name: A")).toEqual([
    "f:1:1  must have one of circle, square",
    "f:1:7  name: must be a name of small letters, digits, - and _, starting with a letter or digit; got A",
  ]);
  expect(read(shape, "name: a\ncircle: -1\nsquare: x\n")).toEqual([
    "f:2:9  circle: must be a whole number of things, 0 or more; got -1",
    "f:3:1  square: stands beside circle; keep only one of circle, square",
  ]);
  expect(read(shape, "name: a\ncirlce: 1\n")).toEqual(["f:2:1  cirlce: unknown key; did you mean circle?"]);
  expect(read(shape, "[]")).toEqual(["f:1:1  must be a map with name, circle, square; got a list"]);
});

test("a check runs also when parts were refused, and a mapped value only when all is well", () => {
  const doubled = mapped(
    object({ a: required("a", count), b: optional("b", count) }, (place) => {
      if ((place.peek(count, "a") ?? 0) > 5) place.find("a")?.refuse("is too much");
    }),
    ({ a }) => a * 2,
  );
  expect(read(doubled, "a: 4")).toBe(8);
  expect(read(doubled, "a: 6\nb: x\n")).toEqual([
    "f:1:4  a: is too much",
    "f:2:4  b: must be a whole number of things, 0 or more; got x",
  ]);
});
