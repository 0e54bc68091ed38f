import { expect, test } from "vitest";
import { type ExecutionErrorType, executionError, FaultError, RefusalError, type RefusalReason } from "#errors";
import { TransportError } from "#rpc";
import { CommandError } from "./command-error.ts";
import { EXIT, EXIT_MEANINGS } from "./exit-code.ts";
import { exitCodeOf } from "./exit-code-of.ts";

const fault = (type: ExecutionErrorType, retryAfterMs?: number): FaultError => {
  const facts = { id: "", type, reach: "one", message: "" } as const;
  return new FaultError(executionError(retryAfterMs === undefined ? facts : { ...facts, retryAfterMs }));
};
const refusal = (reason: RefusalReason): RefusalError => new RefusalError({ reason, message: "" });

test.each<[number, unknown]>([
  [EXIT.usage, new CommandError("", { exitCode: EXIT.usage })],
  [EXIT.unreachable, new TransportError("UNAVAILABLE", "")],
  [EXIT.unreachable, new TransportError("DEADLINE_EXCEEDED", "")],
  [EXIT.refused, new TransportError("UNIMPLEMENTED", "")],
  [EXIT.failed, new TransportError("INTERNAL", "")],
  [EXIT.usage, refusal("INVALID_ARGUMENT")],
  [EXIT.refused, refusal("NOT_FOUND")],
  [EXIT.refused, refusal("NOT_PERMITTED")],
  [EXIT.refused, refusal("STATE_FORBIDS")],
  [EXIT.unreachable, refusal("DRAINING")],
  [EXIT.refused, fault("RESOURCE_ALLOCATION_FAILED")],
  [EXIT.refused, fault("RESOURCE_ALLOCATION_FAILED", 1_000)],
  [EXIT.refused, fault("RESOURCE_EXHAUSTED")],
  [EXIT.unreachable, fault("DEPENDENCY_UNAVAILABLE", 1_000)],
  [EXIT.failed, fault("TOOL_EXECUTION_FAILED")],
  [EXIT.failed, fault("STATE_CORRUPTION")],
  [EXIT.failed, new TypeError("a bug")],
  [EXIT.failed, "thrown text"],
])("exit code %d for %o", (exitCode, error) => {
  expect(exitCodeOf(error)).toBe(exitCode);
});

test("every exit code has its meaning in the help", () => {
  expect(EXIT_MEANINGS.map(([code]) => code)).toEqual(Object.values(EXIT));
});
