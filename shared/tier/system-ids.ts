/** The machine's randomness: the only file that makes ids and tokens out of it. */
import { randomFillSync, randomUUIDv7 } from "node:crypto";
import type { IdSource } from "#ports";

/** 256 bits: an allocation token is a capability that must not be guessed, ever. */
const TOKEN_BYTES = 32;

/** Chance for many tokens at a time: to draw it for each takes ten times as long as all the rest of a token. */
const POOL_TOKENS = 128;
const pool = Buffer.alloc(TOKEN_BYTES * POOL_TOKENS);
let used = pool.byteLength;

/** A token of bytes that are used once and wiped. */
function newToken(): string {
  if (used === pool.byteLength) {
    randomFillSync(pool);
    used = 0;
  }
  const from = used;
  used += TOKEN_BYTES;
  const token = pool.toString("base64url", from, used);
  pool.fill(0, from, used);
  return token;
}

/**
 * Ids are UUIDv7: they sort by the millisecond of their making (within one millisecond in no order).
 * Tokens are 43 characters of base64url.
 */
export const systemIds: IdSource = Object.freeze({
  newId: () => randomUUIDv7(),
  newToken,
  fraction: () => Math.random(),
});
