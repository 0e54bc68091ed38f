// Counts the words of the documents and of the comments at the top of each source. Reads sources.json, writes words.json.
import { readFileSync } from "node:fs";
import { requireResult, writeResult } from "./work-folder.mjs";

const SHORTEST = 6;

function wordsIn({ path, kind }) {
  const text = readFileSync(path, "utf8");
  const prose = kind === "words" ? text : (/^\/\*\*.*?\*\//s.exec(text)?.[0] ?? "");
  return prose.toLowerCase().match(/[a-z]+/g) ?? [];
}

const counts = new Map();
for (const file of requireResult("sources.json").files) {
  for (const word of wordsIn(file)) {
    if (word.length >= SHORTEST) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
}
const listed = Number(process.env.LISTED ?? 10);
const frequent = [...counts]
  .map(([word, count]) => ({ word, count }))
  .sort((left, right) => right.count - left.count || (left.word < right.word ? -1 : 1))
  .slice(0, listed);

writeResult("words.json", { different: counts.size, frequent });
process.stdout.write(`${frequent.map(({ word, count }) => `${word} ${count}`).join(", ")}\n`);
