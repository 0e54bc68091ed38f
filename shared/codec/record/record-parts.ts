/** Parts that several events of the journal share: amounts, limits, policies, effects. Field numbers are those of record.proto. */
import {
  type Access,
  type Amount,
  type Amounts,
  type Consumable,
  type EffectMark,
  type Giver,
  type InheritedPolicy,
  type Limits,
  NOTHING,
  type Parts,
  type Policy,
  type PreemptionPolicy,
  type ShareWish,
} from "#budget";
import { type EnumNames, preemptionModes, strategies } from "../enum-names.ts";
import { pooledOf } from "../pooled.ts";
import { CommitFormatError } from "./commit-format-error.ts";
import type { WireReader } from "./wire-reader.ts";
import type { WireWriter } from "./wire-writer.ts";

const AMOUNTS_FIELDS = 4;
const WISH_FIELDS = 2;
const NO_WISH = Object.freeze({});
const LIMITS_FIELDS = 8;
const TRANCHES_FIELDS = 3;
const POLICY_FIELDS = 9;
const PREEMPTION_FIELDS = 6;
const INHERITANCE_FIELDS = 5;
const EFFECT_FIELDS = 3;
const GIVER_FIELDS = 3;

/** An amount of a field; the reader has made sure of its range. */
export function readAmount(from: WireReader, field: number): Amount {
  return from.int(field) as Amount;
}

export function writeAmounts(to: WireWriter, field: number, amounts: Amounts): void {
  const start = to.open(field);
  to.int(1, amounts.credits);
  to.int(2, amounts.toolCalls);
  to.int(3, amounts.branches);
  to.int(4, amounts.memoryBytes);
  to.close(start);
}

export function readAmounts(from: WireReader, field: number): Amounts {
  const amounts = from.message(field, "Amounts", AMOUNTS_FIELDS);
  if (amounts.empty) return NOTHING;
  return {
    credits: readAmount(amounts, 1),
    toolCalls: readAmount(amounts, 2),
    branches: readAmount(amounts, 3),
    memoryBytes: readAmount(amounts, 4),
  };
}

export function writeShareWish(to: WireWriter, field: number, wish: ShareWish | undefined): void {
  if (!wish) return;
  const start = to.open(field);
  writeAmounts(to, 1, wish.min);
  writeAmounts(to, 2, wish.max);
  to.close(start);
}

/** To be spread into what has the wish, if it has one. */
export function readShareWish(from: WireReader, field: number): { readonly wish?: ShareWish } {
  if (!from.has(field)) return NO_WISH;
  const wish = from.message(field, "Wish", WISH_FIELDS);
  return { wish: { min: readAmounts(wish, 1), max: readAmounts(wish, 2) } };
}

/** A repeated field; nothing where there are no names. */
export function writeAccess(to: WireWriter, field: number, access: readonly Access[] | undefined): void {
  for (const { name, mode } of access ?? []) {
    const start = to.open(field);
    to.text(1, name);
    to.flag(2, mode === "EXCLUSIVE");
    to.close(start);
  }
}

export function readAccess(from: WireReader, field: number): Access[] {
  const access: Access[] = [];
  from.each(field, "Access", 2, (one) =>
    access.push({ name: one.text(1), mode: one.flag(2) ? "EXCLUSIVE" : "SHARED" }),
  );
  return access;
}

/** To be spread into what has names, if it has any. */
export function accessOf(from: WireReader, field: number): { readonly access?: readonly Access[] } {
  return from.has(field) ? { access: readAccess(from, field) } : {};
}

/** Of each tranche so much. */
export function writeParts(to: WireWriter, field: number, { bonus, emergency, wrapUp }: Parts): void {
  const start = to.open(field);
  to.int(1, bonus);
  to.int(2, emergency);
  to.int(3, wrapUp);
  to.close(start);
}

export function readParts(from: WireReader, field: number): Parts {
  const message = from.message(field, "Tranches", TRANCHES_FIELDS);
  return { bonus: readAmount(message, 1), emergency: readAmount(message, 2), wrapUp: readAmount(message, 3) };
}

