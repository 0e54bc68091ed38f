/** Powers that are each legal in one named place: the environment, the end of the process, time, chance, the terminal. */
import { importsOf } from "./imports.ts";
import { codeOf, findAll, isCode, isLauncher, isTest, type Rule } from "./source.ts";

interface Power {
  readonly name: string;
  /** Over code with comments and strings blanked. */
  readonly pattern: RegExp;
  readonly legalIn: RegExp;
  readonly instead: string;
}

const MAIN = /^services\/[^/]+\/main\.ts$/;
const CLOCK = /^shared\/tier\/system-clock\.ts$/;
const IDS = /^shared\/tier\/system-ids\.ts$/;
const TERMINAL = /^services\/cli\/terminal\.ts$/;

/** Not a property of something else (`socket.setTimeout` is another thing), except of the global object. */
const free = (names: string): RegExp =>
  new RegExp(`(?<!(?<!\\bglobalThis|\\bglobal)\\.|[\\w$])(?:${names})\\b(?!\\s*\\??:)`, "g");

const POWERS: readonly Power[] = [
  {
    name: "environment",
    pattern: /\bprocess\??\.env\b|\}\s*=\s*process\b/g,
    legalIn: MAIN,
    instead: "read the environment once in the service's main.ts and pass the parsed configuration in",
  },
  {
    name: "exit",
    pattern: /\bprocess\??\.(?:exit|exitCode|abort)\b/g,
    legalIn: MAIN,
    instead: "return or throw up to the service's main.ts, the one place that ends the process",
  },
  {
    name: "clock",
    pattern: /\bDate\.now\b|\bperformance\.now\b|\bnew\s+Date\s*(?:\(\s*\)|(?!\s*\())|\bprocess\.(?:hrtime|uptime)\b/g,
    legalIn: CLOCK,
    instead: "take the time as an argument, or a Clock from #ports (shared/tier/system-clock.ts is the real one)",
  },
  {
    name: "timers",
    pattern: new RegExp(
      `${free("setTimeout|setInterval|setImmediate|queueMicrotask").source}|\\bAbortSignal\\.timeout\\b`,
      "g",
    ),
    legalIn: CLOCK,
    instead: "use Clock.after or Clock.soon from #ports, so that tests and the simulation own the time",
  },
  {
    name: "chance",
    pattern:
      /\bMath\.random\b|\b(?:randomUUID|randomUUIDv7|randomBytes|randomInt|randomFill|randomFillSync|getRandomValues)\b/g,
    legalIn: IDS,
    instead:
      "take an IdSource from #ports, or the seeded generator of #std (shared/tier/system-ids.ts is the real source)",
  },
  {
    name: "terminal",
    pattern: /(?<![\w$.])console\s*\.|\bprocess\??\.(?:stdout|stderr)\b/g,
    legalIn: TERMINAL,
    instead: "in a daemon log through the logger that main.ts made; in the CLI write through services/cli/terminal.ts",
  },
];

function powerRule({ name, pattern, legalIn, instead }: Power): Rule {
  return {
    name: `one place: ${name}`,
    check(file) {
      const { path } = file;
      if (!isCode(path) || isTest(path) || isLauncher(path) || path.startsWith("examples/") || legalIn.test(path))
        return [];
      return findAll(file, codeOf(file), pattern, ([found]) => `${found.trim()} is not legal here: ${instead}`);
    },
  };
}

/** Modules whose import is as good as the use of a power. */
const POWERFUL_MODULES: readonly { readonly module: string; readonly legalIn: RegExp; readonly instead: string }[] = [
  { module: "node:timers", legalIn: CLOCK, instead: "use Clock from #ports" },
  { module: "node:timers/promises", legalIn: CLOCK, instead: "use Clock from #ports" },
  {
    module: "node:process",
    legalIn: MAIN,
    instead: "the environment and the exit belong to main.ts; use the global process for the rest",
  },
  { module: "node:console", legalIn: TERMINAL, instead: "log through the logger that main.ts made" },
  {
    module: "pino",
    legalIn: MAIN,
    instead: "main.ts makes the logger; take it as an argument (`import type` is fine)",
  },
];

export const powerfulModules: Rule = {
  name: "one place: modules",
  check(file) {
    const { path } = file;
    if (!isCode(path) || isTest(path) || isLauncher(path) || path.startsWith("examples/")) return [];
    return importsOf(file).flatMap(({ specifier, line, typeOnly }) => {
      const power = typeOnly ? undefined : POWERFUL_MODULES.find(({ module }) => module === specifier);
      if (power === undefined || power.legalIn.test(path)) return [];
      return [{ path, line, message: `${power.module} may not be imported here: ${power.instead}` }];
    });
  },
};

const ENGINE_BANS: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  {
    pattern: /\bPromise\b|\basync\b|\bawait\b/g,
    message:
      "the engine is synchronous: decide and return what should happen, the loop in shared/tier does the waiting",
  },
  {
    pattern: /\bDate\b|\bperformance\b|\bprocess\b/g,
    message: "the engine has no clock and no surroundings: each command carries its time",
  },
  {
    pattern: /\bparseFloat\b|\.toFixed\b|(?<![\w.$])\d[\d_]*\.\d|(?<![\w$])\d[\d_]*e-\d/g,
    message: "no fractions near a balance: keep integers, and a ratio as two of them (amount.ts does the arithmetic)",
  },
];

export const pureEngine: Rule = {
  name: "pure engine",
  check(file) {
    if (!file.path.startsWith("shared/budget/") || !isCode(file.path) || isTest(file.path)) return [];
    return ENGINE_BANS.flatMap(({ pattern, message }) =>
      findAll(file, codeOf(file), pattern, ([found]) => `${found}: ${message}`),
    );
  },
};

export const placeRules: readonly Rule[] = [...POWERS.map(powerRule), powerfulModules, pureEngine];
