/** The scenario files beside this one. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const FOLDER = import.meta.dirname;

export function scenarioNames(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith(".md") && name !== "README.md")
    .sort();
}

export function readScenario(name: string): string {
  return readFileSync(join(FOLDER, name), "utf8");
}

export function writeScenario(name: string, text: string): void {
  writeFileSync(join(FOLDER, name), text);
}
