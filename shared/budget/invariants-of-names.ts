/**
 * I16: no two open allocations under one root hold the same name, but where both share it or one stands under the other; and those who are
 * shut out are exactly those who want a name that somebody has, or that one before them in its line wants.
 */
import { assert } from "#std";
import type { Access } from "./access.ts";
import type { NameGroup } from "./access-names.ts";
import type { Allocation, BudgetState } from "./state.ts";

/** Throws InvariantError. Looks at nothing where nobody holds names or waits for them. */
export function assertNames({ names, allocations, effects }: BudgetState): void {
  if (names.size === 0) {
    for (const { name } of names.groups()) assert(false, `I16 ${name} is held by nobody`);
    return;
  }
  const byName = new Map<string, [Allocation, Access["mode"]][]>();
  for (const [node, access] of names.holders()) {
    assert(node.state !== "closed" && allocations.get(node.id) === node, `I16 ${node.path} is gone and holds names`);
    for (const { name, mode } of access) byName.set(name, [...(byName.get(name) ?? []), [node, mode]]);
  }
  for (const [name, holders] of byName) {
    for (const [at, [node, mode]] of holders.entries()) {
      for (const [other, theirs] of holders.slice(0, at)) checkPair(name, [node, mode], [other, theirs]);
    }
  }
  for (const group of names.groups()) checkLine(group);
  for (const waiter of names.waiters()) {
    assert(effects.get(waiter.effectKey) === waiter, `I16 ${waiter.effectKey} is in a line and does not wait`);
    assert(waiter.shut === !names.isOpen(waiter), `I16 ${waiter.effectKey} is shut out: ${waiter.shut}`);
  }
}

type Holder = readonly [Allocation, Access["mode"]];

function checkPair(name: string, [a, aMode]: Holder, [b, bMode]: Holder): void {
  if (aMode === "SHARED" && bMode === "SHARED") return;
  const apart = top(a) !== top(b) || under(a, b) || under(b, a);
  assert(apart, `I16 ${name} is held by ${a.path} (${aMode}) and by ${b.path} (${bMode})`);
}

function checkLine({ name, holders, line }: NameGroup<Allocation>): void {
  const held = [...holders.values()];
  for (const [at, { mode, open, waiter }] of line.entries()) {
    const alone = mode === "EXCLUSIVE";
    const barred = alone
      ? held.length > 0 || at > 0
      : [...held, ...line.slice(0, at).map((one) => one.mode)].includes("EXCLUSIVE");
    assert(open === !barred, `I16 ${waiter.effectKey} ${open ? "may" : "may not"} have ${name}`);
  }
}

function top(node: Allocation): Allocation {
  return node.parent ? top(node.parent) : node;
}

function under(node: Allocation, above: Allocation): boolean {
  return node === above || (node.parent !== undefined && under(node.parent, above));
}
