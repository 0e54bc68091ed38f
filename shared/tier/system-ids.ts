/** The machine's randomness: the only file that makes ids and tokens out of it. */
import { randomFillSync } from "node:crypto";
import type { IdSource } from "#ports";
import { systemClock } from "./system-clock.ts";

/** 256 bits: an allocation token is a capability that must not be guessed, ever. */
const TOKEN_BYTES = 32;

/** Chance for many tokens at a time: to draw it for each takes ten times as long as all the rest of a token. */
const POOL_TOKENS = 128;
const pool = Buffer.alloc(TOKEN_BYTES * POOL_TOKENS);
let used = pool.byteLength;

/** Where the next `bytes` of chance begin in the pool. They are used once. */
function draw(bytes: number): number {
  if (used + bytes > pool.byteLength) {
    randomFillSync(pool);
    used = 0;
  }
  const from = used;
  used += bytes;
  return from;
}

/** A token of bytes that are wiped, so that nothing else can be made of them. */
function newToken(): string {
  const from = draw(TOKEN_BYTES);
  const token = pool.toString("base64url", from, used);
  pool.fill(0, from, used);
  return token;
}

/** The bytes of chance in an id, of which six bits are given. */
const ID_BYTES = 10;
const HEX = Buffer.from("0123456789abcdef", "latin1");

/** The text of the latest id: what does not change stays, and so does its time within one millisecond. */
const text = Buffer.from("00000000-0000-7000-8000-000000000000", "latin1");
let stampedMs = 0;

function putByte(at: number, byte: number): void {
  text[at] = HEX[byte >> 4] ?? 0;
  text[at + 1] = HEX[byte & 15] ?? 0;
}

function putTime(wallMs: number): void {
  let rest = wallMs;
  for (const at of [11, 9, 6, 4, 2, 0]) {
    putByte(at, rest % 256);
    rest = Math.floor(rest / 256);
  }
  stampedMs = wallMs;
}

/**
 * A UUIDv7 as one flat text. That of node:crypto is put together of twenty pieces, which the first map or message that takes it has to
 * join: here that would be on the way of every call.
 */
function newId(): string {
  const wallMs = systemClock.wallMs();
  if (wallMs !== stampedMs) putTime(wallMs);
  const from = draw(ID_BYTES);
  text[15] = HEX[(pool[from] ?? 0) & 15] ?? 0;
  putByte(16, pool[from + 1] ?? 0);
  putByte(19, ((pool[from + 2] ?? 0) & 0x3f) | 0x80);
  putByte(21, pool[from + 3] ?? 0);
  for (let byte = 0; byte < 6; byte += 1) putByte(24 + 2 * byte, pool[from + 4 + byte] ?? 0);
  return text.toString("latin1");
}

/** 53 bits. */
const SEED_BYTES = 7;

/** A seed for tables in memory: a whole number, 0 … 2^53-1. */
export function newHashSeed(): number {
  const from = draw(SEED_BYTES);
  const seed = pool.readUIntLE(from, 6) + ((pool[from + 6] ?? 0) & 0x1f) * 2 ** 48;
  pool.fill(0, from, used);
  return seed;
}

/**
 * Ids are UUIDv7: they sort by the millisecond of their making (within one millisecond in no order).
 * Tokens are 43 characters of base64url.
 */
export const systemIds: IdSource = Object.freeze({
  newId,
  newToken,
  fraction: () => Math.random(),
});
