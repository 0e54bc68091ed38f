/** What breaks the import law, room by room, and what keeps it. */
import type { Example } from "./examples.ts";

export const IMPORT_LAW_EXAMPLES: readonly Example[] = [
  {
    rule: "import law",
    path: "shared/budget/tree.ts",
    broken: [
      `import { encode } from "#codec";`,
      `import type { Clock } from "#ports";`,
      `import { readFileSync } from "node:fs";`,
      `import { Allocation } from "#gen/bursar/v1/allocation_pb.js";`,
      `import { assert } from "../std/index.ts";`,
      `import { assert } from "../std/assert.ts";`,
      `import { amount } from "#budget";`,
      `import fc from "fast-check";`,
      `export { Journal } from "#journal";`,
      `const late = await import("#tier");`,
      `type T = import("#rpc").Server;`,
      `import { seeded } from "./seeded.test.ts";`,
      `import { double } from "./double.fixture.ts";`,
      `import {\n  one,\n  two,\n} from "#telemetry";`,
    ],
    kept: [
      `import { assert } from "#std";`,
      `import { amount } from "./amount.ts";`,
      `// import { encode } from "#codec";`,
      `const text = 'import { encode } from "#codec";';`,
    ],
    lawfulIn: [
      "shared/budget/tree.test.ts",
      "shared/budget/tree.fixture.ts",
      "shared/budget/fixtures/tree.ts",
      "test/scenarios/tree.ts",
    ],
  },
  {
    rule: "import law",
    path: "shared/std/queue.ts",
    broken: [`import { LIMITS } from "#budget";`, `import { x } from "node:util";`],
  },
  {
    rule: "import law",
    path: "shared/errors/severity.ts",
    broken: [
      `import { x } from "#budget";`,
      `import { x } from "#gen/bursar/v1/x_pb.js";`,
      `import { x } from "yaml";`,
    ],
    kept: [`import { x } from "#std";`],
  },
  {
    rule: "import law",
    path: "shared/ports/clock.ts",
    broken: [`import { x } from "#tier";`, `import { x } from "#codec";`, `import { x } from "node:fs";`],
    kept: [`import type { BudgetEvent } from "#budget";`],
  },
  {
    rule: "import law",
    path: "shared/codec/grant.ts",
    broken: [`import { x } from "#rpc";`, `import { x } from "#tier";`, `import { x } from "@grpc/grpc-js";`],
    kept: [`import { create } from "@bufbuild/protobuf";`, `import { x } from "#gen/bursar/v1/x_pb.js";`],
  },
  {
    rule: "import law",
    path: "shared/tier/loop.ts",
    broken: [
      `import { x } from "#codec";`,
      `import { x } from "#journal";`,
      `import { x } from "#gen/bursar/v1/x_pb.js";`,
    ],
    kept: [`import type { Journal } from "#ports";`],
  },
  {
    rule: "import law",
    path: "shared/journal/sqlite.ts",
    broken: [
      `import { x } from "#tier";`,
      `import { x } from "#gen/bursar/v1/record_pb.js";`,
      `import net from "node:net";`,
    ],
    kept: [`import { DatabaseSync } from "node:sqlite";`],
  },
  {
    rule: "import law",
    path: "shared/rpc/server.ts",
    broken: [`import { x } from "#budget";`, `import { trace } from "@opentelemetry/api";`],
    kept: [`import { Server } from "@grpc/grpc-js";`],
  },
  {
    rule: "import law",
    path: "shared/telemetry/otel.ts",
    broken: [`import { x } from "#rpc";`, `import { x } from "@grpc/grpc-js";`],
    kept: [`import { trace } from "@opentelemetry/api";`],
  },
  {
    rule: "import law",
    path: "services/process/handlers.ts",
    broken: [
      `import { x } from "../coordination/handlers.ts";`,
      `import { x } from "../../shared/tier/index.ts";`,
      `import { Server } from "@grpc/grpc-js";`,
      `import { vi } from "vitest";`,
      `import { x } from "../../test/scenarios/tree.ts";`,
    ],
    kept: [
      `import { x } from "./run-state-machine.ts";`,
      `import { x } from "#tier";`,
      `import { parse } from "yaml";`,
    ],
  },
  { rule: "import law", path: "services/shared-things.ts", broken: [`export const x = 1;`] },
  { rule: "import law", path: "shared/attic/x.ts", broken: [`export const x = 1;`] },
];
