/** Starts the process daemon: environment, log and exit; everything else is below. */
import pino from "pino";
import { runDaemon } from "#daemon";
import { buildProcess } from "./daemon.ts";

await runDaemon({
  tier: "process",
  argv: process.argv.slice(2),
  environment: process.env,
  createLog: (level) => pino({ level, base: { tier: "process" } }, pino.destination({ dest: 2, sync: true })),
  exit: (code) => process.exit(code),
  build: buildProcess,
});
