/**
 * A fast fingerprint of a text: the same text gives the same number on every machine and in every version, so it may be stored.
 * The algorithm is MurmurHash3_x86_128 by Austin Appleby (SMHasher, public domain) with seed 0, over the text's UTF-16 code units as
 * little-endian bytes. It finds accidental differences; it is no defence against someone who looks for a collision.
 */

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;
const UNITS_PER_BLOCK = 8;

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function finalMix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function scramble(word: number, before: number, bits: number, after: number): number {
  return Math.imul(rotateLeft(Math.imul(word, before), bits), after);
}

/** Two code units as one little-endian word; what lies beyond the end counts as zero, which leaves the state as it is. */
function wordAt(text: string, index: number): number {
  if (index + 1 < text.length) return text.charCodeAt(index) | (text.charCodeAt(index + 1) << 16);
  return index < text.length ? text.charCodeAt(index) : 0;
}

/** Writes the 128-bit hash of `text` into the first four words of `into`. */
export function murmur128(text: string, into: Uint32Array): void {
  let [h1, h2, h3, h4] = [0, 0, 0, 0];
  const tail = text.length - (text.length % UNITS_PER_BLOCK);
  for (let index = 0; index < tail; index += UNITS_PER_BLOCK) {
    h1 ^= scramble(wordAt(text, index), C1, 15, C2);
    h1 = (Math.imul((rotateLeft(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= scramble(wordAt(text, index + 2), C2, 16, C3);
    h2 = (Math.imul((rotateLeft(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= scramble(wordAt(text, index + 4), C3, 17, C4);
    h3 = (Math.imul((rotateLeft(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= scramble(wordAt(text, index + 6), C4, 18, C1);
    h4 = (Math.imul((rotateLeft(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  h1 ^= scramble(wordAt(text, tail), C1, 15, C2);
  h2 ^= scramble(wordAt(text, tail + 2), C2, 16, C3);
  h3 ^= scramble(wordAt(text, tail + 4), C3, 17, C4);
  h4 ^= scramble(wordAt(text, tail + 6), C4, 18, C1);
  const lengthBytes = text.length * 2;
  h1 ^= lengthBytes;
  h2 ^= lengthBytes;
  h3 ^= lengthBytes;
  h4 ^= lengthBytes;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = finalMix((h2 + h1) | 0);
  h3 = finalMix((h3 + h1) | 0);
  h4 = finalMix((h4 + h1) | 0);
  h1 = finalMix(h1);
  h1 = (h1 + h2 + h3 + h4) | 0;
  into[0] = h1;
  into[1] = h2 + h1;
  into[2] = h3 + h1;
  into[3] = h4 + h1;
}

const words = new Uint32Array(4);

/**
 * A whole number from 0 to 2^53-1 for `text`: the low 53 bits of its MurmurHash3_x86_128. Among a million different texts two share
 * a number with a chance of about 1 in 18 thousand.
 */
export function fingerprint(text: string): number {
  murmur128(text, words);
  return ((words[1] as number) & 0x1fffff) * 0x1_0000_0000 + (words[0] as number);
}
