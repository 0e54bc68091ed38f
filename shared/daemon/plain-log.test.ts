/** Errors of every kind go through the real logger and come out whole. */
import pino from "pino";
import { expect, test } from "vitest";
import { executionError, FaultError, RefusalError, refusal } from "#errors";
import { TransportError } from "#rpc";
import { plainLog } from "./plain-log.ts";

interface Line {
  readonly error: Readonly<Record<string, unknown>>;
  readonly msg: string;
}

/** The one line that a real logger writes about these facts. */
function logged(facts: object): Line {
  const lines: string[] = [];
  plainLog(pino({}, { write: (line: string) => lines.push(line) })).info(facts, "said");
  expect(lines).toHaveLength(1);
  return JSON.parse(lines.join("")) as Line;
}

test("a fault, whose value is frozen, is told with its type and its message", () => {
  const fault = executionError({ id: "e1", type: "COMMUNICATION_FAILURE", reach: "one", message: "nobody answered" });
  const { error, msg } = logged({ err: new FaultError(fault, { cause: new Error("the wire broke") }) });
  expect(msg).toBe("said");
  expect(error).toMatchObject({ type: "FaultError", message: "nobody answered" });
  expect(error.execution).toMatchObject({ id: "e1", type: "COMMUNICATION_FAILURE" });
  expect(error.cause).toMatchObject({ message: "the wire broke" });
});

test("a refusal is told with its reason, a transport error with its status", () => {
  const refused = new RefusalError(refusal({ reason: "QUEUE_FULL", message: "full", retryAfterMs: 5 }));
  expect(logged({ err: refused }).error.refusal).toMatchObject({ reason: "QUEUE_FULL", retryAfterMs: 5 });
  expect(logged({ err: new TransportError("UNAVAILABLE", "gone") }).error).toMatchObject({ status: "UNAVAILABLE" });
});

test("a cause that goes in a circle ends, and what is no error is told too", () => {
  const circle = new Error("again and again");
  circle.cause = circle;
  expect(logged({ err: circle }).error.message).toBe("again and again");
  expect(logged({ err: "words" }).error).toEqual({ message: "words" });
});

test("facts without an error are left as they are", () => {
  const line = logged({ err: undefined, runs: 3 });
  expect(line).toMatchObject({ runs: 3, msg: "said" });
  expect(line).not.toHaveProperty("err");
  expect(line).not.toHaveProperty("error");
});
