/** What is carved inside credits, and who drew of it, as parts of a snapshot. */
import { assert } from "#std";
import type { MakeUpPart, TranchesPart } from "./snapshot-part.ts";
import { type Places, placeOf } from "./snapshot-places.ts";
import { Allocation, Hold } from "./state.ts";
import { NO_TRANCHES } from "./tranches.ts";

export function* tranchesPart(places: Places, node: Allocation): Generator<TranchesPart, void> {
  const { tranches } = node;
  if (tranches === NO_TRANCHES) return;
  const { carve, left } = tranches;
  const child = [...node.children].find((one) => one === tranches.finalStep);
  const finalStep = child && placeOf(places, child);
  yield { type: "tranches", allocation: placeOf(places, node), carve, left, finalStep };
}

export function* makeUpParts(places: Places, node: Allocation): Generator<MakeUpPart, void> {
  if (node.tranches.drawers.size === 0) return;
  const allocation = placeOf(places, node);
  for (const [drawer, drawn] of node.tranches.drawers)
    yield { type: "make_up", allocation, of: of(places, drawer), drawn };
}

function of(places: Places, drawer: unknown): MakeUpPart["of"] {
  if (drawer instanceof Allocation) return { child: placeOf(places, drawer) };
  const hold = drawer instanceof Hold ? places.holds.get(drawer) : undefined;
  assert(hold !== undefined, "who drew of a tranche is a child or a call in flight");
  return { hold };
}
