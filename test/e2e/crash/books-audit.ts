/** Holds the daemons' books, as they show them, against the bounds that the workers' logs set. Every finding is a sentence. */
import { AllocationKind, AllocationState, type AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import type { Books } from "#gen/bursar/v1/resources_pb.js";
import { type Bounds, boundsBy, NOTHING, peakBy } from "./call-bounds.ts";
import type { CallLine, Cost } from "./worker-log.ts";

const CONSUMABLES = ["credits", "toolCalls"] as const;
/** Names in the path of a swarm (accounts and its own), and in that of a run. */
const SWARM_NAMES = 4;
const RUN_NAMES = 5;

const pathOf = (names: number) => (line: CallLine) => line.path.split("/").slice(0, names).join("/");

/** Whether one allocation's books add up, whatever happens. */
export function unbalanced({ path, ...view }: AllocationView): string[] {
  return CONSUMABLES.flatMap((resource) => {
    const books = view[resource];
    if (books === undefined) return [`${path} shows no books in ${resource}`];
    const { limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent } = books;
    const terms = [limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent];
    const found: string[] = [];
    if (terms.some((term) => term < 0n)) found.push(`${path} has a negative term in ${resource}: ${termsOf(books)}`);
    if (limit + debt !== available + reserved + unconfirmed + granted + inDoubt + spent) {
      found.push(`the books of ${path} in ${resource} do not add up: ${termsOf(books)}`);
    }
    if (available > 0n && debt > 0n) found.push(`${path} has credit and debt at once: ${termsOf(books)}`);
    return found;
  });
}

/** Whether nothing is left open in it: neither set aside, nor granted, nor in doubt. Accounts above accounts have granted to those. */
export function unfinished(view: AllocationView): string[] {
  if (view.children.some(({ kind }) => kind === AllocationKind.ACCOUNT)) return [];
  return CONSUMABLES.flatMap((resource) => {
    const books = view[resource];
    if (books === undefined) return [];
    const { reserved, unconfirmed, granted, inDoubt } = books;
    return reserved + unconfirmed + granted + inDoubt === 0n ? [] : [`${view.path} is not at rest: ${termsOf(books)}`];
  });
}

export function termsOf({ limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent }: Books): string {
  const terms = { limit, debt, available, reserved, unconfirmed, granted, inDoubt, spent };
  return Object.entries(terms)
    .flatMap(([name, term]) => (term === 0n ? [] : [`${name} ${term}`]))
    .join(", ");
}

/** The swarms at coordination, each closed and with all of its runs, against the log. */
export function auditSwarms(swarms: readonly AllocationView[], lines: readonly CallLine[]): string[] {
  const found: string[] = [];
  const ofSwarm = boundsBy(lines, pathOf(SWARM_NAMES));
  const ofRun = boundsBy(lines, pathOf(RUN_NAMES));
  const peaks = peakBy(lines, pathOf(SWARM_NAMES));
  for (const swarm of swarms) {
    found.push(...outside(swarm, ofSwarm.get(swarm.path)), ...overspent(swarm, peaks.get(swarm.path) ?? NOTHING));
    for (const run of swarm.children) found.push(...outside(run, ofRun.get(run.path)));
    found.push(...unlikeChildren(swarm));
  }
  const shown = new Set(swarms.flatMap(({ children }) => children.map(({ path }) => path)));
  for (const path of ofRun.keys()) if (!shown.has(path)) found.push(`${path} was worked in and is not in the books`);
  return found;
}

/** A node that makes no calls of its own spent what its children, all closed, spent. */
export function unlikeChildren(view: AllocationView): string[] {
  const { path, children } = view;
  return CONSUMABLES.flatMap((resource) => {
    const own = view[resource]?.spent ?? 0n;
    const theirs = children.reduce((total, child) => total + (child[resource]?.spent ?? 0n), 0n);
    return own === theirs ? [] : [`${path} says it spent ${own} ${resource}, and its children ${theirs}`];
  });
}

/** The steps at one execution daemon, against the log. */
export function auditSteps(steps: readonly AllocationView[], lines: readonly CallLine[]): string[] {
  const ofStep = boundsBy(lines, ({ step }) => step);
  return steps.flatMap((step) => outside(step, ofStep.get(step.allocationId)));
}

/** Two daemons' final word on the same allocations: the books of the one that held them, and of the one that granted them. */
export function auditPairs(granted: readonly AllocationView[], held: readonly AllocationView[]): string[] {
  const byId = new Map(held.map((view) => [view.allocationId, view]));
  return granted.flatMap((mine) => {
    const theirs = byId.get(mine.allocationId);
    if (theirs === undefined) return [];
    return CONSUMABLES.flatMap((resource) => {
      const [above, below] = [mine[resource]?.spent, theirs[resource]?.spent];
      return above === below
        ? []
        : [`${mine.path} spent ${below} ${resource} by its holder and ${above} by its granter`];
    });
  });
}

/** A closed allocation whose spending is not what the log allows. */
function outside(view: AllocationView, bounds: Bounds = { low: NOTHING, high: NOTHING }): string[] {
  const { path, state } = view;
  const open = state === AllocationState.CLOSED ? [] : [`${path} is not closed`];
  return [
    ...open,
    ...CONSUMABLES.flatMap((resource) => {
      const spent = Number(view[resource]?.spent ?? 0n);
      const [low, high] = [bounds.low[resource], bounds.high[resource]];
      if (spent >= low && spent <= high) return [];
      const allowed = low === high ? `exactly ${low}` : `${low} to ${high}`;
      return [`${path} spent ${spent} ${resource}; by its workers' log it is ${allowed}`];
    }),
  ];
}

/** Workers who were let spend more than there is. */
function overspent(view: AllocationView, peak: Cost): string[] {
  return CONSUMABLES.flatMap((resource) => {
    const limit = view.limits?.[resource === "credits" ? "maxCredits" : "maxToolCalls"];
    if (limit === undefined || BigInt(peak[resource]) <= limit) return [];
    return [`${view.path} may spend ${limit} ${resource}, and its workers were let have ${peak[resource]} at a time`];
  });
}
