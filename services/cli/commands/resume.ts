/** `bursar resume`: lets a paused run go on. */
import type { ResumeOptions } from "../tree/resume.ts";
import { act, addCommand, type CommandHost } from "./command.ts";

export function addResume(host: CommandHost): void {
  addCommand(host, {
    usage: "resume <id|path>",
    summary: "let a paused run go on, with what its pause took",
    examples: [["bursar resume research/survey", "it goes on where it was, if what it gave back is free again"]],
  }).action(
    act<ResumeOptions>(host, async ([wanted = ""], options, session) => {
      const { resume } = await import("../tree/resume.ts");
      return resume(wanted, options, session);
    }),
  );
}
