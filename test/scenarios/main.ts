/**
 * `npm run scenarios`: plays the scenario files and says which are told otherwise now; with `--update` they are written anew, for a person to read
 * the difference. Exit code 1 when one differs.
 */
import { parseArgs } from "node:util";
import { readScenario, scenarioNames, writeScenario } from "./files.ts";
import { tellTranscript } from "./player.ts";
import { retold } from "./transcript.ts";

const { values } = parseArgs({ options: { update: { type: "boolean" } }, allowPositionals: false });
let differ = 0;
for (const name of scenarioNames()) {
  const file = readScenario(name);
  const told = await retold(file, tellTranscript);
  if (told === file) continue;
  differ += 1;
  if (values.update) writeScenario(name, told);
  console.log(`${name}: ${values.update ? "written anew; read what has changed" : "is told otherwise now"}`);
}
console.log(`${scenarioNames().length} scenarios, ${differ} told otherwise`);
process.exitCode = differ > 0 && !values.update ? 1 : 0;
