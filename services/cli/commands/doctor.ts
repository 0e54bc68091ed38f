/** `bursar doctor`: is a journal sound, and do its books balance? */
import type { CommonOptions } from "../session.ts";
import { act, addCommand, type CommandHost } from "./command.ts";

export function addDoctor(host: CommandHost): void {
  addCommand(host, {
    usage: "doctor [journal...]",
    summary: "examine journals and their books while their daemons do not run; nothing is changed",
    examples: [
      ["bursar doctor", "the journals in the state folder, and how they fit each other"],
      ["bursar doctor coordination.sqlite", "one journal; its -wal must lie beside it"],
    ],
  }).action(
    act<CommonOptions>(host, async (paths, options, session) => {
      const { doctor } = await import("../journal/doctor.ts");
      return doctor(paths, options, session);
    }),
  );
}
