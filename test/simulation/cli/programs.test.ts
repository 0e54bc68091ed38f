import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [`${FOLDER}${program}`, ...args], {
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("the programs of the simulation", () => {
  it("simulate one seed: the same hash each time, in another process too", () => {
    const [first, again] = [
      run("main.ts", "--seed", "3", "--steps", "40"),
      run("main.ts", "--seed", "3", "--steps", "40"),
    ];
    expect(first.status).toBe(0);
    const hash = /hash ([0-9a-f]{16})/.exec(first.stdout)?.[1];
    expect(hash).toBeDefined();
    expect(again.stdout).toContain(`hash ${hash}`);
  }, 60_000);

  it("answer a wrong command line with the usage and 2", () => {
    for (const program of ["main.ts", "soak.ts", "mutants/main.ts"]) {
      const { status, stdout, stderr } = run(program, "--nonsense");
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toContain("usage: npm run simulate");
    }
  }, 60_000);
});
