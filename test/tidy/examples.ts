/** For each rule what breaks it, and the lawful neighbours of the same thing. */
import { IMPORT_LAW_EXAMPLES } from "./import-law-examples.ts";
import type { SourceFile } from "./source.ts";

export interface Example {
  readonly rule: string;
  readonly path: string;
  /** Each breaks the rule when it is the file's whole text. */
  readonly broken: readonly string[];
  /** Each is lawful. */
  readonly kept?: readonly string[];
  /** Other places where the broken texts are lawful. */
  readonly lawfulIn?: readonly string[];
  /** Files beside it. */
  readonly beside?: readonly SourceFile[];
}

const lines = (count: number, line = "x();"): string => Array.from({ length: count }, () => line).join("\n");

export const EXAMPLES: readonly Example[] = [
  ...IMPORT_LAW_EXAMPLES,
  {
    rule: "imports are literal",
    path: "shared/rpc/server.ts",
    broken: [`await import(name);`, "await import(`./${name}.ts`);"],
    kept: [`await import("./x.ts");`, `import.meta.dirname;`],
    lawfulIn: ["test/conformance/run.ts"],
  },
  {
    rule: "explicit exports",
    path: "shared/std/index.ts",
    broken: [`export * from "./assert.ts";`, `export type * from "./x.ts";`, `export * as std from "./x.ts";`],
    kept: [`export { assert } from "./assert.ts";`, `// export * is not done`],
  },
  {
    rule: "no cycles",
    path: "shared/budget/a.ts",
    broken: [`import { b } from "./b.ts";`, `import type { B } from "./b.ts";`, `export { b } from "./b.ts";`],
    kept: [`export const a = 1;`],
    beside: [
      { path: "shared/budget/b.ts", text: `import { c } from "./c.ts";` },
      { path: "shared/budget/c.ts", text: `import { a } from "./a.ts";` },
    ],
  },
  {
    rule: "no cycles",
    path: "shared/budget/index.ts",
    broken: [`export { tree } from "./tree.ts";`],
    beside: [{ path: "shared/budget/tree.ts", text: `import { tree } from "./index.ts";` }],
  },
  {
    rule: "one place: environment",
    path: "services/process/config.ts",
    broken: [`const { PORT } = process.env;`, `const { env } = process;`, "const port = `${process.env.PORT}`;"],
    kept: [`const text = "process.env";`, `/** Reads process.env in main. */`, `child.env;`],
    lawfulIn: [
      "services/process/main.ts",
      "services/cli/bin.js",
      "bootstrap.mjs",
      "test/e2e/mesh.ts",
      "shared/std/x.test.ts",
    ],
  },
  {
    rule: "one place: exit",
    path: "services/cli/run.ts",
    broken: [`process.exit(1);`, `process.exitCode = 1;`, `process.abort();`],
    kept: [`child.exitCode;`, `process.kill(-pid, "SIGTERM");`],
    lawfulIn: ["services/cli/main.ts"],
  },
  {
    rule: "one place: clock",
    path: "shared/tier/loop.ts",
    broken: [`Date.now();`, `performance.now();`, `new Date();`, `const d = new Date;`, `process.hrtime.bigint();`],
    kept: [`new Date(clock.wallMs());`, `clock.monotonicMs();`],
    lawfulIn: ["shared/tier/system-clock.ts", "test/bench/main.ts"],
  },
  {
    rule: "one place: timers",
    path: "services/execution/code.ts",
    broken: [
      `setTimeout(stop, 5);`,
      `globalThis.setTimeout(stop, 5);`,
      `const t = setInterval(tick, 5);`,
      `setImmediate(go);`,
      `queueMicrotask(go);`,
      `const later = setTimeout;`,
      `AbortSignal.timeout(5);`,
    ],
    kept: [`socket.setTimeout(5);`, `clock.after(5, stop);`, `// setTimeout(stop)`],
    lawfulIn: ["shared/tier/system-clock.ts"],
  },
  {
    rule: "one place: chance",
    path: "shared/tier/loop.ts",
    broken: [`Math.random();`, `crypto.randomUUID();`, `randomBytes(16);`, `crypto.getRandomValues(bytes);`],
    kept: [`prng.next();`],
    lawfulIn: ["shared/tier/system-ids.ts"],
  },
  {
    rule: "one place: terminal",
    path: "services/coordination/daemon.ts",
    broken: [`console.log("up");`, `process.stdout.write("up");`, `process.stderr.isTTY;`],
    kept: [`child.stdout.on("data", take);`, `log.warn("x");`],
    lawfulIn: ["services/cli/terminal.ts"],
  },
  {
    rule: "one place: modules",
    path: "services/coordination/daemon.ts",
    broken: [
      `import pino from "pino";`,
      `import { env } from "node:process";`,
      `import { setTimeout as after } from "node:timers/promises";`,
      `import { Console } from "node:console";`,
    ],
    kept: [`import type { Logger } from "pino";`],
  },
  {
    rule: "one place: modules",
    path: "services/coordination/main.ts",
    broken: [`import "node:timers";`],
    kept: [`import pino from "pino";`],
  },
  {
    rule: "pure engine",
    path: "shared/budget/decide.ts",
    broken: [
      `async function decide() {}`,
      `function decide(): Promise<void> {}`,
      `parseFloat(x);`,
      `new Date(5);`,
      `const share = limit * 0.5;`,
      `x.toFixed(2);`,
    ],
    kept: [`const half = limit / 2n;`, `const range = [0, 5];`, `// 0.5 of it`, `const big = 1_000_000;`],
    lawfulIn: ["shared/budget/decide.test.ts", "shared/tier/loop.ts"],
  },
  {
    rule: "file length",
    path: "shared/std/long.ts",
    broken: [lines(401)],
    kept: [lines(400)],
    lawfulIn: ["README.md", "shared/gen/bursar/v1/x_pb.js"],
  },
  {
    rule: "function length",
    path: "shared/std/long.ts",
    broken: [
      `function f() {\n${lines(68)}\n}`,
      `const f = (a: number): Promise<Map<string, number>> => {\n${lines(68)}\n};`,
      `const f = a => {\n${lines(68)}\n};`,
      `class C {\n  async m(a: { b: number }): Promise<{ a: 1 }> {\n${lines(68)}\n}\n}`,
      `function f(): () => void {\n${lines(68)}\n}`,
      `function f(x: unknown): x is string {\n${lines(68)}\n}`,
      `function outer() {\n  const inner = () => {\n${lines(68)}\n  };\n}`,
    ],
    kept: [
      `function f() {\n${lines(67)}\n}`,
      `interface I {\n  f(a: number): Promise<{ a: 1 }>;\n${lines(80, "  a: 1;")}\n}`,
      `const table = {\n${lines(80, "  a: 1,")}\n};`,
      `switch (x) {\n${lines(80, "case 1:")}\n}`,
      `for await (const x of xs) {\n${lines(80)}\n}`,
      `const x = f(1) ? g(2) : {\n${lines(80, "  a: 1,")}\n};`,
      `class C {\n  a(): void {}\n${lines(80, "  b = 1;")}\n}`,
    ],
    lawfulIn: ["shared/std/long.test.ts"],
  },
  {
    rule: "notes to oneself",
    path: "shared/std/x.ts",
    broken: ["// TODO: later", "/* FIXME */", "x(); // XXX"],
    kept: [`// mktemp bursar.XXXXXX`, `const todo = 1;`],
  },
  { rule: "notes to oneself", path: "README.md", broken: ["TODO: write this"] },
  {
    rule: "no test left out",
    path: "shared/std/x.test.ts",
    broken: [
      `it.only("x", f);`,
      `describe.skip("x", f);`,
      `test.concurrent.only("x", f);`,
      `test.todo("x");`,
      `it.skip.each([1])("x", f);`,
    ],
    kept: [`it.skipIf(noRedis)("x", f);`, `test("says .only(", f);`, `iterator.skip(1);`],
  },
  { rule: "no debugger", path: "test/e2e/x.test.ts", broken: ["debugger;"], kept: [`x.debugger;`, `// the debugger`] },
  {
    rule: "no muted checks",
    path: "shared/std/x.test.ts",
    broken: ["// @ts-ignore", "/* @ts-expect-error not yet */", "// @ts-nocheck"],
    kept: ["// biome-ignore lint/x: reason"],
  },
  {
    rule: "no any",
    path: "shared/rpc/x.ts",
    broken: [
      `let x: any;`,
      `f(x as any);`,
      `const m = new Map<string, any>();`,
      `type A = any[];`,
      `function f(...a: any[]): any {}`,
    ],
    kept: [`Promise.any([a]);`, `AbortSignal.any([a]);`, `// any of them`, `const company = 1;`],
  },
  {
    rule: "no sleeping tests",
    path: "test/e2e/x.test.ts",
    broken: [
      `await new Promise((resolve) => setTimeout(resolve, 50));`,
      `await new Promise((r) => { setTimeout(r, 50); });`,
      `await sleep(50);`,
      `await delay(1);`,
    ],
    kept: [`await vi.waitFor(() => expect(x).toBe(1));`, `const guard = setTimeout(() => child.kill(), 5_000);`],
  },
  {
    rule: "no default at the point of use",
    path: "services/process/daemon.ts",
    broken: [
      `const ms = options.ms ?? 5000;`,
      `ms ??= 250;`,
      `const x = y ?? 1_000n;`,
      `const x = y ?? 0.5;`,
      `x ?? 10;`,
    ],
    kept: [`count ?? 0;`, `count ?? 1;`, `total ?? 0n;`, `ms ?? LIMITS.graceMs;`],
    lawfulIn: ["services/process/config.ts", "shared/std/limits.ts", "services/process/daemon.test.ts"],
  },
  {
    rule: "no private paths",
    path: "docs/architecture.md",
    broken: ["cd /home/me/bursar", `see /home/me/x`, `/Users/me/x`],
    kept: ["https://example.com/home/x", "./home/x", "~/root/x"],
  },
  {
    rule: "no registry hosts",
    path: "package-lock.json",
    broken: [`"resolved": "https://npm-registry.example.com/yaml"`, `https://packages.nexus.example.com/x`],
    kept: [`"url": "https://opencollective.com/biome"`, "npm config get registry"],
  },
  {
    rule: "telling names",
    path: "shared/std/x.ts",
    broken: [
      `export class LeaseManager {}`,
      `function parseData() {}`,
      `const grantHelper = (x: number): number => x;`,
      `interface SwarmInfo extends Swarm {}`,
      `type CallUtils = { a: 1 };`,
    ],
    kept: [
      `export class TierResourceManager {}`,
      `const data = read();`,
      `type Details = ErrorInfo;`,
      `function toErrorInfo() {}`,
      `const retryInfo = (x: number) => x;`,
      `function metadataOf() {}`,
    ],
  },
  { rule: "telling names", path: "shared/std/utils.ts", broken: ["x();"], lawfulIn: ["shared/std/queue.ts"] },
  { rule: "telling names", path: "services/cli/grant-helper.ts", broken: ["x();"] },
  { rule: "telling names", path: "shared/helpers/grant.ts", broken: ["x();"] },
  {
    rule: "opens with its job",
    path: "shared/std/x.ts",
    broken: [`import { a } from "./a.ts";\n/** Late. */`, ""],
    kept: ["/** Its job. */\nx();", "#!/usr/bin/env node\n/** Its job. */", "// Its job."],
    lawfulIn: ["shared/std/x.test.ts"],
  },
];
