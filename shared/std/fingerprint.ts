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
const UNITS_AT_START = 1_024;
const ZERO = "0".charCodeAt(0);
const COMMA = ",".charCodeAt(0);

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
function restAt(units: Uint16Array, index: number, length: number): number {
  if (index + 1 < length) return wordAt(units, index);
  return index < length ? (units[index] as number) : 0;
}

function wordAt(units: Uint16Array, index: number): number {
  return (units[index] as number) | ((units[index + 1] as number) << 16);
}

function hashUnits(units: Uint16Array, length: number, into: Uint32Array): void {
  let [h1, h2, h3, h4] = [0, 0, 0, 0];
  const tail = length - (length % UNITS_PER_BLOCK);
  for (let index = 0; index < tail; index += UNITS_PER_BLOCK) {
    h1 ^= scramble(wordAt(units, index), C1, 15, C2);
    h1 = (Math.imul((rotateLeft(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= scramble(wordAt(units, index + 2), C2, 16, C3);
    h2 = (Math.imul((rotateLeft(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= scramble(wordAt(units, index + 4), C3, 17, C4);
    h3 = (Math.imul((rotateLeft(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= scramble(wordAt(units, index + 6), C4, 18, C1);
    h4 = (Math.imul((rotateLeft(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  h1 ^= scramble(restAt(units, tail, length), C1, 15, C2);
  h2 ^= scramble(restAt(units, tail + 2, length), C2, 16, C3);
  h3 ^= scramble(restAt(units, tail + 4, length), C3, 17, C4);
  h4 ^= scramble(restAt(units, tail + 6, length), C4, 18, C1);
  const lengthBytes = length * 2;
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

function low53Bits(): number {
  return ((words[1] as number) & 0x1fffff) * 0x1_0000_0000 + (words[0] as number);
}

/**
 * The fingerprint of a text that is put together of pieces, and never made: for requests, whose many fields would be joined, hashed and
 * thrown away, one by one. `fingerprint` of the joined text is the same number. To be used again and again, by one at a time.
 */
export class FingerprintPieces {
  #units = new Uint16Array(UNITS_AT_START);
  #length = 0;

  /** Begins anew. */
  clear(): this {
    this.#length = 0;
    return this;
  }

  text(piece: string): this {
    const { length } = piece;
    this.#room(length);
    const units = this.#units;
    let at = this.#length;
    for (let index = 0; index < length; index += 1) units[at++] = piece.charCodeAt(index);
    this.#length = at;
    return this;
  }

  /** A number as JavaScript writes it; nothing when it is absent. */
  number(value: number | undefined): this {
    if (value === undefined) return this;
    if ((value | 0) !== value || value < 0) return this.text(String(value));
    let digits = 1;
    for (let rest = value; rest > 9; rest = (rest / 10) | 0) digits += 1;
    this.#room(digits);
    this.#length += digits;
    let rest = value;
    for (let at = this.#length - 1; digits > 0; at -= 1, digits -= 1) {
      const next = (rest / 10) | 0;
      this.#units[at] = ZERO + rest - next * 10;
      rest = next;
    }
    return this;
  }

  /** A number or nothing, and a comma after it. */
  item(value: number | undefined): this {
    this.number(value);
    this.#room(1);
    this.#units[this.#length] = COMMA;
    this.#length += 1;
    return this;
  }

  /** The fingerprint of all pieces since `clear`. */
  sum(): number {
    hashUnits(this.#units, this.#length, words);
    return low53Bits();
  }

  /** Writes the 128-bit hash of all pieces into the first four words of `into`. */
  hashInto(into: Uint32Array): void {
    hashUnits(this.#units, this.#length, into);
  }

  #room(units: number): void {
    const needed = this.#length + units;
    if (needed <= this.#units.length) return;
    const larger = new Uint16Array(2 * needed);
    larger.set(this.#units);
    this.#units = larger;
  }
}

const pieces = new FingerprintPieces();

/** Writes the 128-bit hash of `text` into the first four words of `into`. */
export function murmur128(text: string, into: Uint32Array): void {
  pieces.clear().text(text).hashInto(into);
}

/**
 * A whole number from 0 to 2^53-1 for `text`: the low 53 bits of its MurmurHash3_x86_128. Among a million different texts two share
 * a number with a chance of about 1 in 18 thousand.
 */
export function fingerprint(text: string): number {
  return pieces.clear().text(text).sum();
}
