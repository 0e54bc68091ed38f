/** What an event says of the request that it answers. */

/** One effect per (caller, request_id): the key, and a hash of what was asked. */
export interface EffectMark {
  readonly key: string;
  readonly fingerprint: number;
  /** Less was granted than wished. */
  readonly partial: boolean;
}
