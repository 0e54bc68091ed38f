/**
 * What a preemption has asked of delegated descendants: what it is called there, for whom it is, and how much of it is still owed. The
 * figure at the preemption follows from the events alone: each that changes what a delegated descendant owes changes it too. It begins
 * with nothing, for what is owed ends before that for which it was asked.
 */
import { fingerprint, LIMITS } from "#std";
import { ZERO } from "./amount.ts";
import { type Amounts, addAmounts, amountsOf, isNothing, monusAmounts, NOTHING, type Resource } from "./resource.ts";
import type { Allocation, Reclaim } from "./state.ts";

/** Room in a name for the number of a further asking. */
const NUMBER_CHARS = 4;

/** A preemption where it wants budget back. */
export interface ReclaimPlace {
  readonly node: Allocation;
  readonly reclaim: Reclaim;
}

export function pendingOf(reclaim: Reclaim): Amounts {
  return monusAmounts(reclaim.wanted, reclaim.reclaimed);
}

/** The same amounts, but nothing of what a SHRINK of the node wants still though its holder has nothing of it that is free. */
export function withoutExhausted({ reclaims }: Allocation, amounts: Amounts): Amounts {
  let left = amounts;
  for (const reclaim of reclaims.values()) {
    if (reclaim.exhausted !== true) continue;
    const pending = pendingOf(reclaim);
    const open = (resource: Resource) => (pending[resource] > 0 ? ZERO : left[resource]);
    left = amountsOf({
      credits: open("credits"),
      toolCalls: open("toolCalls"),
      branches: open("branches"),
      memoryBytes: open("memoryBytes"),
    });
  }
  return left;
}

/** Name of what a preemption at `target` asks of one delegated descendant, the first time; a longer one than travels is shortened. */
function firstName({ node: target, reclaim }: ReclaimPlace, child: Allocation): string {
  const name = `${reclaim.preemptionId}/${target.id}/${child.id}`;
  if (name.length + NUMBER_CHARS <= LIMITS.idCharsMax) return name;
  return `${fingerprint(`${reclaim.preemptionId}/${target.id}`).toString(36)}/${child.id}`;
}

/** Name for the next asking: the holder takes the same name twice for the same asking. */
export function nextName(place: ReclaimPlace, child: Allocation): string {
  const first = firstName(place, child);
  const isTaken = (name: string) => child.reclaims.has(name) || child.endedReclaims.has(name);
  let name = first;
  for (let number = 2; isTaken(name); number += 1) name = `${first}#${number}`;
  return name;
}

/** What is owed to the preemption by one delegated descendant, in the order in which it was asked. */
function owedBy(place: ReclaimPlace, child: Allocation): Reclaim[] {
  if (child.reclaims.size === 0) return [];
  const first = firstName(place, child);
  return [...child.reclaims.values()].filter(({ preemptionId }) => isName(preemptionId, first));
}

function isName(name: string, first: string): boolean {
  return name.startsWith(first) && (name.length === first.length || name[first.length] === "#");
}

export interface Owing {
  readonly child: Allocation;
  readonly preemptionId: string;
}

/** What delegated descendants still owe to a preemption, in the order in which they were opened. */
export function owingBelow(place: ReclaimPlace, node = place.node): Owing[] {
  if (!place.reclaim.asked) return [];
  return [...node.children].flatMap((child) =>
    child.side === "delegated"
      ? owedBy(place, child).map(({ preemptionId }) => ({ child, preemptionId }))
      : owingBelow(place, child),
  );
}

/** What delegated descendants still owe to a preemption; undefined where that would take more than LIMITS.unspentScanMax looks. */
export function owedFor(place: ReclaimPlace): readonly Reclaim[] | undefined {
  const owed: Reclaim[] = [];
  const left = { nodes: LIMITS.unspentScanMax };
  if (place.reclaim.asked) collectOwed(place, { node: place.node, owed, left });
  return left.nodes < 0 ? undefined : owed;
}

interface Collecting {
  readonly node: Allocation;
  readonly owed: Reclaim[];
  readonly left: { nodes: number };
}

function collectOwed(place: ReclaimPlace, { node, owed, left }: Collecting): void {
  for (const child of node.children) {
    left.nodes -= 1;
    if (left.nodes < 0) return;
    if (child.side === "delegated") owed.push(...owedBy(place, child));
    else collectOwed(place, { node: child, owed, left });
  }
}

/** What delegated descendants were asked for a preemption and what still stands there, whether they owe something or not. */
export function askedBelow(place: ReclaimPlace, node = place.node): Owing[] {
  return [...node.children].flatMap((child) =>
    child.side === "delegated"
      ? owedBy(place, child).map(({ preemptionId }) => ({ child, preemptionId }))
      : askedBelow(place, child),
  );
}

/** The preemption further up for which a delegated allocation is asked; undefined when it is preempted itself, or that one has ended. */
export function askedFor(child: Allocation, name: string): ReclaimPlace | undefined {
  for (let node = child.parent; node; node = node.parent) {
    for (const reclaim of node.reclaims.values()) {
      const place = { node, reclaim };
      if (isName(name, firstName(place, child))) return place;
    }
  }
  return undefined;
}

/** Something that a delegated allocation owes begins, grows less or ends: told with what was owed of it before. */
export function owedChanged(node: Allocation, name: string, before: Amounts): void {
  if (node.side !== "delegated") return;
  const place = askedFor(node, name);
  if (!place) return;
  const owed = node.reclaims.get(name);
  const asked = monusAmounts(place.reclaim.asked ?? NOTHING, before);
  keep(place, owed ? addAmounts(asked, pendingOf(owed)) : asked);
}

/** Counts anew what is owed to a preemption, all together. */
export function countAsked(place: ReclaimPlace): void {
  if (place.node.side !== "delegated") keep(place, owedBelow(place, place.node));
}

function keep({ reclaim }: ReclaimPlace, asked: Amounts): void {
  reclaim.asked = isNothing(asked) ? undefined : asked;
}

function owedBelow(place: ReclaimPlace, node: Allocation): Amounts {
  let owed = NOTHING;
  for (const child of node.children) {
    if (child.side !== "delegated") owed = addAmounts(owed, owedBelow(place, child));
    else for (const reclaim of owedBy(place, child)) owed = addAmounts(owed, pendingOf(reclaim));
  }
  return owed;
}
