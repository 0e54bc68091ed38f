/** What a run asks of its own budget for one of its nodes. */
import type { Consumable, Limits, OpenWish } from "#budget";
import { leastOf } from "#codec";
import type { DaemonBase } from "#daemon";
import type { RunFacts } from "./run-facts.ts";
import type { StepPlace } from "./step-result.ts";

export interface WishOptions {
  readonly base: Pick<DaemonBase, "ids" | "settings">;
  readonly facts: Pick<RunFacts, "runId" | "path" | "priority">;
  readonly place: StepPlace;
  readonly kind: "branch" | "step";
  /** The instance that will hold it; undefined for nodes of this daemon. */
  readonly holder: string | undefined;
  /** 1 for the first try. */
  readonly attempt: number;
  /** Allocation of the try before, which keeps its turn if it gave way to others; undefined for the first. */
  readonly attemptOf: string | undefined;
}

/** Who asks for all nodes of a run. */
export function callerOf({ runId }: Pick<RunFacts, "runId">): string {
  return `run:${runId}`;
}

/** The request's id follows from the place and the try alone, so that a wish which is made again has one effect. */
export function wishFor({ base, facts, place, kind, holder, attempt, attemptOf }: WishOptions): OpenWish {
  const { ids, settings } = base;
  const { limits, parentId, name, path, share, access, wrapUp, strategy } = place;
  return {
    type: "open",
    caller: callerOf(facts),
    requestId: `${path.slice(facts.path.length + 1)}#${attempt}`,
    allocationId: ids.newId(),
    token: holder === undefined ? undefined : ids.newToken(),
    parentId,
    name,
    kind,
    limits,
    min: leastOf(limits, share),
    pooled: pooledIn(limits),
    priority: facts.priority,
    weight: share?.weight ?? 1,
    policy: strategy === undefined ? {} : { strategy },
    byHolder: false,
    holder,
    leaseTtlMs: settings.leaseTtlMs,
    // Who may wait, and for whom: sibling-waits.ts.
    waitMs: 0,
    strategy: undefined,
    ...(access && { access }),
    ...(wrapUp && { wrapUp }),
    ...(attemptOf !== undefined && { attemptOf }),
  };
}

/** What a step or branch does not state it draws from above as it goes. */
function pooledIn(limits: Limits): Consumable[] {
  return (["credits", "toolCalls"] as const).filter((resource) => limits[resource] === undefined);
}
