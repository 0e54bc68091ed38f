/** How a failure is told: what happened, where, and what to do about it. The same error reads the same here as on the wire. */
import {
  ERROR_TABLE,
  type ExecutionError,
  FaultError,
  type FieldViolation,
  REFUSAL_TABLE,
  type Refusal,
  RefusalError,
} from "#errors";
import { TransportError } from "#rpc";
import { CommandError } from "./command-error.ts";
import { milliseconds } from "./view/amounts.ts";
import { plainText } from "./view/plain-text.ts";
import type { Style } from "./view/style.ts";

/** The lines for a failure that ended a command. */
export function failureLines(error: unknown, style: Style): string[] {
  const [message, ...details] = wordsOf(error);
  const [first = "", ...rest] = plainText(message ?? "").split("\n");
  return [`${style.red("bursar:")} ${first}`, ...rest, ...details.map((line) => `  ${plainText(line)}`)];
}

/** An error in one line, for where it stands beside other things. */
export function failureText(error: unknown): string {
  const [message = ""] = wordsOf(error);
  return plainText(message).split("\n", 1)[0] ?? "";
}

function wordsOf(error: unknown): string[] {
  if (error instanceof CommandError) return [error.message, ...error.advice];
  if (error instanceof FaultError) return faultWords(error.error);
  if (error instanceof RefusalError) return refusalWords(error.refusal);
  if (error instanceof TransportError) return [error.message, `gRPC status ${error.status}`];
  // Nobody foresaw it, so whoever mends it needs the stack.
  if (error instanceof Error) return [`a fault of bursar itself: ${error.stack ?? error.message}`];
  return [`a fault of bursar itself: ${String(error)}`];
}

function faultWords(error: ExecutionError): string[] {
  const { type, message, tier, allocationPath, cause, retryAfterMs, fieldViolations, shadow } = error;
  const from = [tier === undefined ? "" : `told by ${tier}`, allocationPath === "" ? "" : `about ${allocationPath}`];
  const told = from.filter((part) => part !== "").join(" ");
  return [
    `${type}: ${message}`,
    ...(told === "" ? [] : [told]),
    ...(cause === undefined || cause === "" ? [] : [`because: ${cause}`]),
    ...violationWords(message, fieldViolations),
    ...(shadow === undefined ? [] : [shadow]),
    `what to do: ${ERROR_TABLE[type].advice}`,
    ...retryWords(retryAfterMs),
  ];
}

function refusalWords({ reason, message, fieldViolations, retryAfterMs }: Refusal): string[] {
  return [
    `${reason}: ${message}`,
    ...violationWords(message, fieldViolations),
    `what to do: ${REFUSAL_TABLE[reason].advice}`,
    ...retryWords(retryAfterMs),
  ];
}

/** The message may name them already. */
function violationWords(message: string, violations: readonly FieldViolation[]): string[] {
  return violations
    .map(({ field, description }) => (field === "" ? description : `${field}: ${description}`))
    .filter((words) => !message.includes(words));
}

function retryWords(retryAfterMs: number | undefined): string[] {
  return retryAfterMs === undefined ? [] : [`may succeed in ${milliseconds(retryAfterMs)}`];
}
