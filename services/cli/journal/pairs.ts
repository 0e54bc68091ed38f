/**
 * Checks the journals of a mesh against each other. A grant across daemons stands in two of them; whatever died or was lost on the way,
 * the child has at most what the parent has committed, and the parent knows at most what the child has given back and used.
 */
import { type Allocation, CONSUMABLES, RESOURCES } from "#budget";
import type { Examination } from "./examine.ts";

/** What does not fit, each with the grant and both figures. */
export function pairFaults(examinations: readonly Examination[]): string[] {
  const delegated = new Map<string, Allocation>();
  for (const { state } of examinations) {
    for (const node of state?.allocations.values() ?? []) if (node.side === "delegated") delegated.set(node.id, node);
  }
  const faults: string[] = [];
  for (const { state } of examinations) {
    for (const below of state?.roots ?? []) {
      const above = below.side === "received" ? delegated.get(below.id) : undefined;
      if (above) faults.push(...pairFault(above, below));
    }
  }
  return faults;
}

function pairFault(above: Allocation, below: Allocation): string[] {
  const faults: string[] = [];
  const { path } = below;
  for (const resource of RESOURCES) {
    const [committed, held] = [above.grantedTotal[resource], below.grantedTotal[resource]];
    if (held > committed) {
      faults.push(`${path}: its holder was granted ${held} ${resource}, but its parent has committed ${committed}`);
    }
    const [back, given] = [above.returnedTotal[resource], below.returnedTotal[resource]];
    if (back > given) faults.push(`${path}: its parent got back ${back} ${resource}, but its holder gave ${given}`);
  }
  if (above.corrections !== below.corrections || above.writtenOff.credits + above.writtenOff.toolCalls > 0)
    return faults;
  for (const resource of CONSUMABLES) {
    const [reported, used] = [above.books[resource].usage, below.books[resource].usage];
    if (reported > used)
      faults.push(`${path}: ${reported} ${resource} are booked as used, but its holder has used ${used}`);
  }
  if (above.state === "closed" && below.state !== "closed") {
    faults.push(`${path}: closed at its parent, but ${below.state} at its holder; it closes when they meet`);
  }
  return faults;
}
