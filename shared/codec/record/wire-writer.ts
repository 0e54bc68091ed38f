/**
 * Writes protobuf's wire format by hand, for the journal alone: its encoding is on the way of every answer, and the generic writer
 * takes more than three times as long, most of it for 64-bit integers as bigint. Numbers are whole, 0 … 2^53-1, written as varints
 * (int64, uint64, uint32, enum and bool alike). Zero, false and empty text are left out unless the field is optional and present.
 */
import { assert } from "#std";

const BYTES_AT_START = 64 * 1024;
const VARINT_BYTES_MAX = 8;
/** Up to this length a loop over the characters is faster than a call of the text encoder. */
const SHORT_TEXT_CHARS = 64;
const LENGTH_DELIMITED = 2;

const textEncoder = new TextEncoder();

export class WireWriter {
  #bytes = new Uint8Array(BYTES_AT_START);
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
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at);
  }

  int(field: number, value: number): void {
    if (value !== 0) this.#presentInt(field, value);
  }

  optionalInt(field: number, value: number | undefined): void {
    if (value !== undefined) this.#presentInt(field, value);
  }

  flag(field: number, value: boolean): void {
    if (value) this.#presentInt(field, 1);
  }

  optionalFlag(field: number, value: boolean | undefined): void {
    if (value !== undefined) this.#presentInt(field, value ? 1 : 0);
  }

  text(field: number, value: string): void {
    if (value !== "") this.#presentText(field, value);
  }

  optionalText(field: number, value: string | undefined): void {
    if (value !== undefined) this.#presentText(field, value);
  }

  /** A repeated text. */
  texts(field: number, values: readonly string[]): void {
    for (const value of values) this.#presentText(field, value);
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

  /** Begins an embedded message; hand what it returns to `close`. */
  open(field: number): number {
    this.#room(2 * VARINT_BYTES_MAX);
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
    this.#room(2 * VARINT_BYTES_MAX);
    this.#varint(field * 8);
    this.#varint(value);
  }

  #presentText(field: number, value: string): void {
    const { length } = value;
    // A UTF-16 code unit takes at most three bytes.
    this.#room(2 * VARINT_BYTES_MAX + 3 * length);
    this.#varint(field * 8 + LENGTH_DELIMITED);
    if (length > SHORT_TEXT_CHARS || !this.#shortAscii(value)) this.#longText(value);
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
    const { written } = textEncoder.encodeInto(value, this.#bytes.subarray(start + guess));
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

  #room(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 0x80)) count += 1;
  return count;
}
