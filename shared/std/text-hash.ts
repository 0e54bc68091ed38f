/**
 * A keyed 32-bit hash of texts for tables in memory: HalfSipHash-1-3 (Aumasson and Bernstein's SipHash on 32-bit words, as Linux uses it
 * for its tables). Who does not know the seed cannot choose texts that fall together. It is not stored and not told: two processes hash
 * the same text differently. Texts of Latin-1 characters, as ids are, go four characters to a word, others two.
 */

/** Marks texts with characters beyond Latin-1, so that no two texts are the same words. */
const WIDE = 0xee;
const FINAL = 0xff;
const FINAL_ROUNDS = 3;
const LATIN_MAX = 0xff;
/** What SipHash adds to its key. */
const [ADDED_LOW, ADDED_HIGH] = [0x6c796765, 0x74656462];

export class TextHash {
  readonly #low: number;
  readonly #high: number;
  /** The latest text and its hash: one and the same text is often looked for and then put in. */
  #latest = "";
  #latestHash: number;

  /** `seed`: a whole number, 0 … 2^53-1. */
  constructor(seed: number) {
    this.#low = seed | 0;
    this.#high = Math.floor(seed / 0x1_0000_0000) | 0;
    this.#latestHash = this.#hash("");
  }

  /** The hash, as a signed number of 32 bits. */
  of(text: string): number {
    if (text === this.#latest) return this.#latestHash;
    const hash = this.#hash(text);
    this.#latest = text;
    this.#latestHash = hash;
    return hash;
  }

  /** The rounds stand here twice and below once more: as a function of four numbers that change they would take twice as long. */
  #hash(text: string): number {
    let v0 = this.#low;
    let v1 = this.#high;
    let v2 = ADDED_LOW ^ v0;
    let v3 = ADDED_HIGH ^ v1;
    let all = 0;
    const { length } = text;
    let at = 0;
    for (const end = length - 3; at < end; at += 4) {
      const c0 = text.charCodeAt(at);
      const c1 = text.charCodeAt(at + 1);
      const c2 = text.charCodeAt(at + 2);
      const c3 = text.charCodeAt(at + 3);
      all |= c0 | c1 | c2 | c3;
      const m = c0 | (c1 << 8) | (c2 << 16) | (c3 << 24);
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    let m = length << 24;
    for (let shift = 0; at < length; at += 1, shift += 8) {
      const c = text.charCodeAt(at);
      all |= c;
      m |= c << shift;
    }
    if (all > LATIN_MAX) return this.#wide(text);
    return finish(v0, v1, v2, v3, m);
  }

  #wide(text: string): number {
    const bytes = new Uint8Array(2 * text.length);
    for (let at = 0; at < text.length; at += 1) {
      const c = text.charCodeAt(at);
      bytes[2 * at] = c & 0xff;
      bytes[2 * at + 1] = c >>> 8;
    }
    return this.#bytes(bytes, 0, bytes.length, WIDE);
  }

  /** The hash of the text whose Latin-1 characters are these bytes. */
  ofLatin(bytes: Uint8Array, from: number, length: number): number {
    return this.#bytes(bytes, from, length, 0);
  }

  #bytes(bytes: Uint8Array, from: number, length: number, mark: number): number {
    let v0 = this.#low;
    let v1 = this.#high;
    let v2 = ADDED_LOW ^ v0 ^ mark;
    let v3 = ADDED_HIGH ^ v1;
    let at = from;
    for (const end = from + length - 3; at < end; at += 4) {
      const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
      const m = low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
      v3 ^= m;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= m;
    }
    let m = length << 24;
    for (let shift = 0; at < from + length; at += 1, shift += 8) m |= (bytes[at] as number) << shift;
    return finish(v0, v1, v2, v3, m);
  }
}

/** The round of the last word, and the final ones. */
function finish(a: number, b: number, c: number, d: number, last: number): number {
  let [v0, v1, v2, v3] = [a, b, c, d ^ last];
  for (let round = 0; round <= FINAL_ROUNDS; round += 1) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round > 0) continue;
    v0 ^= last;
    v2 ^= FINAL;
  }
  return v1 ^ v3;
}
