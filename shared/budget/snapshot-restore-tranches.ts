/** What is carved inside credits, and who drew of it, from the parts of a snapshot. */
import { SnapshotError } from "./snapshot-error.ts";
import type { MakeUpPart, TranchesPart } from "./snapshot-part.ts";
import { holdAt, nodeAt, type Restoring } from "./snapshot-restore-nodes.ts";
import { NO_TRANCHES, Tranches } from "./tranches.ts";

export function restoreTranches(restoring: Restoring, part: TranchesPart): void {
  const node = nodeAt(restoring, part.allocation);
  if (node.tranches.drawers.size > 0) throw new SnapshotError(`the tranches of ${node.id} stand twice`);
  const tranches = new Tranches(part.carve);
  tranches.left = part.left;
  if (part.finalStep !== undefined) {
    const child = nodeAt(restoring, part.finalStep);
    if (child.parent !== node) throw new SnapshotError(`${child.id} is no child of ${node.id}, whose final step it is`);
    tranches.beginFinalStep(child);
  }
  node.tranches = tranches;
}

export function restoreMakeUp(restoring: Restoring, { allocation, of, drawn }: MakeUpPart): void {
  const node = nodeAt(restoring, allocation);
  const drawer = "child" in of ? nodeAt(restoring, of.child) : holdAt(restoring, of.hold);
  const drewAt = "parent" in drawer ? drawer.parent : drawer.allocation;
  if (drewAt !== node || node.tranches === NO_TRANCHES) {
    throw new SnapshotError(`${drawer.id} cannot have drawn of what ${node.id} carves`);
  }
  if (node.tranches.drawers.has(drawer)) throw new SnapshotError(`what ${drawer.id} drew stands twice`);
  node.tranches.setMadeUp(drawer, drawn);
}
