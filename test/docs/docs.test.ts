/** The words against the code: what the documents say about options, exit codes, bounds and books is what the code does. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { EXIT as DAEMON_EXIT, usageText } from "#daemon";
import { TIERS } from "#errors";
import { LIMITS } from "#std";
import { EXIT_MEANINGS } from "../../services/cli/exit-code.ts";
import { callsExample, doubtExample } from "./books-example.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

const adrFiles = readdirSync(join(root, "docs/adr")).filter((name) => /^\d/.test(name));
const documents = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(root, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
  "docs/adr/README.md",
  ...adrFiles.map((name) => `docs/adr/${name}`),
];

/** The text between a heading of any level and the next one. */
function section(path: string, heading: string): string {
  const found = read(path)
    .split(/^#+ /m)
    .find((part) => part.startsWith(`${heading}\n`));
  if (found === undefined) throw new Error(`${path} has no heading "${heading}"`);
  return found;
}

/** How GitHub names a heading in an address. */
function anchorOf(heading: string): string {
  const words = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\- _]/gu, "");
  return words.trim().replaceAll(" ", "-");
}

/** Links in a document that lead to no file, or to no heading of one. */
function brokenLinks(path: string, text: string): string[] {
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? "");
  return targets.filter((target) => {
    if (/^https?:/.test(target)) return false;
    const [file = "", anchor] = target.split("#");
    const there = file === "" ? path : join(dirname(path), file);
    if (!existsSync(join(root, there))) return true;
    if (anchor === undefined) return false;
    const headings = [...read(there).matchAll(/^#+ (.+)$/gm)].map((match) => anchorOf(match[1] ?? ""));
    return !headings.includes(anchor);
  });
}

describe("links", () => {
  test.each(documents)("%s names only what is there", (path) => {
    expect(brokenLinks(path, read(path))).toEqual([]);
  });

  test("a link to nowhere is found", () => {
    const text =
      "[a](architecture.md#the-books) [b](nowhere.md) [c](architecture.md#no-such-heading) [d](../README.md)";
    expect(brokenLinks("docs/errors.md", text)).toEqual(["nowhere.md", "architecture.md#no-such-heading"]);
  });
});

describe("docs/adr", () => {
  test("is numbered without gaps, and its index names each page by its title", () => {
    expect(adrFiles.map((name) => Number(name.slice(0, 4)))).toEqual(adrFiles.map((_, index) => index + 1));
    const index = read("docs/adr/README.md");
    for (const name of adrFiles) {
      const title = /^# \d{4}: (.+)$/m.exec(read(`docs/adr/${name}`))?.[1];
      expect(index).toContain(`| [${name.slice(0, 4)}](${name}) | ${title} |`);
    }
  });

  test("has each dependency with its version", () => {
    const { dependencies, devDependencies, optionalDependencies } = JSON.parse(read("package.json"));
    const page = read("docs/adr/0009-dependencies.md").split("\n");
    const all: [string, string][] = Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies });
    const missing = all.filter(
      ([name, version]) => !page.some((row) => row.includes(`\`${name}\``) && row.includes(version)),
    );
    expect(all.length).toBeGreaterThan(10);
    expect(missing).toEqual([]);
  });

  test("has one page per decision", () => {
    const long = adrFiles.filter((name) => read(`docs/adr/${name}`).split("\n").length > 60);
    expect(long).toEqual([]);
  });
});

describe("docs/configuration.md", () => {
  const rows = section("docs/configuration.md", "The daemons")
    .split("\n")
    .filter((line) => line.startsWith("| `--"));
  const documented = rows.map((row) => {
    const [, option = "", tiers = ""] = row.split("|").map((cell) => cell.trim());
    return { option: option.replaceAll("`", ""), tiers };
  });

  test.each(TIERS)("has every option of %s and no other", (tier) => {
    const known = [...usageText(tier).matchAll(/^ {2}(--\S+(?: [A-Z:]+)?) /gm)].map((match) => match[1]?.trim());
    const told = documented.filter(({ tiers }) => tiers === "all" || tiers.includes(tier)).map(({ option }) => option);
    expect(told.filter((option) => option !== "--help").sort()).toEqual([...known].sort());
  });

  test("has the daemons' exit codes", () => {
    const codes = [...section("docs/configuration.md", "The daemons").matchAll(/^\| (\d+) \|/gm)].map((m) =>
      Number(m[1]),
    );
    expect(codes).toEqual(Object.values(DAEMON_EXIT));
  });

  test("names the variables of tracing that the code reads", () => {
    const text = section("docs/configuration.md", "Tracing");
    const code = read("shared/telemetry/settings.ts");
    const inCode = new Set([...code.matchAll(/"(OTEL_[A-Z_]+)"/g)].map((match) => match[1] ?? ""));
    const missing = [...inCode].filter((name) => !text.includes(`\`${name}\``) && !name.endsWith("PROTOCOL"));
    expect(inCode.size).toBeGreaterThan(5);
    expect(missing).toEqual([]);
  });
});

describe("README.md", () => {
  test("has the exit codes of the command", () => {
    const text = section("README.md", "Configuration");
    const rows = text.split("\n").filter((line) => /^\| \d/.test(line));
    expect(rows).toEqual(EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${meaning} |`));
  });

  test("quotes the worked client as it is", () => {
    const quoted = /```ts\n([\s\S]*?)```/.exec(read("README.md"))?.[1]?.split("\n") ?? [];
    const client = read("examples/client.ts");
    const lines = quoted.map((line) => line.trim()).filter((line) => line !== "" && !line.includes("…"));
    expect(lines.length).toBeGreaterThan(4);
    expect(lines.filter((line) => !client.includes(line))).toEqual([]);
  });
});

describe("docs/architecture.md", () => {
  const text = read("docs/architecture.md");

  test("works out the books as the engine does", () => {
    const rows = text.split("\n").filter((line) => / \| (?:swarm|run|step) \| \d/.test(line));
    expect(rows).toEqual([...callsExample(), ...doubtExample()]);
  });

  test.each([
    [`at most ${LIMITS.commandQueueMax.toLocaleString("en")} commands`],
    [`at most every ${LIMITS.usageReportIntervalMs} ms`],
    [`under a lease of ${LIMITS.leaseTtlMs / 1_000} s`],
    [`adds ${LIMITS.leaseMarginMs / 1_000} s`],
    [`(${LIMITS.redialDelayFirstMs} ms to ${LIMITS.redialDelayMaxMs / 1_000} s)`],
    [`(${LIMITS.holdTtlMs / 1_000} s unless the reserve says otherwise`],
    [`after ${LIMITS.codeGraceMs / 1_000} s SIGKILL`],
    [`each ${LIMITS.drainGraceMs / 1_000} s at most`],
    [
      `messages (${LIMITS.messageBytesMax / 2 ** 20} MiB), items in a message (${LIMITS.streamItemsMax.toLocaleString("en")})`,
    ],
    [`depth of the tree (${LIMITS.treeDepthMax})`],
  ])("tells the bounds of the code: %s", (words) => {
    expect(text.replaceAll(/\s+/g, " ")).toContain(words);
  });
});
