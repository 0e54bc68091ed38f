/**
 * What a swarm's description must keep to as a whole. Steps that follow each other use the same budget in turn, so each must fit;
 * branches run side by side, so together they must fit. What is limited above and not stated below is none of it, except for slots:
 * each child takes one and those it has itself, so where they are not stated they are counted.
 */
import type { Amount, Limits } from "#budget";
import { LIMITS } from "#std";
import { DIVIDED_LIMITS } from "./limits-reader.ts";
import { refuseRepeatedNames } from "./names-check.ts";
import type { Place } from "./place.ts";
import { duration } from "./scalars.ts";

type DividedLimit = (typeof DIVIDED_LIMITS)[number];
type LimitKey = DividedLimit["key"];

/** What a place has of each resource, and the place that says so. A resource that nothing above limits is not in the map. */
type Have = ReadonlyMap<LimitKey, Share>;

interface Share {
  readonly amount: bigint;
  readonly owner: Place;
  /** False when it is nothing because the owner does not state it. */
  readonly stated: boolean;
}

interface Above {
  readonly have: Have;
  readonly durationMs: number;
  readonly durationOwner: string;
}

const anyDuration = duration();

function capped(total: bigint): Amount {
  return Number(total > BigInt(LIMITS.amountMax) ? LIMITS.amountMax : total) as Amount;
}

/** Slots that branches side by side take: one for each, and those that each has itself. */
export function slotsOfBranches(branches: readonly { readonly limits: Limits }[]): Amount {
  return capped(branches.reduce((total, { limits }) => total + 1n + BigInt(limits.branches ?? 0), 0n));
}

/** Slots that steps in turn take: those of the step that takes most. */
export function slotsOfSteps(steps: readonly { readonly limits: Limits }[]): Amount {
  const most = steps.reduce((slots, { limits }) => Math.max(slots, limits.branches ?? 0), 0);
  return capped(BigInt(most) + 1n);
}

/** Limits that hold all branches of a parallel step side by side. */
export function limitsOfBranches(branches: readonly { readonly limits: Limits }[]): Limits {
  const sum = (resource: "credits" | "toolCalls" | "memoryBytes"): Amount | undefined => {
    const stated = branches.map(({ limits }) => limits[resource]).filter((amount) => amount !== undefined);
    return stated.length === 0 ? undefined : capped(stated.reduce((total, amount) => total + BigInt(amount), 0n));
  };
  const [credits, toolCalls, memoryBytes] = [sum("credits"), sum("toolCalls"), sum("memoryBytes")];
  const durations = branches.map(({ limits }) => limits.durationMs);
  const longest = durations.reduce<number | undefined>(
    (longer, ms) => (longer === undefined || ms === undefined ? undefined : Math.max(longer, ms)),
    0,
  );
  return {
    ...(credits === undefined ? {} : { credits }),
    ...(toolCalls === undefined ? {} : { toolCalls }),
    branches: slotsOfBranches(branches),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(longest === undefined ? {} : { durationMs: longest }),
  };
}

/** What a place takes of what is above it, stated or derived; undefined when it asks for none. */
function takenBy(place: Place, limit: DividedLimit): bigint | undefined {
  const stated = place.peek(limit.reader, "limits", limit.key);
  // Where less will do it takes no more than that for sure.
  const least = stated === undefined ? undefined : place.peek(limit.reader, "share", `min_${limit.key}`);
  const asked = stated === undefined ? derivedFor(place, limit) : BigInt(least ?? stated);
  return limit.key === "branches" ? (asked ?? 0n) + 1n : asked;
}

/** What the branches of a parallel step take in all; undefined when none of them asks for any. */
function takenByBranches(parallel: Place, limit: DividedLimit): bigint | undefined {
  const taken = (parallel.items() ?? []).map((branch) => takenBy(branch, limit)).filter((share) => share !== undefined);
  return taken.length === 0 ? undefined : taken.reduce((total, share) => total + share, 0n);
}

/** What a place asks for that does not state it: a parallel step without limits asks for what its branches take; slots are counted. */
function derivedFor(place: Place, limit: DividedLimit): bigint | undefined {
  const parallel = place.find("parallel");
  if (parallel !== undefined) {
    const stated = limit.key !== "branches" && place.find("limits") !== undefined;
    return stated ? undefined : takenByBranches(parallel, limit);
  }
  // A swarm that states no slots has as many as its account lets it have.
  if (limit.key !== "branches" || place.find("routines") !== undefined) return undefined;
  const taken = (place.find("steps")?.items() ?? []).map((step) => takenBy(step, limit) ?? 0n);
  return taken.reduce((most, share) => (share > most ? share : most), 0n);
}

const TAKEN_AS: Readonly<Record<LimitKey, string>> = {
  credits: "credits",
  tool_calls: "tool calls",
  branches: "branches, itself included",
  memory: "bytes of memory",
};

