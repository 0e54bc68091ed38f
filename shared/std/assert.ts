/**
 * Assertions. A broken invariant is a crash, never a refusal: the state that broke it must not reach the disk.
 */

/** Thrown when the program contradicts itself. Nothing may catch it and go on. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/** Throws InvariantError with `message` unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** For the end of an exhaustive switch: the type checker proves it unreachable. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`);
}
