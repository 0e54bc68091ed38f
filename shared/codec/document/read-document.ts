/** Reads a whole document: parse, read, and answer with the value or with every problem at once. */
import { assert } from "#std";
import { INVALID, Place, type Reader } from "./place.ts";
import { type DocumentResult, ProblemList } from "./problem.ts";
import { type DocumentInput, parseSource } from "./source.ts";

/** Reads `input` by `reader`. Never throws for what a file may contain. */
export function readDocument<T>(input: DocumentInput, reader: Reader<T>): DocumentResult<T> {
  const problems = new ProblemList();
  const source = parseSource(input, problems);
  const value = source === undefined ? INVALID : reader(Place.root(source, problems));
  if (!problems.empty) return { ok: false, problems: problems.inOrder() };
  assert(value !== INVALID, "a reader that refuses reports why");
  return { ok: true, value };
}
