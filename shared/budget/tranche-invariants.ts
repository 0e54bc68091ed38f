/** I12, over one node (see invariants.ts): shares only the state's types and the names of the tranches with the code it checks. */
import { assert } from "#std";
import { Allocation, Hold } from "./state.ts";
import { TRANCHES } from "./tranches.ts";

/** Throws InvariantError when I12 is broken at the node. */
export function checkTranches(node: Allocation): void {
  const { carve, left, drawers } = node.tranches;
  if (drawers.size === 0 && TRANCHES.every((tranche) => carve[tranche] === 0 && left[tranche] === 0)) return;
  const at = `at ${node.path}: ${JSON.stringify({ carve, left })}`;
  for (const tranche of TRANCHES) {
    let out = 0;
    for (const drawn of drawers.values()) out += drawn[tranche];
    const whole = [carve[tranche], left[tranche], out].every((x) => Number.isSafeInteger(x) && x >= 0);
    assert(whole && left[tranche] + out <= carve[tranche], `I12 ${tranche} ${at}, ${out} drawn`);
  }
  const { available } = node.books.credits;
  assert(left.bonus + left.emergency + left.wrapUp <= available, `I12 ${available} available ${at}`);
  for (const [drawer, drawn] of drawers) checkDrawer(node, drawer, drawn.bonus + drawn.emergency + drawn.wrapUp);
  checkFinalStep(node);
  checkMarks(node);
}

function checkDrawer(node: Allocation, drawer: unknown, drawn: number): void {
  if (drawer instanceof Hold) {
    assert(node.holds.has(drawer) && drawn <= drawer.amounts.credits, `I12 call ${drawer.id} drew ${drawn}`);
    return;
  }
  assert(drawer instanceof Allocation && drawer.parent === node, `I12 a stranger drew ${drawn} at ${node.path}`);
  const { limit, usage } = drawer.books.credits;
  assert(drawn > 0 && drawn <= Math.max(limit, usage), `I12 ${drawer.path} drew ${drawn} of ${limit}`);
  assert(drawer.state !== "closed" || drawer.uncorrected > 0, `I12 ${drawer.path} is closed and has drawn ${drawn}`);
}

function checkFinalStep(node: Allocation): void {
  const { finalStep } = node.tranches;
  if (finalStep === undefined) return;
  const isOpen = finalStep instanceof Allocation && finalStep.parent === node && finalStep.state !== "closed";
  assert(isOpen, `I12 final step of ${node.path}`);
}

/** By what their claimants see: only general credits, the bonus too, or all but the wrap-up reserve. */
function checkMarks({ path, books, tranches: { left }, waiters }: Allocation): void {
  const { available } = books.credits;
  const hidden = [left.bonus + left.emergency + left.wrapUp, left.emergency + left.wrapUp, left.wrapUp];
  for (const [level, unseen] of hidden.entries()) {
    let aside = 0;
    for (const [key, { credits }] of waiters.earmarks.entries()) {
      const base = waiters.claims.get(key)?.waiter.base ?? 0;
      if (Math.max(0, Math.min(base, 3) - 1) <= level) aside += credits;
    }
    assert(
      aside === 0 || aside + unseen <= available,
      `I12 ${aside} set aside at ${path} of ${available}, ${unseen} unseen`,
    );
  }
}
