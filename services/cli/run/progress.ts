/** Tells on stderr what happens in a run: lines for a person, or one JSON object a line (RunEvent in protobuf's JSON form). */
import { toJsonString } from "@bufbuild/protobuf";
import { type RunEvent, RunEventSchema } from "#gen/bursar/v1/run_pb.js";
import type { CommonOptions } from "../session.ts";
import type { Terminal } from "../terminal.ts";
import { eventLines } from "../view/event-lines.ts";
import { type Style, styleFor } from "../view/style.ts";
import type { RunRecord } from "./run-record.ts";

/** What a follower of a run is told. */
export type EventTaker = (event: RunEvent, record: RunRecord) => void;

export interface ProgressOptions extends Pick<CommonOptions, "json"> {
  readonly terminal: Terminal;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #style: Style;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#style = styleFor(options.terminal.stderr);
  }

  readonly take: EventTaker = (event, { beganAtMs, runPath, stepBeganAtMs }) => {
    const { terminal, json } = this.#options;
    if (json) {
      terminal.note(toJsonString(RunEventSchema, event, { useProtoFieldName: true }));
      return;
    }
    const lines = eventLines(event, { style: this.#style, beganAtMs, runPath, stepBeganAtMs });
    if (lines.length > 0) terminal.note(lines.join("\n"));
  };
}
