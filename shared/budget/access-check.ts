/** Names that a wish may not ask for, each with its field. */
import { LIMITS } from "#std";
import type { Access } from "./access.ts";
import type { NameBook } from "./access-names.ts";
import type { Violation } from "./outcome.ts";
import type { Allocation } from "./state.ts";

/** What is wrong with the names that a wish at `parent` wants. */
export function accessViolations(
  names: NameBook<Allocation>,
  parent: Allocation,
  wanted: readonly Access[],
): Violation[] {
  if (wanted.length > LIMITS.accessNamesMax) {
    return [{ field: "access", message: `names at most ${LIMITS.accessNamesMax} tools and resources` }];
  }
  const found: Violation[] = [];
  const seen = new Set<string>();
  const next = { EXCLUSIVE: 0, SHARED: 0 };
  for (const { name, mode } of wanted) {
    const field = `access.${mode.toLowerCase()}[${next[mode]++}]`;
    if (name.length === 0 || name.length > LIMITS.accessNameCharsMax) {
      found.push({ field, message: `has 1 to ${LIMITS.accessNameCharsMax} characters` });
    } else if (seen.has(name)) {
      found.push({ field, message: `names ${name} a second time` });
    } else if (mode === "EXCLUSIVE") {
      const above = names.nearestHold(parent, name);
      if (above?.mode === "SHARED") {
        const message = `${above.holder.path} holds ${name} SHARED, and so nobody below it has it EXCLUSIVE`;
        found.push({ field, message });
      }
    }
    seen.add(name);
  }
  return found;
}
