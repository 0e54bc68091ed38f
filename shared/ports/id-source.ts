/** Where new names come from: random in a daemon, seeded in a simulation. */
export interface IdSource {
  /** A new unique id, sortable by time of making (UUIDv7 in a daemon). */
  newId(): string;
  /** A new unguessable capability: at least 128 bits of randomness, base64url. */
  newToken(): string;
  /** A random fraction, 0 ≤ x < 1, for jitter. */
  fraction(): number;
}
