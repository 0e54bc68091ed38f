/** Amounts of resources as a person names them. */

/** Counts, and bytes of memory. An absent one was not named. */
export interface AmountOptions {
  readonly credits?: number;
  readonly toolCalls?: number;
  readonly branches?: number;
  readonly memory?: number;
}
