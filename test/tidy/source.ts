/** A file as the rules see it: its text, and the same text with comments and the insides of strings blanked out. */

export interface SourceFile {
  /** Relative to the repository's top folder, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  /** What is wrong, and what to do instead. */
  readonly message: string;
}

/** One law, small and pure, so that a test can show it failing. */
export interface Rule {
  readonly name: string;
  /** `all` is every file of the repository, for laws about more than one file. */
  check(file: SourceFile, all: readonly SourceFile[]): Finding[];
}

const CODE = /\.[cm]?[jt]s$/;

/** Programs, as opposed to words and settings. Generated ones are not looked at. */
export function isCode(path: string): boolean {
  return CODE.test(path) && !path.startsWith("shared/gen/");
}

/** Code that is not shipped (tests, and the programs and doubles that tests use): it may do what a test needs. */
export function isTest(path: string): boolean {
  return (
    path.startsWith("test/") ||
    /\.(?:test|fixture)\.ts$|\/(?:fixtures|testing)\//.test(path) ||
    path === "vitest.config.ts"
  );
}

/** The plain JavaScript that runs before the right Node is there; it cannot import a TypeScript room. */
export function isLauncher(path: string): boolean {
  return path === "bootstrap.mjs" || /^services\/cli\/(bin|hand-over|leash)\.js$/.test(path);
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

/** A finding for each match of `pattern` (a global one) in `text`, which is the file's own or its blanked form. */
export function findAll(
  file: SourceFile,
  text: string,
  pattern: RegExp,
  message: string | ((match: RegExpMatchArray) => string),
): Finding[] {
  return [...text.matchAll(pattern)].map((match) => ({
    path: file.path,
    line: lineAt(text, match.index),
    message: typeof message === "string" ? message : message(match),
  }));
}

/** True when a `/` after this much code begins a regular expression and not a division. */
function regexMayFollow(before: string): boolean {
  const end = before.trimEnd();
  if (end === "" || /[(,=:[!&|?{};+\-*%~^<>]$/.test(end)) return true;
  return /(?<![\w$.])(return|typeof|case|in|of|void|throw|new|await|yield|else|do)$/.test(end);
}

function endOfRegex(text: string, start: number): number {
  let inClass = false;
  for (let at = start + 1; at < text.length && text[at] !== "\n"; at += 1) {
    const char = text[at];
    if (char === "\\") at += 1;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "/" && !inClass) return at;
  }
  return start; // no end on this line: it was a division
}

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === text[start] || text[at] === "\n") return at;
  }
  return text.length;
}

const blank = (text: string): string => text.replace(/[^\n]/g, " ");

/** Reads program text from left to right and keeps what is code, position by position. */
class Blanker {
  readonly #text: string;
  #at = 0;
  #code = "";

  constructor(text: string) {
    this.#text = text;
  }

  run(): string {
    while (this.#at < this.#text.length) this.#token();
    return this.#code;
  }

  #keep(count = 1): void {
    this.#code += this.#text.slice(this.#at, this.#at + count);
    this.#at += count;
  }

  #blankTo(end: number): void {
    const to = Math.min(end, this.#text.length);
    this.#code += blank(this.#text.slice(this.#at, to));
    this.#at = to;
  }

  /** One token of code: a comment, a string, a template, a regular expression, or one character of anything else. */
  #token(): void {
    const rest = this.#text.slice(this.#at, this.#at + 2);
    if (rest === "//" || (rest === "#!" && this.#at === 0)) {
      const end = this.#text.indexOf("\n", this.#at);
      this.#blankTo(end === -1 ? this.#text.length : end);
    } else if (rest === "/*") {
      const end = this.#text.indexOf("*/", this.#at + 2);
      this.#blankTo(end === -1 ? this.#text.length : end + 2);
    } else if (rest[0] === '"' || rest[0] === "'") {
      this.#quoted(endOfString(this.#text, this.#at));
    } else if (rest[0] === "`") {
      this.#template();
    } else if (rest[0] === "/" && regexMayFollow(this.#code.slice(-200))) {
      this.#quoted(endOfRegex(this.#text, this.#at));
    } else {
      this.#keep();
    }
  }

  /** Keeps the delimiters, blanks what is between them. */
  #quoted(end: number): void {
    if (end > this.#at) {
      this.#keep();
      this.#blankTo(end);
    }
    this.#keep();
  }

  /** A template literal: its words are blanked, its `${…}` are code again, to any depth. */
  #template(): void {
    this.#keep();
    while (this.#at < this.#text.length && this.#text[this.#at] !== "`") {
      if (this.#text.startsWith("${", this.#at)) this.#substitution();
      else this.#blankTo(this.#at + (this.#text[this.#at] === "\\" ? 2 : 1));
    }
    this.#keep();
  }

  #substitution(): void {
    this.#keep(2);
    for (let depth = 1; this.#at < this.#text.length; ) {
      const char = this.#text[this.#at];
      if (char === "{") depth += 1;
      if (char === "}") depth -= 1;
      this.#token();
      if (depth === 0) return;
    }
  }
}

const blanked = new WeakMap<SourceFile, string>();

/** The file's text with comments and the insides of strings, templates and regular expressions blanked; positions stay. */
export function codeOf(file: SourceFile): string {
  let code = blanked.get(file);
  if (code === undefined) {
    code = new Blanker(file.text).run();
    blanked.set(file, code);
  }
  return code;
}
