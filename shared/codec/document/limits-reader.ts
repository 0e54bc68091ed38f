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
  wrapUpReserve: optional("wrap_up_reserve", credits),
} satisfies Fields;

const PARTS = ["priority_bonus", "emergency_reserve", "wrap_up_reserve"] as const;

/** The special parts lie inside the credits. */
function checkCarve(place: Place): void {
  const total = place.peek(credits, "credits");
  const stated = PARTS.filter((name) => place.find(name) !== undefined);
  const last = stated.at(-1);
  const part = last && place.find(last);
  if (part === undefined) return;
  const sizes = stated.map((name) => ({ name, size: place.peek(credits, name) ?? 0 }));
  const together = sizes.reduce((sum, { size }) => sum + BigInt(size), 0n);
  if (place.find("credits") === undefined) {
    part.refuse("is a part of the credits; state credits too");
  } else if (total !== undefined && together > BigInt(total)) {
    const words = sizes.map(({ name, size }) => `${name} ${size}`).join(" and ");
    part.refuse(`${words} lie inside the credits, but there are only ${total}`);
  }
}

/** The credits that the limits of a place keep for some, all together. */
export function carvedIn(place: Place): bigint {
  return PARTS.reduce((sum, part) => sum + BigInt(place.peek(credits, "limits", part) ?? 0), 0n);
}

/** Limits that need not state any resource. */
export const limits: Reader<Limits> = object({ credits: optional("credits", credits), ...commonFields }, checkCarve);

/** Limits that must state their credits. */
export const limitsWithCredits: Reader<Limits & { readonly credits: Amount }> = object(
  { credits: required("credits", credits), ...commonFields },
  checkCarve,
);
