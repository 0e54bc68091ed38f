import { expect, test } from "vitest";
import { repositoryFiles } from "./repository.ts";
import { findings } from "./rules.ts";

test("the repository keeps every law", () => {
  const files = repositoryFiles();
  expect(files.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["bootstrap.mjs", "shared/std/limits.ts", "README.md", ".ci/run"]),
  );
  expect(findings(files).join("\n")).toBe("");
});
