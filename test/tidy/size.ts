/** How long files and functions may be. */
import { codeOf, type Finding, isCode, isTest, lineAt, type Rule } from "./source.ts";

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 69;

const NOT_FUNCTIONS = new Set(["if", "for", "while", "switch", "catch", "with", "await"]);
const CLOSER: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** Offset just behind the bracket that closes the one at `open`. */
function behindClosing(code: string, open: number): number {
  const opener = code[open] ?? "";
  const closer = CLOSER[opener] ?? "";
  let depth = 0;
  for (let at = open; at < code.length; at += 1) {
    if (code[at] === opener) depth += 1;
    else if (code[at] === closer) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return code.length;
}

/** Offset of the first character at or after `from` that is not white space. */
function skipSpace(code: string, from: number): number {
  let at = from;
  while (at < code.length && /\s/.test(code[at] ?? "")) at += 1;
  return at;
}

/**
 * Offset of the `{` that opens the body of a function whose parameter list ends at `from`, or undefined when none follows.
 * In a return type a brace opens one more type where a type is due (behind `:`, `|`, `&`, `<`, `,`, `=>`), and the body elsewhere.
 */
function bodyAfter(code: string, from: number): number | undefined {
  const first = skipSpace(code, from);
  if (code[first] === "{") return first;
  if (code.startsWith("=>", first)) return arrowBody(code, first);
  if (code[first] !== ":") return undefined; // a call, not a declaration
  let typeDue = true;
  let angles = 0;
  let parameters = false; // what was just passed is the parameter list of a function type
  for (let at = skipSpace(code, first + 1); at < code.length; at = skipSpace(code, at)) {
    const char = code[at] ?? "";
    if (char === "{" && !typeDue) return at;
    if (char in CLOSER) {
      parameters = char === "(" && typeDue;
      typeDue = false;
      at = behindClosing(code, at);
    } else if (code.startsWith("=>", at)) {
      if (!parameters) return arrowBody(code, at);
      typeDue = true;
      at += 2;
    } else if (/[;)\]}=]/.test(char) || (char === "," && angles === 0)) {
      return undefined;
    } else {
      if (char === "<") angles += 1;
      if (char === ">") angles -= 1;
      typeDue = /[:|&<,?]/.test(char);
      at += 1;
    }
  }
  return undefined;
}

function arrowBody(code: string, arrow: number): number | undefined {
  const at = skipSpace(code, arrow + 2);
  return code[at] === "{" ? at : undefined;
}

export interface FunctionSpan {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
}

/** Functions, methods, accessors and arrows with a body in braces, outermost and nested ones alike. */
export function functionsIn(code: string): FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  const add = (start: number, open: number, name: string): void => {
    const line = lineAt(code, start);
    spans.push({ name, line, lines: lineAt(code, behindClosing(code, open) - 1) - line + 1 });
  };
  for (let at = code.indexOf("("); at !== -1; at = code.indexOf("(", at + 1)) {
    const name = /([\w$#]+)\s*(?:<[^()]*>\s*)?$/.exec(code.slice(Math.max(0, at - 200), at))?.[1] ?? "";
    if (NOT_FUNCTIONS.has(name)) continue;
    const open = bodyAfter(code, behindClosing(code, at));
    if (open !== undefined) add(at, open, name);
  }
  // Arrows with a single bare parameter have no parentheses to start from.
  for (const match of code.matchAll(/(?<![\w$.])([\w$]+)\s*=>\s*\{/g)) {
    add(match.index, match.index + match[0].length - 1, "");
  }
  return spans;
}

export const fileLength: Rule = {
  name: "file length",
  check(file) {
    if (!isCode(file.path)) return [];
    const lines = file.text.trimEnd().split("\n").length;
    if (lines <= FILE_LINES_MAX) return [];
    const message = `${lines} lines, ${FILE_LINES_MAX} at most: split the file by the jobs it does (near 120 lines is the habit)`;
    return [{ path: file.path, line: 1, message }];
  },
};

export const functionLength: Rule = {
  name: "function length",
  check(file): Finding[] {
    if (!isCode(file.path) || isTest(file.path)) return [];
    return functionsIn(codeOf(file))
      .filter(({ lines }) => lines > FUNCTION_LINES_MAX)
      .map(({ name, line, lines }) => ({
        path: file.path,
        line,
        message: `${name || "this function"} has ${lines} lines, ${FUNCTION_LINES_MAX} at most: give its steps names of their own`,
      }));
  },
};
