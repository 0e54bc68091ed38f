/** A mutant: the real code with one line changed for the worse. */
import type { Temper } from "../world/temper.ts";

export interface Mutant {
  readonly name: string;
  /** Relative to the repository's top folder. */
  readonly file: string;
  /** Occurs in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** The promise it breaks, in words. */
  readonly breaks: string;
  /** In which worlds it is looked for, where what it breaks happens seldom elsewhere. Default: any. */
  readonly temper?: Exclude<Temper, "usual">;
}

/** The mutated text. Throws when what is to be changed is not there exactly once. */
export function mutate(text: string, { name, file, find, replace }: Mutant): string {
  const at = text.indexOf(find);
  if (at < 0) throw new Error(`mutant ${name}: ${JSON.stringify(find)} does not occur in ${file}`);
  if (text.indexOf(find, at + 1) >= 0)
    throw new Error(`mutant ${name}: ${JSON.stringify(find)} occurs twice in ${file}`);
  return text.slice(0, at) + replace + text.slice(at + find.length);
}
