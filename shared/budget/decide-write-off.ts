/**
 * Writing off: a person gives up the holder of a delegated allocation whose lease has ended. What is in doubt counts as spent from then on,
 * its epoch is fenced, and it closes: its held resources come free, its parent has its usage in `spent`. Nothing is refunded on a guess. The
 * true account, when it comes, corrects it (decide-report.ts).
 */
import { fingerprint, LIMITS } from "#std";
import { finishHeld } from "./ask-below.ts";
import { doubtShare } from "./book.ts";
import type { CommandOf } from "./command.ts";
import { type Draft, effectKey, emit, refuse, say } from "./draft.ts";
import { answerOf } from "./effect.ts";
import { tellLow, useOf } from "./low-budget.ts";
import type { Outcome, Refusal } from "./outcome.ts";
import { turnAwayRaises } from "./queue.ts";
import { NOTHING } from "./resource.ts";
import type { Allocation } from "./state.ts";

/** The same request again answers what was written off then. */
export function decideWriteOff(draft: Draft, command: CommandOf<"write_off">): Outcome {
  const { caller, requestId, allocationId, reason } = command;
  const key = effectKey(caller, requestId);
  const print = fingerprint(`write_off|${allocationId}|${reason}`);
  const known = draft.state.effects.get(key);
  if (known) {
    const answer = known.fingerprint === print ? answerOf(known) : undefined;
    return answer?.type === "written_off"
      ? { ...answer, repeated: true }
      : refuse({ code: "request_reused", requestId });
  }
  const node = draft.state.allocations.get(allocationId);
  if (!node) return refuse({ code: "not_found", subject: "allocation", id: allocationId });
  const refusal = checkDoubt(node, draft.nowMs) ?? checkBounds(draft);
  if (refusal) return refuse(refusal);
  const credits = doubtShare(node, "credits");
  const toolCalls = doubtShare(node, "toolCalls");
  const before = useOf(node);
  emit(draft, {
    type: "written_off",
    atMs: draft.nowMs,
    allocationId,
    epoch: node.epoch + 1,
    credits,
    toolCalls,
    reason,
    effect: { key, fingerprint: print, partial: false },
  });
  tellLow(draft, node, before);
  end(draft, node, reason);
  return { type: "written_off", allocationId, amounts: { ...NOTHING, credits, toolCalls }, repeated: false };
}

/** Why the node cannot be written off, or undefined when it is in doubt. */
function checkDoubt(node: Allocation, nowMs: number): Refusal | undefined {
  const { id: allocationId, path, side } = node;
  if (side !== "delegated") {
    return {
      code: "not_permitted",
      message: `the books of ${path} are here; only a grant to another daemon is in doubt`,
    };
  }
  if (node.state === "closed") {
    return { code: "not_in_doubt", allocationId, message: `${path} is closed: nothing of it is in doubt` };
  }
  if (node.doubtful) return undefined;
  const leftMs = Math.max(LIMITS.dueBucketMs, (node.leaseEndsAtMs ?? nowMs) - nowMs);
  const message = `${path} is not in doubt: the lease of ${node.peer} runs for ${leftMs} ms more, if it is not renewed`;
  return { code: "not_in_doubt", allocationId, message };
}

function checkBounds({ state }: Draft): Refusal | undefined {
  const { retryAfterMs } = LIMITS;
  if (state.uncorrected >= LIMITS.writtenOffMax) {
    const message = `${LIMITS.writtenOffMax} true accounts are missing already`;
    return { code: "too_many", message, retryAfterMs };
  }
  if (state.effects.size < LIMITS.effectsMax) return undefined;
  return { code: "too_many", message: `${LIMITS.effectsMax} answers are being kept`, retryAfterMs };
}

/** Its holder, should it be there, is told to stop; its final account is awaited all the same. */
function end(draft: Draft, node: Allocation, reason: string): void {
  if (node.state === "open") {
    emit(draft, { type: "allocation_closing", atMs: draft.nowMs, allocationId: node.id, reason });
    say(draft, { type: "closing", allocationId: node.id, side: node.side, holder: node.peer, reason });
    turnAwayRaises(draft, node);
  }
  finishHeld(draft, node);
}
