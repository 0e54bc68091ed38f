/** Names of the engine beside the numbers of the contract, both ways. A number that has no name here is one that a newer peer knows. */
import { ALLOCATION_KINDS, CONFLICT_TYPES, DECIDED, PREEMPTION_MODES, PRIORITIES, STRATEGIES, WOULD } from "#budget";
import {
  AllocationKind,
  AllocationState,
  ConflictStrategy,
  ConflictType,
  ExecutionPriority,
  StrategySource,
  WorstPreemption,
} from "#gen/bursar/v1/allocation_pb.js";
import { Directive } from "#gen/bursar/v1/budget_service_pb.js";
import { CallKind } from "#gen/bursar/v1/meter_service_pb.js";
import { PreemptionMode } from "#gen/bursar/v1/preemption_service_pb.js";
import { DecisionKind, ShadowOutcome } from "#gen/bursar/v1/watch_service_pb.js";
import { assert } from "#std";

/** An enum of the contract by the engine's names; 0, the contract's "unspecified", is none of them. */
export interface EnumNames<Name extends string> {
  /** In the contract's order. */
  readonly names: readonly Name[];
  /** The number of a name. */
  readonly numberOf: Readonly<Record<Name, number>>;
  /** The name of a number; undefined for 0 and for numbers that are not known. */
  nameOf(number: number): Name | undefined;
}

/** Joins names with a generated enum, whose names are the same in capitals. */
export function enumNames<Name extends string>(
  generated: Readonly<Record<string, number | string>>,
  names: readonly Name[],
): EnumNames<Name> {
  const byNumber: (Name | undefined)[] = [undefined];
  const numberOf = {} as Record<Name, number>;
  for (const name of names) {
    const number = generated[name.toUpperCase()];
    assert(typeof number === "number" && number > 0, `the contract has no ${name}`);
    numberOf[name] = number;
    byNumber[number] = name;
  }
  return { names, numberOf: Object.freeze(numberOf), nameOf: (number) => byNumber[number] };
}

export const CALL_KINDS = ["model", "tool", "code"] as const;
const STATES = ["open", "closing", "closed"] as const;
const STRATEGY_SOURCES = ["request", "own", "inherited", "default"] as const;
const DIRECTIVES = ["THROTTLE", "PAUSE", "STOP", "LOW_BUDGET"] as const;

export const allocationKinds = enumNames(AllocationKind, ALLOCATION_KINDS);
export const allocationStates = enumNames(AllocationState, STATES);
export const callKinds = enumNames(CallKind, CALL_KINDS);
export const conflictTypes = enumNames(ConflictType, CONFLICT_TYPES);
export const decisionKinds = enumNames(DecisionKind, DECIDED);
export const directives = enumNames(Directive, DIRECTIVES);
export const preemptionModes = enumNames(PreemptionMode, PREEMPTION_MODES);
export const priorities = enumNames(ExecutionPriority, PRIORITIES);
export const shadowOutcomes = enumNames(ShadowOutcome, WOULD);
export const strategies = enumNames(ConflictStrategy, STRATEGIES);
export const worstPreemptions = enumNames(WorstPreemption, PREEMPTION_MODES);
export const strategySources = enumNames(StrategySource, STRATEGY_SOURCES);
