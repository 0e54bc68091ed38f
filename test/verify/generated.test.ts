import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { differences } from "./generated.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-verify-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function tree(name: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, path, ".."), { recursive: true });
    writeFileSync(join(folder, name, path), text);
  }
  return join(folder, name);
}

test("equal trees do not differ", () => {
  expect(differences(tree("a", { "x/y.js": "1", z: "2" }), tree("b", { z: "2", "x/y.js": "1" }))).toEqual([]);
});

test("names what differs and what is on one side only", () => {
  const left = tree("a", { same: "1", "deep/changed": "1", "left-only": "1" });
  const right = tree("b", { same: "1", "deep/changed": "2", "right-only": "1" });
  expect(differences(left, right)).toEqual(["deep/changed", "left-only", "right-only"]);
});

test("a folder that is not there differs in every file", () => {
  expect(differences(join(folder, "none"), tree("b", { x: "1" }))).toEqual(["x"]);
});
