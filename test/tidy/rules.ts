/** Every law of the repository that a program can check. */
import { leftOverRules } from "./left-overs.ts";
import { placeRules } from "./places.ts";
import { explicitExports, importLaw, literalImports, noCycles } from "./rooms.ts";
import { fileLength, functionLength } from "./size.ts";
import type { Finding, Rule, SourceFile } from "./source.ts";

export const RULES: readonly Rule[] = [
  importLaw,
  literalImports,
  explicitExports,
  noCycles,
  ...placeRules,
  fileLength,
  functionLength,
  ...leftOverRules,
];

/** Applies `rules` to every file; one line of text per finding, in the order of the files. */
export function findings(files: readonly SourceFile[], rules: readonly Rule[] = RULES): string[] {
  const line = (rule: Rule, finding: Finding): string =>
    `${finding.path}:${finding.line}  [${rule.name}] ${finding.message}`;
  return files.flatMap((file) =>
    rules.flatMap((rule) => rule.check(file, files).map((finding) => line(rule, finding))),
  );
}
