/** A wish as it stands in events and snapshots; the counterpart of writeWish. */
import type { GrantWish, OpenWish, RaiseWish } from "#budget";
import { allocationKinds, priorities, strategies } from "../enum-names.ts";
import {
  accessOf,
  readAmounts,
  readLimits,
  readName,
  readOptionalName,
  readPolicy,
  readPooled,
} from "./record-parts.ts";
import type { WireReader } from "./wire-reader.ts";

/** A wish that stands in field 5 (open) or 6 (raise) of a message. */
export function readWish(from: WireReader): GrantWish {
  if (from.has(5)) return readOpenWish(from.message(5, "OpenWish", 25));
  const wish = from.message(6, "RaiseWish", 11);
  return {
    type: "raise",
    caller: wish.text(1),
    requestId: wish.text(2),
    allocationId: wish.text(3),
    epoch: wish.optionalInt(4),
    by: readAmounts(wish, 5),
    min: readAmounts(wish, 6),
    waitMs: wish.int(7),
    strategy: readOptionalName(wish, 8, strategies),
    ...arrivalOf(wish, 9),
    ...(wish.has(10) && { reservationId: wish.text(10) }),
    ...resumesOf(wish),
  };
}

function resumesOf(wish: WireReader): Pick<RaiseWish, "resumes"> {
  const resumes = wish.optionalText(11);
  return resumes === undefined ? {} : { resumes };
}

function readOpenWish(wish: WireReader): OpenWish {
  return {
    type: "open",
    caller: wish.text(1),
    requestId: wish.text(2),
    allocationId: wish.text(3),
    token: wish.optionalText(4),
    parentId: wish.text(5),
    name: wish.text(6),
    kind: readName(wish, 7, allocationKinds),
    limits: readLimits(wish, 8),
    min: readAmounts(wish, 9),
    priority: readName(wish, 10, priorities),
    weight: wish.int(11),
    policy: readPolicy(wish, 12),
    byHolder: wish.flag(13),
    holder: wish.optionalText(14),
    leaseTtlMs: wish.int(15),
    waitMs: wish.int(16),
    strategy: readOptionalName(wish, 17, strategies),
    pooled: readPooled(wish, 18),
    ...arrivalOf(wish, 20),
    ...(wish.has(21) && { attemptOf: wish.text(21) }),
    ...(wish.has(22) && { reservationId: wish.text(22) }),
    ...accessOf(wish, 25),
  };
}

/** The first arrival of a wish, which most do not have. */
function arrivalOf(wish: WireReader, field: number): { readonly arrivedAtMs?: number } {
  return wish.has(field) ? { arrivedAtMs: wish.int(field) } : {};
}
