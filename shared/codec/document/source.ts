/**
 * From the bytes of a YAML file to its tree of nodes, or to the reasons why there is none. Scalars stay the text they are in the file
 * (the `failsafe` schema), so that no number is rounded and no word turns into a truth value before a reader has looked at it.
 * Bounded before anything recursive runs: size, depth, and what aliases expand to.
 */
import { Composer, type CST, type Document, isAlias, isNode, LineCounter, type Node, Parser, visit } from "yaml";
import { LIMITS } from "#std";
import type { ProblemList } from "./problem.ts";

/** A file to read: its name for messages, and its content (bytes must be UTF-8). */
export interface DocumentInput {
  readonly file: string;
  readonly text: string | Uint8Array;
}

/** A tree of nodes with the means to say where each one stands. */
export interface Source {
  readonly file: string;
  readonly root: Node | null;
  /** Line and column of a character offset, both from 1. */
  at(offset: number): { line: number; column: number };
  /** The node itself, or what it stands for when it is an alias. */
  resolve(node: Node | null): Node | null;
}

/** What parsing works with: where problems go, and how offsets become lines. */
interface Parsing {
  readonly file: string;
  readonly lines: LineCounter;
  readonly problems: ProblemList;
}

function report(parsing: Parsing, offset: number, message: string): void {
  const { line, column } = positionOf(parsing.lines, offset);
  parsing.problems.add({ file: parsing.file, line, column, field: "", message });
}

function positionOf(lines: LineCounter, offset: number): { line: number; column: number } {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function decode(input: DocumentInput, parsing: Parsing): string | undefined {
  const bytes = typeof input.text === "string" ? Buffer.byteLength(input.text) : input.text.byteLength;
  if (bytes > LIMITS.documentBytesMax) {
    report(parsing, 0, `the file has ${bytes} bytes; split it: at most ${LIMITS.documentBytesMax} are read`);
    return undefined;
  }
  if (typeof input.text === "string") return input.text;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(input.text);
  } catch {
    report(parsing, 0, "the file is not UTF-8 text; save it as UTF-8");
    return undefined;
  }
}

/** Offset of the first map or list that lies too deep. Walks with a stack of its own: the file may be nothing but brackets. */
function firstTooDeep(tokens: readonly CST.Token[]): number | undefined {
  const open: { token: CST.Token; depth: number }[] = tokens.map((token) => ({ token, depth: 0 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (token.type === "document" && token.value !== undefined) open.push({ token: token.value, depth });
    if (token.type !== "block-map" && token.type !== "block-seq" && token.type !== "flow-collection") continue;
    if (depth === LIMITS.documentDepthMax) return token.offset;
    for (const { key, value } of token.items) {
      if (key) open.push({ token: key, depth: depth + 1 });
      if (value) open.push({ token: value, depth: depth + 1 });
    }
  }
  return undefined;
}

/** Finds what each alias stands for: the last anchor of its name before it, which must not contain it. */
function resolveAliases(document: Document.Parsed, parsing: Parsing): Map<Node, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Node, Node>();
  visit(document, {
    Node(_key, node, path) {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        return;
      }
      const target = anchors.get(node.source);
      const offset = node.range?.[0] ?? 0;
      if (target === undefined) {
        report(parsing, offset, `*${node.source} has no anchor before it; write &${node.source} at what it stands for`);
      } else if (path.some((ancestor) => ancestor === target)) {
        report(parsing, offset, `*${node.source} stands for something that contains it; write the value out`);
      } else {
        targets.set(node, target);
      }
    },
  });
  return targets;
}

/** The parser's own count of what aliases expand to, which refuses aliases of aliases of aliases. */
function refuseAliasBomb(document: Document.Parsed, parsing: Parsing): void {
  try {
    document.toJS({ maxAliasCount: LIMITS.documentAliasesMax, mapAsMap: true });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    report(
      parsing,
      0,
      `aliases expand to too much (at most ${LIMITS.documentAliasesMax}); write some of the values out`,
    );
  }
}

function compose(text: string, parsing: Parsing): Document.Parsed | undefined {
  const tokens = [...new Parser(parsing.lines.addNewLine).parse(text)];
  const tooDeep = firstTooDeep(tokens);
  if (tooDeep !== undefined) {
    report(
      parsing,
      tooDeep,
      `nested too deep; at most ${LIMITS.documentDepthMax} maps and lists may lie in each other`,
    );
    return undefined;
  }
  // The composer compares every key with every other one of its map; readers check keys in linear time, so that is off.
  const composer = new Composer({ schema: "failsafe", uniqueKeys: false, logLevel: "error" });
  const [document, second] = composer.compose(tokens, true, text.length);
  if (document === undefined) return undefined;
  if (second !== undefined) {
    report(parsing, second.range[0], "a second document starts here; keep one document in a file");
  }
  for (const { pos, message } of [...document.errors, ...document.warnings]) {
    report(parsing, pos[0], `not valid YAML: ${message}`);
  }
  return document as Document.Parsed;
}

/** What every alias stands for; a document without the sign of an alias has none, and is spared the two walks. */
function aliasTargets(text: string, document: Document.Parsed, parsing: Parsing): ReadonlyMap<Node, Node> {
  if (!text.includes("*")) return new Map();
  const targets = resolveAliases(document, parsing);
  if (parsing.problems.empty) refuseAliasBomb(document, parsing);
  return targets;
}

/** Parses a file. Undefined when it cannot be read as YAML at all; `problems` then says why. */
export function parseSource(input: DocumentInput, problems: ProblemList): Source | undefined {
  const lines = new LineCounter();
  const parsing: Parsing = { file: input.file, lines, problems };
  const text = decode(input, parsing);
  const document = text === undefined ? undefined : compose(text, parsing);
  if (text === undefined || document === undefined || !problems.empty) return undefined;
  const targets = aliasTargets(text, document, parsing);
  if (!problems.empty) return undefined;
  return {
    file: input.file,
    root: isNode(document.contents) ? document.contents : null,
    at: (offset) => positionOf(lines, offset),
    resolve: (node) => (node === null ? null : (targets.get(node) ?? node)),
  };
}
