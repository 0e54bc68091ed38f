/** Starts the execution daemon: environment, log and exit; everything else is below. */
import pino from "pino";
import { runDaemon } from "#daemon";
import { buildExecution } from "./daemon.ts";

await runDaemon({
  tier: "execution",
  argv: process.argv.slice(2),
  environment: process.env,
  createLog: (level) => pino({ level, base: { tier: "execution" } }, pino.destination({ dest: 2, sync: true })),
  exit: (code) => process.exit(code),
  build: (base) => buildExecution(base, process.env),
});
