// The last step: puts together what the branches left behind, and says so where a branch left nothing. Writes summary.json.
import { readResult, requireResult, writeResult } from "./work-folder.mjs";

const { files } = requireResult("sources.json");
const [lines, functions, words, search] = ["lines.json", "functions.json", "words.json", "search.json"].map(readResult);

const summary = {
  files: files.length,
  bytes: files.reduce((total, file) => total + file.bytes, 0),
  lines: lines?.folders.reduce((total, folder) => total + folder.lines, 0),
  largest_folder: lines?.folders[0]?.folder,
  functions: functions?.found,
  longest_function: functions?.longest[0],
  most_frequent_words: words?.frequent.slice(0, 5).map(({ word }) => word),
  search_rounds: search?.rounds,
};
writeResult("summary.json", summary);

const said = (value, say) => (value === undefined ? "not known: that branch left nothing" : say(value));
const report = [
  `${summary.files} files, ${summary.bytes} bytes`,
  `lines: ${said(summary.lines, (count) => `${count}, most of them in ${summary.largest_folder}`)}`,
  `longest function: ${said(summary.longest_function, ({ name, path, lines: long }) => `${name} in ${path}, ${long} lines`)}`,
  `words: ${said(summary.most_frequent_words, (list) => list.join(", "))}`,
  `runaway: ${said(summary.search_rounds, (rounds) => `${rounds} rounds for nothing, then its budget ended it`)}`,
];
process.stdout.write(`${report.join("\n")}\n`);
