import { expect, test } from "vitest";
import { plainLine, plainText } from "./plain-text.ts";

test("nothing that steers a terminal comes through", () => {
  expect(plainText("a\u001b[31mred\u0007\r\u202eb")).toBe("a\\u{1b}[31mred\\u{7}\\u{d}\\u{202e}b");
  expect(plainText("tabs\tand\nlines, ümläuts, 漢字, 🦊 stay")).toBe("tabs\tand\nlines, ümläuts, 漢字, 🦊 stay");
});

test("one line is one line", () => {
  expect(plainLine("first \n  second\nthird")).toBe("first second third");
});
