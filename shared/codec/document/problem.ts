/**
 * What is wrong with a document, said the way a compiler says it: file, line, column, field, and what to do.
 * Everything that came from the file is made printable here, so that no document can steer the terminal it is reported on.
 */
import { LIMITS } from "#std";

/** One problem. `line` and `column` count from 1; `field` is a path like `routines[0].steps[2].limits.credits`, empty for the whole file. */
export interface DocumentProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly field: string;
  readonly message: string;
}

/** A document read: its value, or every problem found, in the order of the file. */
export type DocumentResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly DocumentProblem[] };

/** Takes problems as they are found. */
export interface ProblemSink {
  add(problem: DocumentProblem): void;
}

/** For reading that must not report: a second look at what has been reported already. */
export const MUTE: ProblemSink = Object.freeze({ add: () => undefined });

/** `text` with control characters, line ends and invisible marks written as escapes. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\u2028\u2029]/gu, (mark) => `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`);
}

/** Gathers the problems of one document: keeps the first LIMITS.documentProblemsMax that are found and counts the rest. */
export class ProblemList implements ProblemSink {
  readonly #problems: DocumentProblem[] = [];
  readonly #seen = new Set<string>();
  #unlisted = 0;

  get empty(): boolean {
    return this.#problems.length === 0;
  }

  add(problem: DocumentProblem): void {
    const clean = { ...problem, field: printable(problem.field), message: printable(problem.message) };
    const identity = `${clean.line}:${clean.column}:${clean.field}:${clean.message}`;
    if (this.#seen.has(identity)) return;
    if (this.#problems.length === LIMITS.documentProblemsMax) {
      this.#unlisted += 1;
      return;
    }
    this.#seen.add(identity);
    this.#problems.push(clean);
  }

  /** The problems in the order of the file; the last one counts what is not listed. */
  inOrder(): readonly DocumentProblem[] {
    const problems = [...this.#problems].sort((left, right) => left.line - right.line || left.column - right.column);
    const last = problems.at(-1);
    if (this.#unlisted > 0 && last !== undefined) {
      problems.push({
        ...last,
        field: "",
        message: `${this.#unlisted} more problems are not listed; mend these first`,
      });
    }
    return problems;
  }
}

/** The problems as a compiler prints them, one a line: `swarm.yaml:12:5  routines[0].limits.credits: must be …`. */
export function formatProblems(problems: readonly DocumentProblem[]): string {
  return problems
    .map(({ file, line, column, field, message }) => {
      const where = `${printable(file)}:${line}:${column}`;
      return field === "" ? `${where}  ${message}` : `${where}  ${field}: ${message}`;
    })
    .join("\n");
}
