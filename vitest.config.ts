/** How the tests run: everything named *.test.ts, two workers (daemons of the end-to-end tests share the machine with them). */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["shared/**/*.test.ts", "services/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "shared/gen/**", "test/bench/**"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    maxWorkers: 2,
    reporters: ["default", "./test/reporter.ts"],
  },
});
