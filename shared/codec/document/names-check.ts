/** Names are unique among siblings: they make the paths by which accounts, routines and steps are addressed. */
import type { Place } from "./place.ts";
import { name } from "./scalars.ts";

/** Reports each item of `level` whose name an earlier one has. `noun`: what the items are, in the singular. */
export function refuseRepeatedNames(level: Place, noun: string): void {
  const firstLines = new Map<string, number>();
  for (const item of level.items() ?? []) {
    const written = item.peek(name, "name");
    const place = item.find("name");
    if (written === undefined || place === undefined) continue;
    const firstLine = firstLines.get(written);
    if (firstLine === undefined) firstLines.set(written, place.line);
    else
      place.refuse(`there is another ${noun} ${written} here, on line ${firstLine}; give this one a name of its own`);
  }
}
