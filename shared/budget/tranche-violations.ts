/** What is wrong with a wish to open an allocation as far as tranches go, each with its field. */
import { NO_LIST } from "./collections.ts";
import type { OpenWish } from "./command.ts";
import type { Violation } from "./outcome.ts";
import type { Allocation } from "./state.ts";
import { TRANCHE_FIELD } from "./tranche-limits.ts";
import { carveOf, sumsTo, TRANCHES } from "./tranches.ts";

export function trancheViolations(parent: Allocation, { limits, wrapUp }: OpenWish): readonly Violation[] {
  const { priorityBonus, emergencyReserve, wrapUpReserve } = limits;
  // As most: nothing to look at.
  if (!(priorityBonus || emergencyReserve || wrapUpReserve || wrapUp)) return NO_LIST;
  return [...carveViolations(limits), ...(wrapUp ? finalStepViolations(parent) : [])];
}

/** The parts lie inside the credits; without a limit in these there is nothing to carve. */
function carveViolations(limits: OpenWish["limits"]): Violation[] {
  const carve = carveOf(limits);
  const field = TRANCHES.findLast((tranche) => carve[tranche] > 0);
  if (!field || sumsTo(carve) <= (limits.credits ?? 0)) return [];
  const message =
    "priority_bonus, emergency_reserve and wrap_up_reserve are parts of max_credits and must fit inside it";
  return [{ field: `limits.${TRANCHE_FIELD[field]}`, message }];
}

function finalStepViolations({ path, tranches }: Allocation): Violation[] {
  if (tranches.carve.wrapUp === 0) {
    return [{ field: "wrap_up", message: `${path} keeps no wrap-up reserve for a final step` }];
  }
  if (tranches.finalStep === undefined) return [];
  return [{ field: "wrap_up", message: `the final step of ${path} is open already, and there is one at a time` }];
}
