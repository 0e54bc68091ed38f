/** What parsing gives: the value, or everything that is wrong with the message at once. */
import { type FieldViolation, invalidArgument, RefusalError } from "#errors";

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly violations: readonly FieldViolation[] };

/** Parses one message for a handler that answers one request. Throws RefusalError INVALID_ARGUMENT with all field violations. */
export function parseOrThrow<M, T>(parse: (message: M) => Parsed<T>, message: M): T {
  const parsed = parse(message);
  if (parsed.ok) return parsed.value;
  throw new RefusalError(invalidArgument(parsed.violations));
}
