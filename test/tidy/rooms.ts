/** The import law: who may import whom (CONTRIBUTING.md, "The rooms"). */
import { importsOf, targetOf } from "./imports.ts";
import { codeOf, type Finding, findAll, isCode, isLauncher, isTest, type Rule, type SourceFile } from "./source.ts";

interface Law {
  /** Rooms it may import. */
  readonly rooms: readonly string[];
  /** Packages and built-in modules it may import; a trailing `*` stands for anything. */
  readonly outside: readonly string[];
}

/** Every room below shared/; what is not said here is not allowed. */
const SHARED: Readonly<Record<string, Law>> = {
  std: { rooms: [], outside: [] },
  budget: { rooms: ["std"], outside: [] },
  errors: { rooms: ["std"], outside: [] },
  ports: { rooms: ["budget", "errors", "std"], outside: [] },
  codec: { rooms: ["gen", "budget", "errors", "ports", "std"], outside: ["@bufbuild/protobuf*", "yaml"] },
  tier: { rooms: ["ports", "budget", "errors", "std"], outside: ["node:crypto", "node:perf_hooks"] },
  journal: {
    rooms: ["ports", "codec", "budget", "std"],
    outside: ["node:sqlite", "node:fs", "node:path", "node:zlib", "node:crypto", "node:worker_threads"],
  },
  rpc: {
    rooms: ["gen", "codec", "ports", "errors", "std"],
    outside: ["@grpc/*", "grpc-health-check", "@bufbuild/protobuf*", "node:*"],
  },
  telemetry: { rooms: ["ports", "std"], outside: ["@opentelemetry/*"] },
  daemon: {
    rooms: ["tier", "journal", "rpc", "telemetry", "gen", "codec", "ports", "budget", "errors", "std"],
    outside: ["node:*", "@bufbuild/protobuf*"],
  },
};

/** A service may enter every shared room; grpc-js and OpenTelemetry are behind rpc and telemetry. */
const SERVICE: Law = {
  rooms: [...Object.keys(SHARED), "gen"],
  outside: ["node:*", "@bufbuild/protobuf*", "commander", "pino", "yaml"],
};

/** The room that a path lies in: `std`, `services/cli`, `test`, `examples`, or `ground` for the top folder. */
export function roomOf(path: string): string {
  const [top = "", second = "", third] = path.split("/");
  if (second === "") return "ground";
  if (top === "shared") return third === undefined ? "shared" : second;
  if (top === "services") return third === undefined ? "services" : `services/${second}`;
  return top;
}

function lawOf(room: string): Law | undefined {
  return room.startsWith("services/") ? SERVICE : SHARED[room];
}

const allows = (law: Law, name: string): boolean =>
  law.outside.some((entry) => (entry.endsWith("*") ? name.startsWith(entry.slice(0, -1)) : name === entry));

/** Shipped TypeScript: what the law of the rooms is about. */
const underLaw = (path: string): boolean => isCode(path) && !isTest(path) && !isLauncher(path);

/** Says why `file` may not import `specifier`, or nothing. */
function violation(file: SourceFile, room: string, law: Law, specifier: string): string | undefined {
  const target = targetOf(file.path, specifier);
  if (target === undefined) {
    if (allows(law, specifier)) return undefined;
    const may = law.outside.length === 0 ? "nothing from outside" : law.outside.join(", ");
    return `${room} may not import ${specifier}, only ${may}: move this into the room that may, or pass it in as an argument`;
  }
  const there = roomOf(target);
  if (isTest(target)) return `shipped code may not import tests (${specifier}): move what is shared into a room`;
  if (there === room) {
    return specifier.startsWith("#") ? `inside ${room} import the file itself ("./x.ts"), not ${specifier}` : undefined;
  }
  if (room.startsWith("services/") && there.startsWith("services/")) {
    return `services never import each other (${specifier}): they meet in proto/; move what both need into a room below shared/`;
  }
  if (!law.rooms.includes(there)) {
    const may = law.rooms.length === 0 ? "nothing" : law.rooms.join(", ");
    return `${room} may not import ${there} (${specifier}), only ${may}: invert the dependency with an interface in ports, or move the code`;
  }
  if (specifier.startsWith(".") || !(there === "gen" || specifier === `#${there}`)) {
    return `enter ${there} by "#${there}${there === "gen" ? "/…" : ""}", not by ${specifier}: export what you need from its index.ts`;
  }
  return undefined;
}

export const importLaw: Rule = {
  name: "import law",
  check(file) {
    if (!underLaw(file.path)) return [];
    const room = roomOf(file.path);
    if (room === "examples" || room === "ground") return [];
    const law = lawOf(room);
    if (law === undefined) {
      const message = `no room is named ${room}: put the file into one of the rooms of CONTRIBUTING.md, or give the new room its law in test/tidy/rooms.ts`;
      return [{ path: file.path, line: 1, message }];
    }
    return importsOf(file).flatMap(({ specifier, line }) => {
      if (specifier === undefined) return [];
      const message = violation(file, room, law, specifier);
      return message === undefined ? [] : [{ path: file.path, line, message }];
    });
  },
};

export const literalImports: Rule = {
  name: "imports are literal",
  check(file) {
    if (!underLaw(file.path)) return [];
    const message = "an import with a computed target escapes the import law: write the target as a string";
    return importsOf(file)
      .filter(({ specifier }) => specifier === undefined)
      .map(({ line }) => ({ path: file.path, line, message }));
  },
};

export const explicitExports: Rule = {
  name: "explicit exports",
  check(file) {
    if (!isCode(file.path)) return [];
    const message = "`export *` hides what a room offers: name each export";
    return findAll(file, codeOf(file), /\bexport\s+(?:type\s+)?\*/g, message);
  },
};

/** What `file` imports within the repository, as paths that exist in it. */
function edges(file: SourceFile, byPath: ReadonlyMap<string, SourceFile>): SourceFile[] {
  return importsOf(file).flatMap(({ specifier }) => {
    const target = specifier === undefined ? undefined : targetOf(file.path, specifier);
    const there = target === undefined ? undefined : byPath.get(target);
    return there === undefined ? [] : [there];
  });
}

/** The shortest way from `start` back to itself, or undefined. */
function wayBack(start: SourceFile, byPath: ReadonlyMap<string, SourceFile>): string[] | undefined {
  const cameFrom = new Map<SourceFile, SourceFile>();
  const queue = [start];
  for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
    for (const next of edges(at, byPath)) {
      if (next === start) {
        const way = [start.path];
        for (let step: SourceFile | undefined = at; step !== undefined; step = cameFrom.get(step))
          way.unshift(step.path);
        return way;
      }
      if (!cameFrom.has(next)) {
        cameFrom.set(next, at);
        queue.push(next);
      }
    }
  }
  return undefined;
}

export const noCycles: Rule = {
  name: "no cycles",
  check(file, all) {
    if (!underLaw(file.path)) return [];
    const byPath = new Map(all.filter(({ path }) => underLaw(path)).map((one) => [one.path, one]));
    const way = wayBack(file, byPath);
    // Each cycle is told once, at the first of its files.
    if (way === undefined || way.some((path) => path < file.path)) return [];
    const message = `imports go in a circle (${way.join(" → ")}): move what both ends need into a file of its own`;
    return [{ path: file.path, line: 1, message }] satisfies Finding[];
  },
};
