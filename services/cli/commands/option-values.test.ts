import { InvalidArgumentError } from "commander";
import { expect, test } from "vitest";
import { address, credits, speed, wholeNumber } from "./option-values.ts";

test.each([
  ["1", 1],
  ["28_934_181", 28_934_181],
  ["28,934,181", 28_934_181],
  ["9007199254740991", 9_007_199_254_740_991],
])("%s credits", (text, value) => {
  expect(credits(text)).toBe(value);
});

test.each(["", "0", "-5", "1.5", "1e9", "_1", "1__0", "9007199254740992", "ten"])("%s are no credits", (text) => {
  expect(() => credits(text)).toThrow(InvalidArgumentError);
});

test("a number outside its range says which range", () => {
  expect(() => wholeNumber({ min: 1, max: 4 })("5")).toThrow("from 1 to 4");
});

test.each([
  ["max", "max"],
  ["60", 60],
  ["0.5", 0.5],
])("speed %s", (text, value) => {
  expect(speed(text)).toBe(value);
});

test.each(["0", "-1", "fast", "1x", ""])("no speed: %s", (text) => {
  expect(() => speed(text)).toThrow(InvalidArgumentError);
});

test.each(["127.0.0.1:7410", "localhost:1", "[::1]:65535", "coordination.mesh:7410"])("address %s", (text) => {
  expect(address(text)).toBe(text);
});

test.each(["127.0.0.1", ":7410", "host:0", "host:70000", "::1:7410", "a b:1"])("no address: %s", (text) => {
  expect(() => address(text)).toThrow("HOST:PORT");
});
