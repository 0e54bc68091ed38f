/** Amounts as pieces of the text of a request. */
import type { FingerprintPieces } from "#std";
import type { Amounts } from "./resource.ts";

export function addAmounts(to: FingerprintPieces, { credits, toolCalls, branches, memoryBytes }: Amounts): void {
  to.item(credits).item(toolCalls).item(branches).number(memoryBytes);
}
