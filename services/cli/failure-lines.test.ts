import { expect, test } from "vitest";
import { executionError, FaultError, RefusalError } from "#errors";
import { CommandError } from "./command-error.ts";
import { failureLines, failureText } from "./failure-lines.ts";
import { styleFor } from "./view/style.ts";

const style = styleFor({ colour: false });

test("a failed command says what to do", () => {
  const error = new CommandError("no mesh", { exitCode: 3, advice: ["start one", "or name one"] });
  expect(failureLines(error, style)).toEqual(["bursar: no mesh", "  start one", "  or name one"]);
  expect(failureText(error)).toBe("no mesh");
});

test("an error of work says what, who, where, why, and what to do", () => {
  const error = executionError({
    id: "1",
    type: "RESOURCE_EXHAUSTED",
    reach: "one",
    message: "no credits\u001b[2J",
    tier: "process",
    allocationPath: "g/s/r",
    cause: "spent",
    retryAfterMs: 1_500,
  });
  expect(failureLines(new FaultError(error), style)).toEqual([
    "bursar: RESOURCE_EXHAUSTED: no credits\\u{1b}[2J",
    "  told by process about g/s/r",
    "  because: spent",
    "  what to do: Ask for less, wait until a holder gives budget back, or have the limit raised.",
    "  may succeed in 1.5 s",
  ]);
});

test("a refusal names every wrong field", () => {
  const fieldViolations = [
    { field: "limits.max_credits", description: "must not be negative" },
    { field: "", description: "and 2 more fields" },
  ];
  const error = new RefusalError({ reason: "INVALID_ARGUMENT", message: "wrong fields", fieldViolations });
  expect(failureLines(error, style).slice(0, 3)).toEqual([
    "bursar: INVALID_ARGUMENT: wrong fields",
    "  limits.max_credits: must not be negative",
    "  and 2 more fields",
  ]);
});

test("a wrong field that the message names is not named twice", () => {
  const fieldViolations = [{ field: "amounts", description: "must be above 0" }];
  const error = new RefusalError({ reason: "INVALID_ARGUMENT", message: "amounts: must be above 0", fieldViolations });
  expect(failureLines(error, style).slice(0, 2)).toEqual([
    "bursar: INVALID_ARGUMENT: amounts: must be above 0",
    expect.stringContaining("what to do"),
  ]);
});

test("a bug shows its stack", () => {
  expect(failureLines(new TypeError("oops"), style).join("\n")).toMatch(
    /a fault of bursar itself: TypeError: oops\n\s+at /,
  );
});
