/** The command `bursar`: what it takes from its surroundings (environment, signals) and how it ends. */
import { createTelemetry } from "#telemetry";
import { systemClock, systemIds } from "#tier";
import { runProgram } from "./program.ts";
import { systemTerminal } from "./terminal.ts";

const { env } = process;
// https://no-color.org: any value that is not empty.
const colour = (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb";
const terminal = systemTerminal({ colour });
const [first, second] = [new AbortController(), new AbortController()];

let presses = 0;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    presses += 1;
    if (presses === 1) first.abort();
    else if (presses === 2) second.abort();
    else process.exit(130);
  });
}

const telemetry = await createTelemetry({
  serviceName: "bursar-cli",
  environment: env,
  clock: systemClock,
  onExportError: (error) => terminal.note(`traces could not be exported: ${error.message}`),
});

process.exitCode = await runProgram(process.argv.slice(2), {
  terminal,
  clock: systemClock,
  ids: systemIds,
  telemetry,
  interrupts: { first: first.signal, second: second.signal },
  calledAs: env.npm_lifecycle_event === undefined ? "bursar" : "npm run bursar --",
});
await telemetry.shutdown();
