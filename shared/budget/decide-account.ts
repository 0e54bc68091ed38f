/** A person's acts: the limits of an account, and notes that services keep with an allocation. */
import { LIMITS } from "#std";
import { freed } from "./cascade.ts";
import type { CommandOf } from "./command.ts";
import { closingRefusal, conflictAt } from "./conflict.ts";
import { DONE, type Draft, emit, refuse, UNCHANGED } from "./draft.ts";
import { standingAnswer } from "./effect.ts";
import { freeOf, shortOf } from "./free.ts";
import { limitsOf } from "./limits-of.ts";
import { tellLow, useOf } from "./low-budget.ts";
import type { Outcome, Refusal } from "./outcome.ts";
import { checkPolicy } from "./policy-check.ts";
import { amountsOf, isNothing, monusAmounts, RESOURCES, type Resource } from "./resource.ts";
import { serveBelow, setPolicy } from "./set-policy.ts";
import { samePolicy } from "./shared-policy.ts";
import type { Allocation } from "./state.ts";
import { sightIn } from "./tranche-draw.ts";
import { generalWith, resizeProblem, sameParts } from "./tranche-limits.ts";
import { carveOf, GENERAL, type Parts } from "./tranches.ts";

export function decideOpenRoot(draft: Draft, command: CommandOf<"open_root">): Outcome {
  const known = draft.state.allocations.get(command.allocationId);
  if (known) return { ...standingAnswer(known), decidedAtMs: command.nowMs, repeated: true };
  const { nowMs: atMs, allocationId, name, limits, policy } = command;
  const unfit = checkPolicy(policy);
  if (unfit) return refuse(unfit);
  const place = { pooled: [], parentId: undefined, path: name, depth: 0, kind: "account", side: "local" } as const;
  const alone = { peer: undefined, token: undefined, epoch: 1, leaseTtlMs: 0, leaseEndsAtMs: undefined } as const;
  const deadlineAtMs = limits.durationMs === undefined ? undefined : atMs + limits.durationMs;
  const rank = { priority: "NORMAL", weight: 1, policy, deadlineAtMs, effect: undefined } as const;
  emit(draft, { type: "allocation_opened", atMs, allocationId, name, limits, ...place, ...alone, ...rank });
  const node = draft.state.allocations.get(allocationId);
  return node ? { ...standingAnswer(node), decidedAtMs: atMs } : UNCHANGED;
}

/** Raises and lowers an account to the limits given; refused as a whole when a part cannot be done now. */
export function decideSetLimits(draft: Draft, command: CommandOf<"set_limits">): Outcome {
  const node = draft.state.allocations.get(command.allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: command.allocationId });
  if (node.kind !== "account") return refuse({ code: "not_permitted", message: `${node.path} is not an account` });
  if (node.state !== "open") return refuse(closingRefusal(node));
  const unfit = checkPolicy(command.policy) ?? (command.note && noteProblem(node, command.note));
  if (unfit) return refuse(unfit);
  const now = limitsOf(node);
  const changed = RESOURCES.filter((r) => (now[r] === undefined) !== (command.limits[r] === undefined));
  if (changed.length > 0) {
    const message = "an account cannot change between limited and not limited; use a new account name";
    return refuse({ code: "invalid", violations: changed.map((r) => ({ field: `limits.${r}`, message })) });
  }
  const up = monusAmounts(amountsOf(command.limits), amountsOf(now));
  const down = monusAmounts(amountsOf(now), amountsOf(command.limits));
  const carve = carveOf(command.limits);
  const unfitCarve = resizeProblem(node, {
    carve,
    raisedBy: up.credits,
    credits: amountsOf(command.limits).credits,
    place: "limits",
  });
  if (unfitCarve) return refuse({ code: "invalid", violations: [unfitCarve] });
  const free = (r: Resource) => (r === "credits" ? generalWith(node, carve).free : freeOf(node, r));
  const tooLow = RESOURCES.find((r) => down[r] > free(r));
  if (tooLow) return refuse(inUse(node, tooLow, (now[tooLow] ?? 0) - free(tooLow)));
  const tooMuch = RESOURCES.filter((r) => node.grantedTotal[r] + up[r] > LIMITS.amountMax);
  if (tooMuch.length > 0) {
    const message = `everything ever given to ${node.path} would be above ${LIMITS.amountMax}`;
    return refuse({ code: "invalid", violations: tooMuch.map((r) => ({ field: `limits.${r}`, message })) });
  }
  const sight = node.parent ? sightIn(node.parent, node) : GENERAL;
  const scarce = node.parent && shortOf(node.parent, up, sight);
  if (node.parent && scarce) {
    const { parent } = node;
    return refuse({
      code: "conflict",
      conflict: conflictAt({ node: parent, resource: scarce, wanted: up[scarce], nowMs: draft.nowMs, sight }),
    });
  }
  return apply(draft, node, { command, up, down, carve });
}

function inUse(node: Allocation, resource: Resource, used: number) {
  const message = `${node.path} uses or has granted ${used}; the limit cannot be below that`;
  return { code: "invalid", violations: [{ field: `limits.${resource}`, message }] } as const;
}

interface Change {
  readonly command: CommandOf<"set_limits">;
  readonly up: ReturnType<typeof amountsOf>;
  readonly down: ReturnType<typeof amountsOf>;
  readonly carve: Parts;
}

function apply(draft: Draft, node: Allocation, { command, up, down, carve }: Change): Outcome {
  const { nowMs: atMs } = draft;
  const before = draft.events.length;
  if (!samePolicy(node.policy, command.policy)) {
    setPolicy(draft, node, command.policy);
  }
  if (!isNothing(up)) emit(draft, { type: "limit_raised", atMs, allocationId: node.id, by: up, effect: undefined });
  if (!sameParts(carve, node.tranches.carve)) {
    emit(draft, { type: "tranches_set", atMs, allocationId: node.id, carve }, node);
  }
  const use = useOf(node);
  if (!isNothing(down)) {
    emit(draft, { type: "limit_lowered", atMs, allocationId: node.id, by: down, preemptionId: undefined });
  }
  if (command.note) keepNote(draft, node, command.note);
  if (draft.events.length === before) return UNCHANGED;
  tellLow(draft, node, use);
  // Only now may others have what came free: they could take what the raise was checked against.
  freed(draft, node);
  if (node.parent) freed(draft, node.parent);
  serveBelow(draft, node);
  return DONE;
}

export function decideAttachNote(draft: Draft, command: CommandOf<"attach_note">): Outcome {
  const { allocationId } = command;
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  const unfit = noteProblem(node, command);
  if (unfit) return refuse(unfit);
  return keepNote(draft, node, command) ? DONE : UNCHANGED;
}

type Note = Pick<CommandOf<"attach_note">, "key" | "value">;

function noteProblem(node: Allocation, { key, value }: Note): Refusal | undefined {
  const fits = node.notes.has(key) || node.notes.size < LIMITS.notesMax;
  if (fits && value.length <= LIMITS.noteCharsMax) return undefined;
  const message = `a note has at most ${LIMITS.noteCharsMax} characters and an allocation ${LIMITS.notesMax} notes`;
  return { code: "invalid", violations: [{ field: key, message }] };
}

/** False when it is there already. */
function keepNote(draft: Draft, node: Allocation, { key, value }: Note): boolean {
  if (node.notes.get(key) === value) return false;
  emit(draft, { type: "note_attached", atMs: draft.nowMs, allocationId: node.id, key, value });
  return true;
}
