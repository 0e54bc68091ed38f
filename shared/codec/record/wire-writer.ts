/**
 * Writes protobuf's wire format, for the journal and for the messages of the hot streams: both are on the way of every answer, and the
 * generic writer takes more than three times as long. Zero, false and what is empty are left out unless the field is present all the same.
 * The journal's numbers are `int`: whole, 0 … 2^53-1, written as varints (int64, uint64, uint32, enum and bool alike). Messages have the
 * types of the contract, and a value outside its type is a RangeError.
 */
import { assert } from "#std";

const BYTES_AT_START = 64 * 1024;
const VARINT_BYTES_MAX = 8;
/** A varint of a field's number and one of 64 bits at most. */
const FIELD_BYTES_MAX = 16;
/** Up to this length a loop over the characters is faster than a call that leaves JavaScript. */
const SHORT_TEXT_CHARS = 16;
const LENGTH_DELIMITED = 2;

/** One 64-bit number, as such and as the two words that varints are made of. */
const signed = new BigInt64Array(1);
const unsigned = new BigUint64Array(signed.buffer);
const words = new Int32Array(signed.buffer);

export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(BYTES_AT_START);
  #at = 0;

  /** Begins anew; what was written and not taken is dropped. */
  reset(): void {
    this.#at = 0;
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#at;
  }

  /** A copy of what was written. */
  finish(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#at);
    bytes.set(this.#bytes.subarray(0, this.#at));
    return bytes;
  }

  int(field: number, value: number): void {
    if (value !== 0) this.#presentInt(field, value);
  }

  optionalInt(field: number, value: number | undefined): void {
    if (value !== undefined) this.#presentInt(field, value);
  }

  uint32(field: number, value: number): void {
    if (value !== 0) this.presentUint32(field, value);
  }

  presentUint32(field: number, value: number): void {
    this.#presentInt(field, uint32(field, value));
  }

  int32(field: number, value: number): void {
    if (value !== 0) this.presentInt32(field, value);
  }

  presentInt32(field: number, value: number): void {
    if (int32(field, value) < 0) this.#presentWords(field, value, -1);
    else this.#presentInt(field, value);
  }

  int64(field: number, value: bigint): void {
    if (value !== 0n) this.presentInt64(field, value);
  }

  presentInt64(field: number, value: bigint): void {
    signed[0] = value;
    if (signed[0] !== value) throw new RangeError(`field ${field} is an int64; got ${value}`);
    this.#presentWords(field, words[0] as number, words[1] as number);
  }

  uint64(field: number, value: bigint): void {
    if (value !== 0n) this.presentUint64(field, value);
  }

  presentUint64(field: number, value: bigint): void {
    unsigned[0] = value;
    if (unsigned[0] !== value) throw new RangeError(`field ${field} is a uint64; got ${value}`);
    this.#presentWords(field, words[0] as number, words[1] as number);
  }

  flag(field: number, value: boolean): void {
    if (value) this.#presentInt(field, 1);
  }

  presentFlag(field: number, value: boolean): void {
    this.#presentInt(field, value ? 1 : 0);
  }

  optionalFlag(field: number, value: boolean | undefined): void {
    if (value !== undefined) this.presentFlag(field, value);
  }

  text(field: number, value: string): void {
    if (value !== "") this.presentText(field, value);
  }

  optionalText(field: number, value: string | undefined): void {
    if (value !== undefined) this.presentText(field, value);
  }

  presentText(field: number, value: string): void {
    const { length } = value;
    // A UTF-16 code unit takes at most three bytes.
    this.#room(FIELD_BYTES_MAX + 3 * length);
    this.#varint(field * 8 + LENGTH_DELIMITED);
    if (length > SHORT_TEXT_CHARS || !this.#shortAscii(value)) this.#longText(value);
  }

  bytes(field: number, value: Uint8Array): void {
    if (value.byteLength > 0) this.presentBytes(field, value);
  }

  presentBytes(field: number, value: Uint8Array): void {
    const { byteLength } = value;
    this.#room(FIELD_BYTES_MAX + byteLength);
    this.#varint(field * 8 + LENGTH_DELIMITED);
    this.#varint(byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += byteLength;
  }

  /** A repeated text. */
  texts(field: number, values: readonly string[]): void {
    for (const value of values) this.presentText(field, value);
  }

  /** A repeated number, packed. */
  ints(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const start = this.open(field);
    for (const value of values) {
      this.#room(VARINT_BYTES_MAX);
      this.#varint(value);
    }
    this.close(start);
  }

  /** Says that a value in a message is not of the type that the contract has there. */
  foreign(wanted: string, found: unknown): never {
    throw new TypeError(`a ${wanted} was expected, got ${found === undefined ? "an object without a type" : found}`);
  }

  uint32s(field: number, values: readonly number[]): void {
    for (const value of values) uint32(field, value);
    this.ints(field, values);
  }

  int32s(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const start = this.open(field);
    for (const value of values) {
      this.#room(FIELD_BYTES_MAX);
      if (int32(field, value) < 0) this.#varintOfWords(value, -1);
      else this.#varint(value);
    }
    this.close(start);
  }

  /** Begins an embedded message; hand what it returns to `close`. */
  open(field: number): number {
    this.#room(FIELD_BYTES_MAX);
    this.#varint(field * 8 + LENGTH_DELIMITED);
    const start = this.#at;
    this.#at = start + 1;
    return start;
  }

  /** Ends the embedded message that began at `start`, and puts its length in front of it. */
  close(start: number): void {
    const length = this.#at - start - 1;
    const extra = varintBytes(length) - 1;
    if (extra > 0) {
      this.#room(extra);
      this.#bytes.copyWithin(start + 1 + extra, start + 1, this.#at);
    }
    this.#at = start;
    this.#varint(length);
    this.#at += length;
  }

  #presentInt(field: number, value: number): void {
    this.#room(FIELD_BYTES_MAX);
    this.#varint(field * 8);
    this.#varint(value);
  }

  #presentWords(field: number, low: number, high: number): void {
    this.#room(FIELD_BYTES_MAX);
    this.#varint(field * 8);
    if (high === 0 && low >= 0) this.#varint(low);
    else this.#varintOfWords(low, high);
  }

  /** Writes a short text with its length; false, and nothing written, when it is not ASCII. */
  #shortAscii(value: string): boolean {
    const bytes = this.#bytes;
    const { length } = value;
    let at = this.#at;
    bytes[at++] = length;
    for (let index = 0; index < length; index += 1) {
      const code = value.charCodeAt(index);
      if (code > 0x7f) return false;
      bytes[at++] = code;
    }
    this.#at = at;
    return true;
  }

  #longText(value: string): void {
    const start = this.#at;
    const guess = varintBytes(value.length);
    const written = this.#bytes.write(value, start + guess);
    const prefix = varintBytes(written);
    if (prefix !== guess) this.#bytes.copyWithin(start + prefix, start + guess, start + guess + written);
    this.#varint(written);
    this.#at += written;
  }

  /** There must be room for it. */
  #varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let low = value | 0;
    if (low !== value || low < 0) {
      // Not within 31 bits, which is what bitwise operators reach: the lower 28 first, then what is above, which fits.
      assert(Number.isSafeInteger(value) && value >= 0, "the journal holds whole numbers from 0 to 2^53-1");
      const high = Math.floor(value / 0x1000_0000);
      low = value - high * 0x1000_0000;
      for (let count = 0; count < 4; count += 1, low >>>= 7) bytes[at++] = (low & 0x7f) | 0x80;
      low = high;
    }
    for (; low > 0x7f; low >>>= 7) bytes[at++] = (low & 0x7f) | 0x80;
    bytes[at++] = low;
    this.#at = at;
  }

  /** The two halves of a 64-bit number, both as signed ones. There must be room for it. */
  #varintOfWords(lowWord: number, highWord: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let low = lowWord;
    let high = highWord;
    while (high !== 0 || low >>> 0 > 0x7f) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low = (low >>> 7) | (high << 25);
      high >>>= 7;
    }
    bytes[at++] = low;
    this.#at = at;
  }

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

function uint32(field: number, value: number): number {
  if (value >>> 0 !== value) throw new RangeError(`field ${field} is a uint32; got ${value}`);
  return value;
}

function int32(field: number, value: number): number {
  if ((value | 0) !== value) throw new RangeError(`field ${field} is an int32; got ${value}`);
  return value;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) count += 1;
  return count;
}
