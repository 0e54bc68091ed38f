/** What is left lying about: notes to oneself, switched-off tests and checks, names that say nothing, traces of one machine. */
import { codeOf, findAll, isCode, isTest, lineAt, type Rule, type SourceFile } from "./source.ts";

interface Ban {
  readonly name: string;
  readonly pattern: RegExp;
  readonly message: string;
  /** Which files it is about. */
  readonly where: (path: string) => boolean;
  /** What of a file is searched: its code, or all of its text with comments and strings. */
  readonly view: (file: SourceFile) => string;
}

/** This folder has to name what it bans. */
const notTidy = (path: string): boolean => !path.startsWith("test/tidy/");
const code = (path: string): boolean => isCode(path) && notTidy(path);
const wholeText = (file: SourceFile): string => file.text;
const isTestCode = (path: string): boolean => code(path) && isTest(path);

/** Where numbers have their names and reasons. */
const isConfiguration = (path: string): boolean => path === "shared/std/limits.ts" || /(^|\/)config\.ts$/.test(path);

const BANS: readonly Ban[] = [
  {
    name: "notes to oneself",
    pattern: /\b(?:TODO|FIXME|XXX|HACK)\b/g,
    message: "do it, or file an issue and remove the note",
    where: (path) => notTidy(path) && path !== "package-lock.json",
    view: wholeText,
  },
  {
    name: "no test left out",
    pattern: /(?<![\w$.])(?:it|test|describe|suite|bench)(?:\.\w+)*?\.(?:only|skip|todo|fails)\s*(?:\(|\.)/g,
    message: "a test runs or goes: remove .only and .skip (skipIf(condition) says when a test cannot run)",
    where: code,
    view: codeOf,
  },
  {
    name: "no debugger",
    pattern: /(?<![\w$.])debugger\b/g,
    message: "remove the breakpoint",
    where: code,
    view: codeOf,
  },
  {
    name: "no muted checks",
    pattern: /@ts-(?:ignore|nocheck|expect-error)\b/g,
    message: "the types are right or the code is wrong: narrow the type instead of muting the checker",
    where: code,
    view: wholeText,
  },
  {
    name: "no any",
    pattern: /(?<![\w$.])any\b(?!\s*[?:(=.])/g,
    message: "`any` switches the checker off: use unknown and narrow it",
    where: (path) => code(path) && path.endsWith(".ts"),
    view: codeOf,
  },
  {
    name: "no sleeping tests",
    pattern:
      /=>\s*\{?\s*(?:void\s+)?setTimeout\(\s*(\w+)\s*,|\bsetTimeout\(\s*(?:resolve|done|res|r)\b|\bawait\s+(?:sleep|delay|wait|pause|setTimeout)\s*\(/g,
    message:
      "a sleeping test is slow when it passes and flaky when it fails: await the event itself, or vi.waitFor a condition",
    where: isTestCode,
    view: codeOf,
  },
  {
    name: "no default at the point of use",
    pattern: /\?\?=?\s*-?(?!(?:0|1)n?\b(?![._]))\d[\w.]*/g,
    message: "a number chosen here is known to nobody: put it into shared/std/limits.ts or the service's config.ts",
    where: (path) => code(path) && !isTest(path) && !isConfiguration(path) && !path.startsWith("examples/"),
    view: codeOf,
  },
  {
    name: "no private paths",
    pattern: /(?<![\w.~-])\/(?:root|home|Users)\/[\w.]/g,
    message: "this path exists on one machine: make it relative, or a parameter",
    where: notTidy,
    view: wholeText,
  },
  {
    name: "no registry hosts",
    pattern: /https?:\/\/[\w.-]*(?:registry|npmmirror|artifactory|nexus)[\w.-]*/gi,
    message:
      "which registry serves the packages is the reader's own setting: name no host (in the lock file: omit-lockfile-registry-resolved)",
    where: notTidy,
    view: wholeText,
  },
];

const banRules = BANS.map(
  ({ name, pattern, message, where, view }): Rule => ({
    name,
    check: (file) =>
      where(file.path) ? findAll(file, view(file), pattern, ([found]) => `${found.trim()}: ${message}`) : [],
  }),
);

const EMPTY_WORDS = new Set(["util", "utils", "helper", "helpers", "manager", "managers", "data", "info"]);
/** The design's own name, and those of the standard error details. */
const NAMES_GIVEN =
  /^(?:TierResourceManager\w*|tier-resource-manager(?:\.test)?\.ts|\w*(?:[Ee]rror|[Rr]etry|[Rr]equest|[Rr]esource)Info\w*)$/;

function emptyWordIn(name: string): string | undefined {
  if (NAMES_GIVEN.test(name)) return undefined;
  const words = name
    .replace(/([a-z\d])([A-Z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z\d]+/);
  return words.find((word) => EMPTY_WORDS.has(word));
}

const DECLARATION =
  /(?<![\w$.])(class|interface|function\*?|type|const)\s+([A-Za-z_$][\w$]*)(?=\s*[<({=:]|\s+extends|\s+implements)/g;
const FUNCTION_VALUE = /^\s*(?::[^=]*)?=\s*(?:async\s*)?(?:\([^)]*\)|\w+)\s*(?::[^=]*)?=>/;

/** A constant falls under the law of names only when it is a function: `const data = …` for three lines harms nobody. */
function declaresFunctionOrType(text: string, match: RegExpExecArray): boolean {
  const end = match.index + match[0].length;
  return match[1] !== "const" || FUNCTION_VALUE.test(text.slice(end, end + 400));
}

export const tellingNames: Rule = {
  name: "telling names",
  check(file) {
    if (!code(file.path)) return [];
    const says = (name: string): string =>
      `the name ${name} says nothing: use the design's words for what it does or holds (allocation, grant, hold, settle …)`;
    const part = file.path.split("/").find((name) => emptyWordIn(name) !== undefined);
    const text = codeOf(file);
    const declared = [...text.matchAll(DECLARATION)]
      .filter((match) => emptyWordIn(match[2] ?? "") !== undefined && declaresFunctionOrType(text, match))
      .map((match) => ({ path: file.path, line: lineAt(text, match.index), message: says(match[2] ?? "") }));
    return part === undefined ? declared : [{ path: file.path, line: 1, message: says(part) }, ...declared];
  },
};

export const opensWithItsJob: Rule = {
  name: "opens with its job",
  check(file) {
    if (!code(file.path) || file.path.endsWith(".test.ts") || /^\s*(?:#!.*\n)?\s*\/[/*]/.test(file.text)) return [];
    return [
      {
        path: file.path,
        line: 1,
        message: "begin the file with its job, and the invariants it keeps, in a few lines of comment",
      },
    ];
  },
};

export const leftOverRules: readonly Rule[] = [...banRules, tellingNames, opensWithItsJob];
