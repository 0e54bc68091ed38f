/** How a request takes part where budget is divided by weight: its weight, and the least that is of use. */
import { type Amount, type Amounts, amountsOf, type Limits } from "#budget";
import type { ShareTerms as ShareTermsMessage } from "#gen/bursar/v1/resources_pb.js";
import { LIMITS } from "#std";
import type { FieldCheck } from "../parse/field-check.ts";

export interface ShareTerms {
  /** 1 … LIMITS.weightMax. Default 1. */
  readonly weight: number;
  /** The least that is of use; absent: all that is asked for. */
  readonly minCredits?: Amount;
  readonly minToolCalls?: Amount;
}

/** What a wish with these limits needs at least. */
export function leastOf({ credits, toolCalls }: Limits, share: ShareTerms | undefined): Amounts {
  return amountsOf({ credits: share?.minCredits ?? credits, toolCalls: share?.minToolCalls ?? toolCalls });
}

/** To be spread into what has terms, if it has any. */
export function shareTermsFromProto(
  check: FieldCheck,
  message: ShareTermsMessage | undefined,
  limits: Limits,
): { readonly share?: ShareTerms } {
  if (!message) return {};
  const { weight, minCredits, minToolCalls } = message;
  const share: ShareTerms = {
    weight: weight === undefined ? 1 : check.whole("weight", weight, { min: 1, max: LIMITS.weightMax }),
    ...(minCredits === undefined ? {} : { minCredits: check.count("min_credits", minCredits) as Amount }),
    ...(minToolCalls === undefined ? {} : { minToolCalls: check.count("min_tool_calls", minToolCalls) as Amount }),
  };
  refuseAbove(check, "min_credits", share.minCredits, limits.credits);
  refuseAbove(check, "min_tool_calls", share.minToolCalls, limits.toolCalls);
  return { share };
}

function refuseAbove(check: FieldCheck, field: string, min: number | undefined, limit: number | undefined): void {
  if (min !== undefined && limit !== undefined && min > limit) {
    check.refuse(field, `must not exceed the limit asked for (${limit})`);
  }
}

/** To be spread into a message. */
export function shareTermsToProto(share: ShareTerms | undefined): { readonly share?: ShareTermsMessage } {
  if (!share) return {};
  const { weight, minCredits, minToolCalls } = share;
  return {
    share: {
      $typeName: "bursar.v1.ShareTerms",
      weight,
      ...(minCredits === undefined ? {} : { minCredits: BigInt(minCredits) }),
      ...(minToolCalls === undefined ? {} : { minToolCalls: BigInt(minToolCalls) }),
    },
  };
}
