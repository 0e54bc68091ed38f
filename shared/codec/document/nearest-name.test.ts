import { expect, test } from "vitest";
import { nearestName } from "./nearest-name.ts";

const NAMES = ["credits", "tool_calls", "branches", "memory", "duration", "name"];

test.each([
  ["credit", "credits"],
  ["cerdits", "credits"],
  ["tool-calls", "tool_calls"],
  ["toolcalls", "tool_calls"],
  ["Branches", "branches"],
  ["duartion", "duration"],
  ["nmae", "name"],
])("takes %s for %s", (written, meant) => {
  expect(nearestName(written, NAMES)).toBe(meant);
});

test.each(["", "x", "gpu_seconds", "c".repeat(100_000)])("takes %.20s for none of them", (written) => {
  expect(nearestName(written, NAMES)).toBeUndefined();
});
