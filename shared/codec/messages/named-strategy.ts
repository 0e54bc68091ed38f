/** A strategy that may be named: the one by which work competes, or the one that decides about a request. */
import type { StrategyName } from "#budget";
import type { ConflictStrategy } from "#gen/bursar/v1/allocation_pb.js";
import { strategies } from "../enum-names.ts";
import type { FieldCheck } from "../parse/field-check.ts";

/** Where a message names one, with the name of the field on the wire. */
const FIELDS = { strategy: "strategy", requestStrategy: "request_strategy" } as const;

type Field = keyof typeof FIELDS;

/** To be spread into what names a strategy, if the message does. */
export function namedStrategy<K extends Field>(
  check: FieldCheck,
  field: K,
  message: { readonly [P in K]: ConflictStrategy },
): { readonly [P in K]?: StrategyName } {
  const name = check.optionalChoice(FIELDS[field], message[field], strategies);
  return name === undefined ? {} : ({ [field]: name } as { [P in K]: StrategyName });
}

/** The contract's number; unspecified where none is named. */
export function namedStrategyToProto(name: StrategyName | undefined): ConflictStrategy {
  return name === undefined ? 0 : strategies.numberOf[name];
}
