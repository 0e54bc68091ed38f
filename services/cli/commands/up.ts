/** `bursar up`: a mesh on this machine. */
import { PORT_BASE, PORT_BASE_MAX } from "../mesh/mesh-plan.ts";
import type { StartOptions, UpOptions } from "../up/up-options.ts";
import { act, addCommand, type CommandHost, refuseAddress } from "./command.ts";
import { notEmpty, wholeNumber } from "./option-values.ts";

const portBase = wholeNumber({ min: 0, max: PORT_BASE_MAX });

export function addUp(host: CommandHost): void {
  addCommand(host, {
    usage: "up",
    summary: "start all three daemons here and keep them running until Ctrl-C",
    examples: [
      ["bursar up", "on the usual ports, state in ./.bursar"],
      ["bursar up --accounts accounts.yaml --prices prices.yaml", "with your own accounts and prices"],
      ["bursar up --state /tmp/try --port-base 0", "a second mesh beside the first, on free ports"],
    ],
  })
    .option("--accounts <file>", "accounts to apply at start (examples/accounts.yaml shows the form)", notEmpty)
    .option("--prices <file>", "what tools and code cost (examples/prices.yaml shows the form)", notEmpty)
    .option(
      "--port-base <n>",
      "port of coordination; process takes n + 10, execution n + 20; 0: free ports",
      portBase,
      PORT_BASE,
    )
    .option("--verbose", "show everything the daemons log, not warnings alone")
    .action(
      act<UpOptions>(host, async (_, options, session) => {
        refuseAddress(options, "up");
        const { up } = await import("../up/up.ts");
        return up(options, session);
      }),
    );
}

export function addStart(host: CommandHost): void {
  addCommand(host, {
    usage: "start",
    summary: "start a mesh, run the example swarm on it and show its report (what npm start does)",
    examples: [
      ["npm start", "watch it; on a terminal the mesh stays up afterwards"],
      ["npm start -- --report report.json", "also keep the report"],
      ["bursar start --once", "end the mesh after the report, on a terminal too"],
    ],
  })
    .option("--report <file>", "write the report as JSON to this file (docs/report.md)", notEmpty)
    .option("--port-base <n>", "as for up (default: the usual ports, or free ones when they are taken)", portBase)
    .option("--once", "end the mesh after the report, on a terminal too")
    .option("--verbose", "show everything the daemons log, not warnings alone")
    .action(
      act<StartOptions>(host, async (_, options, session) => {
        refuseAddress(options, "start");
        const { start } = await import("../up/start.ts");
        return start(options, session);
      }),
    );
}
