/** Tells on stderr what happens in a run: lines for a person, or one JSON object a line (RunEvent in protobuf's JSON form). */
import { toJsonString } from "@bufbuild/protobuf";
import { AllocationState, type AllocationView } from "#gen/bursar/v1/allocation_pb.js";
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
  /** The swarm as it stands now, for what its steps have used; undefined when it cannot be had. */
  readonly look: () => Promise<AllocationView | undefined>;
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #style: Style;
  readonly #waiting: (readonly [event: RunEvent, record: RunRecord])[] = [];
  readonly #usedCredits = new Map<string, number>();
  #telling = Promise.resolve();
  #isTelling = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#style = styleFor(options.terminal.stderr);
  }

  readonly take: EventTaker = (event, record) => {
    this.#waiting.push([event, record]);
    if (!this.#isTelling) this.#telling = this.#tellAll();
  };

  /** Resolves when everything taken has been told. */
  told(): Promise<void> {
    return this.#telling;
  }

  /** One look serves all events that came before it, however many steps ended meanwhile. */
  async #tellAll(): Promise<void> {
    this.#isTelling = true;
    while (this.#waiting.length > 0) {
      const events = this.#waiting.splice(0);
      if (!this.#options.json && events.some(([{ event }]) => event.case === "stepFinished"))
        this.#note(await this.#options.look());
      for (const [event, record] of events) this.#tell(event, record);
    }
    this.#isTelling = false;
  }

  #note(view: AllocationView | undefined): void {
    if (view === undefined) return;
    // What is not closed here may have used more than is known here.
    if (view.state === AllocationState.CLOSED)
      this.#usedCredits.set(view.allocationId, Number(view.usage?.credits ?? 0));
    for (const child of view.children) this.#note(child);
  }

  #tell(event: RunEvent, { beganAtMs, runPath, stepBeganAtMs }: RunRecord): void {
    const { terminal, json } = this.#options;
    if (json) {
      terminal.note(toJsonString(RunEventSchema, event, { useProtoFieldName: true }));
      return;
    }
    const view = { style: this.#style, beganAtMs, runPath, stepBeganAtMs, usedCredits: this.#usedCredits };
    const lines = eventLines(event, view);
    if (lines.length > 0) terminal.note(lines.join("\n"));
  }
}
