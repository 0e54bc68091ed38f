/** What a file imports, read from its text. */
import { posix } from "node:path";
import { codeOf, lineAt, type SourceFile } from "./source.ts";

export interface Import {
  /** As written; undefined for an import whose target is computed. */
  readonly specifier: string | undefined;
  readonly line: number;
  /** Gone at run time. */
  readonly typeOnly: boolean;
}

// In blanked code a string is a pair of quotes with spaces between; the words are read from the text at the same place.
const STATIC = /^[ \t]*(?:import|export)(\s+type)?\b(?:[\w*{}\s,$]+?\bfrom\b)?\s*(["'])/gm;
const DYNAMIC = /(?<![\w$.])(typeof\s+)?(?:import|require)\s*\(\s*(["'])?/g;

const known = new WeakMap<SourceFile, readonly Import[]>();

/** Every import and re-export of a file, static ones first. */
export function importsOf(file: SourceFile): readonly Import[] {
  let imports = known.get(file);
  if (imports === undefined) {
    imports = scan(file);
    known.set(file, imports);
  }
  return imports;
}

function scan(file: SourceFile): Import[] {
  const code = codeOf(file);
  return [STATIC, DYNAMIC].flatMap((pattern) =>
    [...code.matchAll(pattern)].map((match) => {
      const quote = match[2];
      const start = match.index + match[0].length;
      return {
        specifier: quote === undefined ? undefined : file.text.slice(start, code.indexOf(quote, start)),
        line: lineAt(code, match.index + match[0].search(/\S/)),
        typeOnly: match[1] !== undefined,
      };
    }),
  );
}

/**
 * The repository path that a specifier names, or undefined for packages, `node:` and generated code. A room (`#std`) is its index.ts.
 */
export function targetOf(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(from), specifier);
  if (specifier.startsWith("#gen/")) return `shared/gen/${specifier.slice("#gen/".length)}`;
  if (specifier.startsWith("#")) return `shared/${specifier.slice(1)}/index.ts`;
  return undefined;
}
