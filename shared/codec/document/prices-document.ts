/**
 * The price file: what model calls, tool calls and code executions cost in credits. Prices per token and per second are whole numbers
 * or exact fractions written as "3/1000"; decimals are refused, because 0.003 has no exact value in a computer's floating point.
 */
import type { Amount } from "#budget";
import { LIMITS } from "#std";
import { defaulted, object, optional, record, required } from "./collections.ts";
import { credits } from "./limits-reader.ts";
import type { Reader } from "./place.ts";
import type { CodePrice, ModelPrice, Price } from "./price.ts";
import type { DocumentResult } from "./problem.ts";
import { readDocument } from "./read-document.ts";
import { text } from "./scalars.ts";
import type { DocumentInput } from "./source.ts";

/** Prices by name. The name "default" stands for every name that is not listed. */
export interface PriceTable {
  readonly models: Readonly<Record<string, ModelPrice>>;
  /** Credits per call. */
  readonly tools: Readonly<Record<string, Amount>>;
  /** Absent: code has no price here, and whoever needs one refuses. */
  readonly code?: CodePrice;
}

const FRACTION = /^(0|[1-9][0-9]*(?:_[0-9]+)*)(?:\/([1-9][0-9]*(?:_[0-9]+)*))?$/;

function greatestDivisor(left: bigint, right: bigint): bigint {
  return right === 0n ? left : greatestDivisor(right, left % right);
}

const price: Reader<Price> = (place) => {
  const [, above, below = "1"] = FRACTION.exec(place.text ?? "") ?? [];
  if (above === undefined) {
    return place.refuse(`must be credits per unit, a whole number or a fraction like "3/1000"; got ${place.shown}`);
  }
  const [numerator, denominator] = [BigInt(above.replaceAll("_", "")), BigInt(below.replaceAll("_", ""))];
  const divisor = greatestDivisor(numerator, denominator);
  const largest = BigInt(LIMITS.amountMax) * divisor;
  if (numerator > largest || denominator > largest) {
    return place.refuse(`must not use numbers above ${LIMITS.amountMax}; got ${place.shown}`);
  }
  return { numerator: Number(numerator / divisor), denominator: Number(denominator / divisor) };
};

const callName = text({
  pattern: /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/,
  mustBe: "a name of letters, digits and . _ : / @ -, starting with a letter or digit",
  charsMax: 200,
});
const byName = { key: callName, entriesMax: LIMITS.priceNamesMax };

const pricesDocument: Reader<PriceTable> = object({
  models: defaulted(
    "models",
    record<ModelPrice>(
      object({ contextToken: required("context_token", price), generatedToken: required("generated_token", price) }),
      { ...byName, noun: "models" },
    ),
    {},
  ),
  tools: defaulted("tools", record(credits, { ...byName, noun: "tools" }), {}),
  code: optional("code", object({ call: required("call", price), second: required("second", price) })),
});

/** Reads a price file (see examples/prices.yaml for its form). */
export function readPricesDocument(input: DocumentInput): DocumentResult<PriceTable> {
  return readDocument(input, pricesDocument);
}

function byNameOrDefault<T>(prices: Readonly<Record<string, T>>, name: string): T | undefined {
  if (Object.hasOwn(prices, name)) return prices[name];
  return Object.hasOwn(prices, "default") ? prices.default : undefined;
}

/** The price of a model: its own, else the default; undefined when the table has neither. */
export function modelPrice(table: PriceTable, model: string): ModelPrice | undefined {
  return byNameOrDefault(table.models, model);
}

/** The credits of one call of a tool: its own, else the default; undefined when the table has neither. */
export function toolCallCost(table: PriceTable, tool: string): Amount | undefined {
  return byNameOrDefault(table.tools, tool);
}
