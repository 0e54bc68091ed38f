import { expect, test } from "vitest";
import { sortFindings } from "./known-breaks.ts";

const finding = (message: string) => JSON.stringify({ path: "a.proto", start_line: 1, type: "X", message });

test("what is recorded is known by its words, everything else is not", () => {
  const recorded = [{ message: 'RPC "A" was deleted.', instead: "B" }];
  const output = `${finding('RPC "A" was deleted.')}\n${finding('RPC "AA" was deleted.')}\n`;
  const { known, unknown } = sortFindings(output, recorded);
  expect(known).toMatchObject([{ path: "a.proto", message: 'RPC "A" was deleted.', instead: "B" }]);
  expect(unknown).toMatchObject([{ path: "a.proto", message: 'RPC "AA" was deleted.' }]);
  expect(sortFindings("", recorded)).toEqual({ known: [], unknown: [] });
});

test("words that are no finding are a fault, not a pass", () => {
  expect(() => sortFindings("Failure: no such folder\n")).toThrow();
});
