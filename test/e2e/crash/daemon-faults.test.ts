/** What in a daemon's log is a fault, and what is not. */
import { expect, test } from "vitest";
import { faultsIn } from "./daemon-faults.ts";

test("errors and stacks are faults; words, warnings and a torn last line are not", () => {
  const log = [
    '{"level":30,"msg":"serving"}',
    '{"level":40,"msg":"a worker presented a wrong token"}',
    '{"level":50,"msg":"a call failed by a fault of this daemon"}',
    "TypeError: no",
    '{"level":30,"ms',
  ].join("\n");
  expect(faultsIn(log)).toEqual(['{"level":50,"msg":"a call failed by a fault of this daemon"}', "TypeError: no"]);
});
