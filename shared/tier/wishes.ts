/** A child's requests as wishes of the engine, with the ids that the owner of the parent mints. */
import type { OpenWish, RaiseWish } from "#budget";
import type { GrantAsk, GrantTarget, IdSource } from "#ports";

export interface Minting {
  readonly caller: string;
  readonly ids: IdSource;
  /** Kind of the allocation when the request names none. */
  readonly kind: "run" | "step";
  readonly leaseTtlMs: number;
}

export function openWish(
  ask: GrantAsk,
  target: Extract<GrantTarget, { type: "open" }>,
  { caller, ids, kind, leaseTtlMs }: Minting,
): OpenWish {
  const { requestId, min, priority, weight, waitMs, strategy } = ask;
  return {
    type: "open",
    caller,
    requestId,
    allocationId: ids.newId(),
    token: ids.newToken(),
    parentId: target.parentId,
    name: target.name,
    kind: target.kind ?? kind,
    limits: target.limits,
    pooled: [],
    min,
    priority,
    weight,
    policy: {},
    byHolder: true,
    holder: caller,
    leaseTtlMs,
    waitMs,
    strategy,
    ...reservedBy(ask),
    ...(target.access && { access: target.access }),
  };
}

export function raiseWish(ask: GrantAsk, target: Extract<GrantTarget, { type: "raise" }>, caller: string): RaiseWish {
  const { requestId, min, waitMs, strategy } = ask;
  const { allocationId, epoch, by } = target;
  return { type: "raise", caller, requestId, allocationId, epoch, by, min, waitMs, strategy, ...reservedBy(ask) };
}

function reservedBy({ reservationId }: GrantAsk): Pick<OpenWish, "reservationId"> {
  return reservationId === undefined ? {} : { reservationId };
}
