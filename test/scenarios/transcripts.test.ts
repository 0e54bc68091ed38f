/** The scenario files are told word for word as they stand. `npm run scenarios -- --update` writes what is decided now; read the difference. */
import { describe, expect, test } from "vitest";
import { STRATEGIES } from "#budget";
import { readScenario, scenarioNames } from "./files.ts";
import { tellTranscript } from "./player.ts";
import { parseTranscript, retold } from "./transcript.ts";

describe("scenario files", () => {
  test.each(scenarioNames())("%s", async (name) => {
    const file = readScenario(name);
    expect(await retold(file, tellTranscript)).toBe(file);
  });

  test("there is one for each strategy", () => {
    const all = scenarioNames().map(readScenario).join("\n");
    for (const strategy of STRATEGIES) expect(all).toContain(`${strategy} (its own)`);
  });
});

describe("a transcript", () => {
  const block = "account team: 100 credits, QUEUE_AND_WAIT\nat 0s    first asks 80 credits of team\n";

  test("is told with what was decided below each act; another decision in the file is no match", async () => {
    const told = await tellTranscript(block);
    expect(told.split("\n")[2]).toBe(
      "         -> team/first: granted in full: 80 credits, out of team under QUEUE_AND_WAIT (its own)",
    );
    expect(await tellTranscript(told)).toBe(told);
    const wrong = told.replace("80 credits, out", "8 credits, out");
    expect(await tellTranscript(wrong)).not.toBe(wrong);
  });

  test.each([
    "at 0s first wants something",
    "at noon first ends",
    "account team: 3 wishes",
    "at 0s first asks 1 credit of team, soon",
  ])("says it when it is not understood: %s", (line) => {
    expect(() => parseTranscript(line)).toThrow("no scenario says it so");
  });
});
