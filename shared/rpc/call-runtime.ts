/** What the calls of one server share: its clock, its open calls, who is admitted, and where faults are told. */
import { type Refusal, RefusalError } from "#errors";
import type { Clock, TraceContext } from "#ports";
import { InvariantError } from "#std";
import { toWireStatus } from "./error-map.ts";
import type { OpenCalls } from "./open-calls.ts";
import type { CallContext } from "./service-handlers.ts";
import { TransportError } from "./transport-error.ts";

/** A handler failed in a way the contract does not know; the caller got INTERNAL and nothing else. */
export interface CallFailure {
  /** Full name of the method: `/package.Service/Method`. */
  readonly method: string;
  readonly peer: string;
  readonly trace: TraceContext | undefined;
  readonly error: unknown;
}

/** What every call of a server shares. */
export interface CallRuntime {
  readonly clock: Pick<Clock, "wallMs" | "soon">;
  readonly calls: OpenCalls;
  readonly onError: (failure: CallFailure) => void;
  /** Asked before the handler of each call; a refusal ends the call. */
  readonly admit: (method: string, context: CallContext) => Refusal | undefined;
}

/** A method of one server. */
export interface CallSite {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly runtime: CallRuntime;
}

/** Throws the refusal of a call that is not admitted. */
export function admit({ path, runtime }: CallSite, context: CallContext): void {
  const refused = runtime.admit(path, context);
  if (refused !== undefined) throw new RefusalError(refused);
}

/** Why a call's signal aborts when the transport only says that it is gone. */
export function callLost(): TransportError {
  return new TransportError(
    "CANCELLED",
    "the caller cancelled the call, its deadline passed, or its connection was lost",
  );
}

/** Reports an error that the contract does not know; the caller's answer is INTERNAL. */
export function reportUnexpected({ path, runtime }: CallSite, context: CallContext, error: unknown): void {
  crashIfBroken(error);
  if (!toWireStatus(error).unexpected || isOwnAbort(context, error)) return;
  runtime.onError({ method: path, peer: context.peer, trace: context.trace, error });
}

/** Whether a handler only passed on that its call was aborted. */
function isOwnAbort({ signal }: CallContext, error: unknown): boolean {
  return signal.aborted && (error === signal.reason || (error instanceof Error && error.name === "AbortError"));
}

/** A broken invariant is no failure of one call: the rejection that nobody takes ends the process, whoever waits for an answer. */
export function crashIfBroken(error: unknown): void {
  if (error instanceof InvariantError) void Promise.reject(error);
}
