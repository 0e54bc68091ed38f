import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ERROR_CATEGORIES } from "./category.ts";
import {
  ERROR_TABLE,
  type ErrorTableRow,
  EXECUTION_ERROR_TYPES,
  grpcStatusOf,
  isExecutionErrorType,
} from "./error-table.ts";
import { GRPC_STATUS, grpcStatusName } from "./grpc-status.ts";
import { REFUSAL_REASONS, REFUSAL_TABLE, refusalStatus } from "./refusal.ts";

/** The table of the contract, written a second time: changing one of the two alone must fail. */
const PINNED = [
  "RESOURCE_EXHAUSTED RESOURCE PARTIAL 8 8",
  "QUOTA_EXCEEDED RESOURCE PARTIAL 8 8",
  "RESOURCE_ALLOCATION_FAILED RESOURCE PARTIAL 9 14",
  "TIMEOUT TRANSIENT AUTOMATIC 4 4",
  "RATE_LIMITED TRANSIENT AUTOMATIC 14 14",
  "NETWORK_ERROR TRANSIENT AUTOMATIC 14 14",
  "DEPENDENCY_UNAVAILABLE TRANSIENT AUTOMATIC 14 14",
  "MODEL_UNAVAILABLE TRANSIENT AUTOMATIC 14 14",
  "TOOL_EXECUTION_FAILED LOGIC PARTIAL 10 10",
  "OUTPUT_VALIDATION_FAILED LOGIC PARTIAL 10 10",
  "VALIDATION_FAILED CONFIGURATION NONE 3 3",
  "ROUTINE_PARSING_FAILED CONFIGURATION NONE 3 3",
  "PERMISSION_DENIED SECURITY NONE 7 7",
  "AUTHENTICATION_FAILED SECURITY NONE 16 16",
  "SECURITY_VIOLATION SECURITY NONE 7 7",
  "STATE_CORRUPTION UNKNOWN NONE 13 13",
  "COMMUNICATION_FAILURE TRANSIENT AUTOMATIC 14 14",
  "CIRCUIT_BREAKER_OPEN TRANSIENT AUTOMATIC 14 14",
  "FATAL_ERROR UNKNOWN NONE 13 13",
];

const PINNED_REFUSALS = [
  "INVALID_ARGUMENT 3",
  "NOT_FOUND 5",
  "STALE_EPOCH 10",
  "NOT_PERMITTED 7",
  "REQUEST_ID_REUSED 6",
  "STATE_FORBIDS 9",
  "UNIMPLEMENTED 12",
  "DRAINING 14",
  "NOT_WELCOMED 14",
  "LEASE_ENDED 14",
  "PAUSED 14",
  "JOURNAL_BEHIND 9",
  "QUEUE_FULL 8",
  "READER_TOO_SLOW 8",
  "MESSAGE_TOO_LARGE 8",
];

/** The rows of a table of docs/errors.md: everything between a heading and the next. */
function documentedRows(heading: string): string[] {
  const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const section = text.split(/^## /m).find((part) => part.startsWith(heading)) ?? "";
  return section.split("\n").filter((line) => line.startsWith("| `"));
}

const statusCell = ({ status, statusWhenRetryable }: ErrorTableRow): string =>
  statusWhenRetryable === undefined ? status : `${status}; ${statusWhenRetryable} when it may fit later`;

describe("the error table", () => {
  test("is the contract's, type by type", () => {
    const actual = EXECUTION_ERROR_TYPES.map((type) => {
      const { category, recoverability } = ERROR_TABLE[type];
      return `${type} ${category} ${recoverability} ${grpcStatusOf(type, false)} ${grpcStatusOf(type, true)}`;
    });
    expect(actual).toEqual(PINNED);
    const refusals = REFUSAL_REASONS.map((reason) => `${reason} ${refusalStatus(reason)}`);
    expect(refusals).toEqual(PINNED_REFUSALS);
  });

  test("is what docs/errors.md shows", () => {
    const types = EXECUTION_ERROR_TYPES.map((type) => {
      const row = ERROR_TABLE[type];
      return `| \`${type}\` | ${row.meaning} | ${statusCell(row)} | ${row.category} | ${row.advice} |`;
    });
    expect(documentedRows("Execution errors")).toEqual(types);
    const refusals = REFUSAL_REASONS.map((reason) => {
      const row = REFUSAL_TABLE[reason];
      return `| \`${reason}\` | ${row.meaning} | ${row.status} | ${row.advice} |`;
    });
    expect(documentedRows("Refusals")).toEqual(refusals);
  });

  test("keeps the names of types and refusals apart", () => {
    expect(REFUSAL_REASONS.filter((reason) => isExecutionErrorType(reason))).toEqual([]);
  });

  test("uses only categories that exist, and each of them", () => {
    const used = new Set(EXECUTION_ERROR_TYPES.map((type) => ERROR_TABLE[type].category));
    expect([...used].sort()).toEqual([...ERROR_CATEGORIES].sort());
  });

  test("knows its names from strangers", () => {
    expect(isExecutionErrorType("TIMEOUT")).toBe(true);
    expect(isExecutionErrorType("toString")).toBe(false);
  });
});

test("status names and numbers are inverse; a foreign number reads as UNKNOWN", () => {
  for (const [name, code] of Object.entries(GRPC_STATUS)) expect(grpcStatusName(code)).toBe(name);
  expect(grpcStatusName(99)).toBe("UNKNOWN");
});
