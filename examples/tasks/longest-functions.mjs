// Finds the longest functions and methods. It goes by layout, not by grammar: a head that ends with an opening brace lasts until the
// first line at its own depth that starts with the closing one. Reads sources.json, writes functions.json.
import { readFileSync } from "node:fs";
import { requireResult, writeResult } from "./work-folder.mjs";

const HEAD = /^(\s*)(?:export )?(?:async )?(?:function\*? (\w+)|(?:static |async |\*)*(#?\w+)\(.*\).*)[^;]*\{$/;
const NOT_A_NAME = new Set(["if", "for", "while", "switch", "catch", "test", "describe", "it"]);

function functionsOf(path) {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.flatMap((line, index) => {
    const [, indent, functionName, methodName] = HEAD.exec(line) ?? [];
    const name = functionName ?? methodName;
    if (name === undefined || NOT_A_NAME.has(name)) return [];
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`));
    return end === -1 ? [] : [{ path, line: index + 1, name, lines: end - index + 1 }];
  });
}

const listed = Number(process.env.LISTED ?? 10);
const functions = requireResult("sources.json")
  .files.filter(({ path }) => /\.(ts|mjs|js)$/.test(path) && !path.includes(".test."))
  .flatMap(({ path }) => functionsOf(path))
  .sort((left, right) => right.lines - left.lines);

writeResult("functions.json", { found: functions.length, longest: functions.slice(0, listed) });
for (const { path, line, name, lines } of functions.slice(0, listed)) {
  process.stdout.write(`${lines} lines: ${name} at ${path}:${line}\n`);
}