/** Reports at `place` that what stands there takes more than is above it. */
function refuseExcess(place: Place, taken: bigint, key: LimitKey, have: Have): void {
  const available = have.get(key);
  if (available === undefined || taken <= available.amount) return;
  const { field } = available.owner;
  const [owner, path] = field === "" ? ["the swarm", `limits.${key}`] : [field, `${field}.limits.${key}`];
  place.refuse(
    available.stated
      ? `takes ${taken} ${TAKEN_AS[key]}, but ${owner} has only ${available.amount}; lower this or raise ${path}`
      : `takes ${taken} ${TAKEN_AS[key]}, but ${owner} states none and so has none; lower this or state ${path}`,
  );
}

/** Checks one limit of `place` against what is above it, and puts into `have` what is there for the places below. */
function narrow(place: Place, limit: DividedLimit, above: Have, have: Map<LimitKey, Share>): void {
  const { key, reader } = limit;
  const parallel = place.find("parallel");
  const statedPlace = place.find("limits", key);
  const stated = place.peek(reader, "limits", key);
  have.delete(key);
  // What is stated wrongly has been reported; nothing can be said about what is below it.
  if (statedPlace !== undefined && stated === undefined) return;
  const asked = stated === undefined ? derivedFor(place, limit) : BigInt(stated);
  if (asked === undefined) {
    if (above.has(key)) have.set(key, { amount: 0n, owner: place, stated: false });
    return;
  }
  have.set(key, { amount: asked, owner: place, stated: true });
  refuseExcess(statedPlace ?? parallel ?? place, takenBy(place, limit) ?? 0n, key, above);
  const inside = parallel === undefined ? undefined : takenByBranches(parallel, limit);
  if (inside === undefined || inside <= asked) return;
  statedPlace?.refuse(`the branches take ${inside} in all; raise this or lower theirs`);
}

/** Checks what `place` states against what is above it, and gives what is above for the places below it. */
function narrowed(place: Place, above: Above): Above {
  const have = new Map(above.have);
  for (const limit of DIVIDED_LIMITS) narrow(place, limit, above.have, have);
  const durationMs = place.peek(anyDuration, "limits", "duration");
  if (durationMs === undefined) return { ...above, have };
  if (durationMs > above.durationMs) {
    place.find("limits", "duration")?.refuse(`is longer than that of ${above.durationOwner}; shorten it`);
  }
  return { have, durationMs, durationOwner: place.field === "" ? "the swarm" : place.field };
}

/** Code runs in memory: under a limit it must say how much. */
function checkMemory(step: Place, above: Above): void {
  const limits = step.find("limits");
  if (step.find("code") === undefined || limits?.entries() === undefined || limits.find("memory") !== undefined) return;
  if (!above.have.has("memory")) return;
  limits.refuseMissing("memory", "must be stated for code, because memory is limited above: like memory: 256MiB");
}

/** The final step is the last of its routine, and one that somebody does. */
function checkWrapUp(step: Place, isLast: boolean): void {
  const said = step.find("wrap_up");
  if (said?.text !== "true") return;
  if (!isLast) said.refuse("is for the last step of the routine itself; put the step there");
  else if (step.find("parallel") !== undefined)
    said.refuse("is not for a parallel step; end the routine with another one");
}

/** Checks a list of steps and everything inside; returns how many steps there are. */
function checkSteps(level: Place, above: Above, depth: number): number {
  if (depth > LIMITS.routineDepthMax) {
    level.refuse(`lies ${depth} lists of steps deep; at most ${LIMITS.routineDepthMax} may lie in each other`);
    return 0;
  }
  refuseRepeatedNames(level, "step");
  let count = 0;
  const steps = level.items() ?? [];
  for (const step of steps) {
    count += 1;
    checkWrapUp(step, depth === 1 && step === steps.at(-1));
    checkMemory(step, above);
    const inside = narrowed(step, above);
    const parallel = step.find("parallel");
    if (parallel === undefined) continue;
    refuseRepeatedNames(parallel, "branch");
    for (const branch of parallel.items() ?? []) {
      const steps = branch.find("steps");
      const available = narrowed(branch, inside);
      if (steps !== undefined) count += checkSteps(steps, available, depth + 1);
    }
  }
  return count;
}

/** Checks a swarm's routines against its limits and against each other. */
export function checkSwarm(swarm: Place): void {
  const available = narrowed(swarm, { have: new Map(), durationMs: LIMITS.durationMsMax, durationOwner: "" });
  const routines = swarm.find("routines");
  if (routines === undefined) return;
  refuseRepeatedNames(routines, "routine");
  for (const routine of routines.items() ?? []) {
    const steps = routine.find("steps");
    const inside = narrowed(routine, available);
    const count = steps === undefined ? 0 : checkSteps(steps, inside, 1);
    if (count > LIMITS.routineStepsMax) {
      steps?.refuse(`has ${count} steps in all; split the routine: at most ${LIMITS.routineStepsMax} are allowed`);
    }
  }
}
