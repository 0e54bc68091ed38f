/** A journaled event in a few words, for the story; what happens all the time and says little is left out. */
import type { BudgetEvent } from "#budget";

export interface EventWords {
  readonly what: string;
  readonly about: readonly string[];
}

export function eventWords(event: BudgetEvent): EventWords | undefined {
  switch (event.type) {
    case "note_attached":
    case "memory_released":
      return undefined;
    case "allocation_opened": {
      const { allocationId, parentId, side, path, limits, peer, leaseEndsAtMs } = event;
      const lease = leaseEndsAtMs === undefined ? "" : `, lease ${leaseEndsAtMs - event.atMs} ms`;
      const what = `opens ${allocationId} ${side} ${path} with ${limits.credits ?? "unlimited"} credits${peer ? ` (${peer})` : ""}${lease}`;
      return { what, about: parentId === undefined ? [allocationId] : [allocationId, parentId] };
    }
    default: {
      const { type, atMs, ...facts } = event;
      const about = Object.entries(facts).flatMap(([key, value]) =>
        /Id$|^effectKey$/.test(key) && typeof value === "string" ? [value] : [],
      );
      return { what: `${type} at ${atMs} ${shortly(facts)}`, about };
    }
  }
}

function shortly(facts: object): string {
  const text = JSON.stringify(facts).replaceAll('"', "");
  return text.length > 240 ? `${text.slice(0, 240)}…` : text;
}
