/** `bursar export`: the ledger as JSON lines. */
import type { CommonOptions } from "../session.ts";
import { act, addCommand, type CommandHost } from "./command.ts";

export function addExport(host: CommandHost): void {
  addCommand(host, {
    usage: "export <journal>",
    summary: "write the ledger of a journal as JSON lines, for audit; its daemon must not run",
    examples: [
      ["bursar export .bursar/coordination.sqlite > ledger.jsonl", "everything since the latest snapshot, and that"],
    ],
  }).action(
    act<CommonOptions>(host, async ([path = ""], options, session) => {
      const { exportJournal } = await import("../journal/export.ts");
      return exportJournal(path, options, session);
    }),
  );
}
