/** Starts the coordination daemon: environment, log and exit; everything else is below. */
import pino from "pino";
import { runDaemon } from "#daemon";
import { buildCoordination } from "./daemon.ts";

await runDaemon({
  tier: "coordination",
  argv: process.argv.slice(2),
  environment: process.env,
  createLog: (level) => pino({ level, base: { tier: "coordination" } }, pino.destination({ dest: 2, sync: true })),
  exit: (code) => process.exit(code),
  build: buildCoordination,
});
