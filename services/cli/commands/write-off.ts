/** `bursar write-off`: a person's decision about what is in doubt. */
import type { WriteOffOptions } from "../tree/write-off.ts";
import { act, addCommand, type CommandHost } from "./command.ts";
import { notEmpty } from "./option-values.ts";

export function addWriteOff(host: CommandHost): void {
  addCommand(host, {
    usage: "write-off <id|path>",
    summary: "count what is in doubt at a silent daemon as spent, and close the run or step",
    examples: [
      ["bursar write-off research/survey --reason 'host 7 is gone'", "a run whose daemon does not come back"],
      ["bursar write-off 0198c7a2-… --reason 'disk lost'", "a run or step by id"],
    ],
  })
    .requiredOption("--reason <text>", "who decided, and why; kept in the journal", notEmpty)
    .action(
      act<WriteOffOptions>(host, async ([wanted = ""], options, session) => {
        const { writeOff } = await import("../tree/write-off.ts");
        return writeOff(wanted, options, session);
      }),
    );
}
