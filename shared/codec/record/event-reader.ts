/** How one sort of event is read from its message in JournalEvent. */
import type { BudgetEvent } from "#budget";
import type { EventType } from "./event-fields.ts";
import type { WireReader } from "./wire-reader.ts";

export interface EventReader {
  readonly type: EventType;
  /** Number of the content's last field. */
  readonly fields: number;
  read(from: WireReader, atMs: number): BudgetEvent;
}
