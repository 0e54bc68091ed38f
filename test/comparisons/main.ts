/**
 * `npm run compare`: our figures beside the published ones of other systems. Exit code 2 for a wrong command line. What must hold of them is asserted by
 * the tests beside this file.
 */
import { parseArgs } from "node:util";
import { playDoorman } from "./doorman.ts";
import { AT_ONCE, playKueue, UNDAMPED } from "./kueue.ts";
import { playKueueMesh } from "./kueue-mesh.ts";
import { doormanWords, kueueWords, meshWords } from "./words.ts";

const COMPARISONS: Readonly<Record<string, () => Promise<string>>> = {
  doorman: async () => doormanWords(await playDoorman()),
  kueue: async () =>
    kueueWords([
      { name: "usual", result: playKueue() },
      { name: "at once", result: playKueue({ preemption: AT_ONCE }) },
      { name: "undamped", result: playKueue({ preemption: UNDAMPED }) },
    ]),
  /** In real time, 66 s at least. */
  "kueue-mesh": async () => meshWords("real daemon", await playKueueMesh()),
  "kueue-mesh-at-once": async () => meshWords("real, at once", await playKueueMesh({ rules: AT_ONCE })),
};

/** What is played when nothing is named: all that takes virtual time alone. */
const USUAL = ["doorman", "kueue"];

const USAGE = `usage: npm run compare [-- --only NAME]...

  --only NAME   one of ${Object.keys(COMPARISONS).join(", ")}; may be repeated. Usual: ${USUAL.join(" and ")}
`;

async function main(): Promise<number> {
  let only: readonly string[] = [];
  try {
    const { values } = parseArgs({ options: { only: { type: "string", multiple: true } }, allowPositionals: false });
    only = values.only ?? USUAL;
    const unknown = only.find((name) => !Object.hasOwn(COMPARISONS, name));
    if (unknown !== undefined) throw new Error(`no comparison is called ${unknown}`);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return 2;
  }
  for (const name of only) console.log(`${await COMPARISONS[name]?.()}\n`);
  return 0;
}

process.exitCode = await main();
