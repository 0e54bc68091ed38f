/** Reads `limits`, the same in every document, into the engine's Limits. */
import type { Amount, Limits } from "#budget";
import { type Fields, mapped, object, optional, required } from "./collections.ts";
import type { Place, Reader } from "./place.ts";
import { bytes, duration, whole } from "./scalars.ts";

/** Amounts that come out of `whole` and `bytes` are within the range of an Amount. */
function amountOf(reader: Reader<number>): Reader<Amount> {
  return mapped(reader, (value) => value as Amount);
}

export const credits: Reader<Amount> = amountOf(whole({ unit: "credits" }));

export const toolCalls: Reader<Amount> = amountOf(whole({ unit: "tool calls" }));

/** The limits that add up among children, with the keys they have in documents. */
export const DIVIDED_LIMITS = [
  { key: "credits", resource: "credits", reader: credits },
  { key: "tool_calls", resource: "toolCalls", reader: toolCalls },
  { key: "branches", resource: "branches", reader: amountOf(whole({ unit: "branches" })) },
  { key: "memory", resource: "memoryBytes", reader: amountOf(bytes) },
] as const;

const [, calls, branches, memory] = DIVIDED_LIMITS;
const commonFields = {
  toolCalls: optional(calls.key, calls.reader),
  branches: optional(branches.key, branches.reader),
  memoryBytes: optional(memory.key, memory.reader),
  durationMs: optional("duration", duration()),
  priorityBonus: optional("priority_bonus", credits),
  emergencyReserve: optional("emergency_reserve", credits),
} satisfies Fields;

/** The two special parts lie inside the credits. */
function checkCarve(place: Place): void {
  const total = place.peek(credits, "credits");
  const bonus = place.peek(credits, "priority_bonus") ?? 0;
  const reserve = place.peek(credits, "emergency_reserve") ?? 0;
  const part = place.find("emergency_reserve") ?? place.find("priority_bonus");
  if (part === undefined) return;
  if (place.find("credits") === undefined) {
    part.refuse("is a part of the credits; state credits too");
  } else if (total !== undefined && BigInt(bonus) + BigInt(reserve) > BigInt(total)) {
    part.refuse(
      `priority_bonus ${bonus} and emergency_reserve ${reserve} lie inside the credits, but there are only ${total}`,
    );
  }
}

/** Limits that need not state any resource. */
export const limits: Reader<Limits> = object({ credits: optional("credits", credits), ...commonFields }, checkCarve);

/** Limits that must state their credits. */
export const limitsWithCredits: Reader<Limits & { readonly credits: Amount }> = object(
  { credits: required("credits", credits), ...commonFields },
  checkCarve,
);