export function writeLimits(to: WireWriter, field: number, limits: Limits): void {
  const start = to.open(field);
  to.optionalInt(1, limits.credits);
  to.optionalInt(2, limits.toolCalls);
  to.optionalInt(3, limits.branches);
  to.optionalInt(4, limits.memoryBytes);
  to.optionalInt(5, limits.durationMs);
  to.optionalInt(6, limits.priorityBonus);
  to.optionalInt(7, limits.emergencyReserve);
  to.optionalInt(8, limits.wrapUpReserve);
  to.close(start);
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export function readLimits(from: WireReader, field: number): Limits {
  const message = from.message(field, "Limits", LIMITS_FIELDS);
  const limits: Writable<Limits> = {};
  if (message.has(1)) limits.credits = readAmount(message, 1);
  if (message.has(2)) limits.toolCalls = readAmount(message, 2);
  if (message.has(3)) limits.branches = readAmount(message, 3);
  if (message.has(4)) limits.memoryBytes = readAmount(message, 4);
  if (message.has(5)) limits.durationMs = message.int(5);
  if (message.has(6)) limits.priorityBonus = readAmount(message, 6);
  if (message.has(7)) limits.emergencyReserve = readAmount(message, 7);
  if (message.has(8)) limits.wrapUpReserve = readAmount(message, 8);
  return limits;
}

export function writePolicy(to: WireWriter, field: number, policy: Policy): void {
  const start = to.open(field);
  writeOptionalName(to, 1, strategies, policy.strategy);
  to.optionalFlag(2, policy.requestMayChoose);
  to.optionalInt(3, policy.queueLengthMax);
  to.optionalInt(4, policy.queueWaitMsMax);
  to.optionalInt(5, policy.agingStepMs);
  to.ints(6, policy.lowBudgetPercents ?? []);
  if (policy.preemption !== undefined) writePreemption(to, 7, policy.preemption);
  if (policy.shadow !== undefined) writePolicy(to, 8, policy.shadow);
  if (policy.inherited !== undefined) writeInherited(to, 9, policy.inherited);
  to.close(start);
}

function writeInherited(to: WireWriter, field: number, inherited: InheritedPolicy): void {
  const start = to.open(field);
  writeOptionalName(to, 1, strategies, inherited.strategy);
  to.text(2, inherited.strategyPath ?? "");
  to.optionalInt(3, inherited.agingStepMs);
  to.ints(4, inherited.lowBudgetPercents ?? []);
  if (inherited.preemption !== undefined) writePreemption(to, 5, inherited.preemption);
  to.close(start);
}

function readInherited(from: WireReader, field: number): InheritedPolicy {
  const message = from.message(field, "RecordedInheritance", INHERITANCE_FIELDS);
  const inherited: Writable<InheritedPolicy> = {};
  const strategy = readOptionalName(message, 1, strategies);
  if (strategy !== undefined) inherited.strategy = strategy;
  const strategyPath = message.text(2);
  if (strategyPath !== "") inherited.strategyPath = strategyPath;
  if (message.has(3)) inherited.agingStepMs = message.int(3);
  if (message.has(4)) inherited.lowBudgetPercents = message.ints(4);
  if (message.has(5)) inherited.preemption = readPreemption(message, 5);
  return inherited;
}

function writePreemption(to: WireWriter, field: number, rules: PreemptionPolicy): void {
  const start = to.open(field);
  writeOptionalName(to, 1, preemptionModes, rules.worst);
  to.optionalInt(2, rules.protectMs);
  to.optionalInt(3, rules.coolDownMs);
  to.optionalInt(4, rules.victimsPerRoundMax);
  to.optionalInt(5, rules.worthPercentMin);
  to.optionalInt(6, rules.graceMs);
  to.close(start);
}

function readPreemption(from: WireReader, field: number): PreemptionPolicy {
  const message = from.message(field, "RecordedPreemption", PREEMPTION_FIELDS);
  const rules: Writable<PreemptionPolicy> = {};
  const worst = readOptionalName(message, 1, preemptionModes);
  if (worst !== undefined) rules.worst = worst;
  if (message.has(2)) rules.protectMs = message.int(2);
  if (message.has(3)) rules.coolDownMs = message.int(3);
  if (message.has(4)) rules.victimsPerRoundMax = message.int(4);
  if (message.has(5)) rules.worthPercentMin = message.int(5);
  if (message.has(6)) rules.graceMs = message.int(6);
  return rules;
}

const NO_POLICY: Policy = Object.freeze({});

export function readPolicy(from: WireReader, field: number): Policy {
  const message = from.message(field, "RecordedPolicy", POLICY_FIELDS);
  if (message.empty) return NO_POLICY;
  const policy: Writable<Policy> = {};
  const strategy = readOptionalName(message, 1, strategies);
  if (strategy !== undefined) policy.strategy = strategy;
  if (message.has(2)) policy.requestMayChoose = message.flag(2);
  if (message.has(3)) policy.queueLengthMax = message.int(3);
  if (message.has(4)) policy.queueWaitMsMax = message.int(4);
  if (message.has(5)) policy.agingStepMs = message.int(5);
  if (message.has(6)) policy.lowBudgetPercents = message.ints(6);
  if (message.has(7)) policy.preemption = readPreemption(message, 7);
  if (message.has(8)) policy.shadow = readPolicy(message, 8);
  if (message.has(9)) policy.inherited = readInherited(message, 9);
  return policy;
}

export function writeGivers(to: WireWriter, field: number, givers: readonly Giver[]): void {
  for (const { allocationId, preemptionId, mode } of givers) {
    const start = to.open(field);
    to.text(1, allocationId);
    to.text(2, preemptionId);
    writeName(to, 3, preemptionModes, mode);
    to.close(start);
  }
}

export function readGivers(from: WireReader, field: number): Giver[] {
  const givers: Giver[] = [];
  from.each(field, "Giver", GIVER_FIELDS, (giver) => {
    givers.push({
      allocationId: giver.text(1),
      preemptionId: giver.text(2),
      mode: readName(giver, 3, preemptionModes),
    });
  });
  return givers;
}

export function writeEffect(to: WireWriter, field: number, effect: EffectMark | undefined): void {
  if (effect === undefined) return;
  const start = to.open(field);
  to.text(1, effect.key);
  to.int(2, effect.fingerprint);
  to.flag(3, effect.partial);
  to.close(start);
}

export function readOptionalEffect(from: WireReader, field: number): EffectMark | undefined {
  const effect = from.optionalMessage(field, "EffectMark", EFFECT_FIELDS);
  return effect && effectOf(effect);
}

export function readEffect(from: WireReader, field: number): EffectMark {
  return effectOf(from.message(field, "EffectMark", EFFECT_FIELDS));
}

function effectOf(effect: WireReader): EffectMark {
  return { key: effect.text(1), fingerprint: effect.int(2), partial: effect.flag(3) };
}

/** Which consumables are drawn from the parent as needed: one flag each, in two fields from `field` on. */
export function writePooled(to: WireWriter, field: number, pooled: readonly Consumable[]): void {
  to.flag(field, pooled.includes("credits"));
  to.flag(field + 1, pooled.includes("toolCalls"));
}

export function readPooled(from: WireReader, field: number): readonly Consumable[] {
  return pooledOf({ credits: from.flag(field), toolCalls: from.flag(field + 1) });
}

export function writeName<N extends string>(to: WireWriter, field: number, { numberOf }: EnumNames<N>, name: N): void {
  to.int(field, numberOf[name]);
}

export function writeOptionalName<N extends string>(
  to: WireWriter,
  field: number,
  { numberOf }: EnumNames<N>,
  name: N | undefined,
): void {
  if (name !== undefined) to.int(field, numberOf[name]);
}

export function readName<N extends string>(from: WireReader, field: number, known: EnumNames<N>): N {
  const number = from.int(field);
  const name = known.nameOf(number);
  if (name !== undefined) return name;
  const message = `${from.name} has ${number} in field ${field}, which is none of ${known.names.join(", ")}`;
  throw new CommitFormatError(number === 0 ? "malformed" : "unknown-content", message);
}

export function readOptionalName<N extends string>(
  from: WireReader,
  field: number,
  known: EnumNames<N>,
): N | undefined {
  return from.int(field) === 0 ? undefined : readName(from, field, known);
}

/** Of a SHRINK whose holder has nothing more that is free. */
export function exhaustedOf(isSo: boolean): { readonly exhausted?: true } {
  return isSo ? { exhausted: true } : {};
}

/** Of a pause or stop for the sake of others. */
export function forOthersOf(isSo: boolean): { readonly forOthers?: true } {
  return isSo ? { forOthers: true } : {};
}

/** Time to end in peace, where it was written down. */
export function graceOf(graceMs: number | undefined): { readonly graceMs?: number } {
  return graceMs === undefined ? {} : { graceMs };
}
