/**
 * The log as daemons use it: errors go into it as plain copies. The values that our errors carry are frozen, and the logger marks what it
 * is given while it writes: left to it, a line about an error would end the daemon.
 */
import { FaultError, RefusalError } from "#errors";
import { TransportError } from "#rpc";
import type { Log } from "./base.ts";

/** Causes of causes that are told. */
const CAUSES_MAX = 8;

/** The log, with `err` in the facts of a line replaced by a plain copy under `error`. */
export function plainLog(log: Log): Log {
  return {
    info: (facts, message) => log.info(plainFacts(facts), message),
    warn: (facts, message) => log.warn(plainFacts(facts), message),
    error: (facts, message) => log.error(plainFacts(facts), message),
  };
}

function plainFacts(facts: object): object {
  if (!("err" in facts)) return facts;
  const { err, ...rest } = facts;
  return err === undefined ? rest : { ...rest, error: plainError(err, CAUSES_MAX) };
}

function plainError(error: unknown, causesLeft: number): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name: type, message, stack, cause } = error;
  const below = cause === undefined || causesLeft === 0 ? {} : { cause: plainError(cause, causesLeft - 1) };
  return { type, message, ...carriedBy(error), stack, ...below };
}

/** What an error of ours carries beside its message. */
function carriedBy(error: Error): object {
  if (error instanceof FaultError) return { execution: { ...error.error } };
  if (error instanceof RefusalError) return { refusal: { ...error.refusal } };
  if (error instanceof TransportError) return { status: error.status };
  return {};
}
