/**
 * What the generated readers of messages read from: protobuf's wire format, strictly. Beyond what protobuf-es refuses, a field of a known
 * number with another wire type and an embedded message that ends behind the one around it are refused. Fields that are not known are gone
 * past.
 */
import type { WireSource } from "#gen/bursar/v1/hot_messages.js";
import { WireFormatError } from "./wire-format-error.ts";

const NO_BYTES = Buffer.alloc(0);
const VARINT_BYTES_MAX = 10;
const TAG_BYTES_MAX = 5;
/** Messages within messages, as protobuf's own libraries allow. */
const DEPTH_MAX = 100;
/** Up to this length a text is put together faster character by character. */
const SHORT_TEXT_BYTES = 8;
const REPLACEMENT = "\uFFFD";

const VARINT = 0;
const FIXED_64 = 1;
const LENGTH_DELIMITED = 2;
const GROUP_START = 3;
const GROUP_END = 4;
const FIXED_32 = 5;

/** One 64-bit number, as such and as the two words that varints are made of. */
const signed = new BigInt64Array(1);
const unsigned = new BigUint64Array(signed.buffer);
const words = new Int32Array(signed.buffer);

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class MessageBytes implements WireSource {
  /** Where the next byte is. */
  at = 0;
  #bytes: Buffer = NO_BYTES;
  /** The same as it was given. */
  #given: Uint8Array = NO_BYTES;
  #depth = 0;

  /** Begins to read a message; returns where it ends. */
  begin(bytes: Uint8Array): number {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#given = bytes;
    this.at = 0;
    this.#depth = 1;
    return bytes.byteLength;
  }

  /** Lets go of the bytes. */
  drop(): void {
    this.#bytes = NO_BYTES;
    this.#given = NO_BYTES;
  }

  /** Number and wire type of the next field, in one number. */
  tag(): number {
    const byte = this.#bytes[this.at] as number;
    if (byte > 0x7f) return this.#longTag();
    this.at += 1;
    return byte;
  }

  open(end: number): number {
    const length = this.uint32();
    if (length > end - this.at) throw new WireFormatError("overrun", "a message ends behind the one around it");
    this.#depth += 1;
    if (this.#depth > DEPTH_MAX) throw tooDeep();
    return this.at + length;
  }

  close(end: number): void {
    if (this.at !== end) throw new WireFormatError("overrun", "a field ends behind its message");
    this.#depth -= 1;
  }

  skip(tag: number, known: number): void {
    const field = tag >>> 3;
    if (field < 31 && (known & (1 << field)) !== 0) {
      throw new WireFormatError("wire-type", `field ${field} has wire type ${tag & 7}`);
    }
    this.#skip(tag, DEPTH_MAX - this.#depth);
  }

  text(): string {
    const start = this.at;
    const short = this.#bytes[start] as number;
    if (short <= SHORT_TEXT_BYTES) return this.#shortText(start + 1, start + 1 + short);
    const length = this.uint32();
    return this.#text(this.at, this.#pass(length));
  }

  /** A view of the bytes that were given. */
  bytes(): Uint8Array {
    const length = this.uint32();
    const start = this.at;
    return this.#given.subarray(start, this.#pass(length));
  }

  flag(): boolean {
    const byte = this.#bytes[this.at] as number;
    if (byte > 0x7f) {
      this.#words();
      return words[0] !== 0 || words[1] !== 0;
    }
    this.at += 1;
    return byte !== 0;
  }

  int32(): number {
    return this.uint32() | 0;
  }

  /** As protobuf has it, of a number that is too large the lower half. */
  uint32(): number {
    const bytes = this.#bytes;
    let at = this.at;
    let byte = bytes[at++] as number;
    let value = byte & 0x7f;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (shift === VARINT_BYTES_MAX * 7) throw tooLong();
      byte = bytes[at++] as number;
      if (shift < 32) value |= (byte & 0x7f) << shift;
    }
    this.at = at;
    return value >>> 0;
  }

  int64(): bigint {
    this.#words();
    return signed[0] as bigint;
  }

  uint64(): bigint {
    this.#words();
    return unsigned[0] as bigint;
  }

  #longTag(): number {
    const start = this.at;
    const tag = this.uint32();
    const read = this.at - start;
    if (read > TAG_BYTES_MAX || (read === TAG_BYTES_MAX && (this.#bytes[this.at - 1] as number) > 0x0f)) {
      throw new WireFormatError("malformed", "a field's number is too large");
    }
    return tag;
  }

  /** Reads a varint into `words`. */
  #words(): void {
    const bytes = this.#bytes;
    let at = this.at;
    let byte = bytes[at++] as number;
    let low = byte & 0x7f;
    let high = 0;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      if (shift === VARINT_BYTES_MAX * 7) throw tooLong();
      byte = bytes[at++] as number;
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift === 28) high = bits >>> 4;
      else if (shift > 28) high |= bits << (shift - 32);
    }
    this.at = at;
    words[0] = low;
    words[1] = high;
  }

  /** Goes past so many bytes; returns where they end. */
  #pass(length: number): number {
    const end = this.at + length;
    if (end > this.#bytes.length) throw truncated();
    this.at = end;
    return end;
  }

  #shortText(start: number, end: number): string {
    const bytes = this.#bytes;
    if (end > bytes.length) throw truncated();
    this.at = end;
    let text = "";
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at] as number;
      if (byte > 0x7f) return this.#text(start, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  #text(start: number, end: number): string {
    const text = this.#bytes.toString("utf8", start, end);
    return text.includes(REPLACEMENT) ? this.#strictText(start, end) : text;
  }

  /** What has the sign for bytes that are no text: it may stand there by itself. */
  #strictText(start: number, end: number): string {
    try {
      return strictDecoder.decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw new WireFormatError("malformed", "text that is not UTF-8", { cause });
    }
  }

  #skip(tag: number, depthLeft: number): void {
    if (tag >>> 3 === 0) throw new WireFormatError("malformed", "field 0");
    switch (tag & 7) {
      case VARINT:
        while ((this.#bytes[this.at++] as number) > 0x7f);
        break;
      case FIXED_64:
        this.#pass(8);
        break;
      case LENGTH_DELIMITED: {
        const length = this.uint32();
        this.#pass(length);
        break;
      }
      case GROUP_START:
        this.#skipGroup(tag, depthLeft);
        break;
      case FIXED_32:
        this.#pass(4);
        break;
      default:
        throw new WireFormatError("malformed", `wire type ${tag & 7}`);
    }
  }

  #skipGroup(start: number, depthLeft: number): void {
    if (depthLeft <= 0) throw tooDeep();
    const end = start - GROUP_START + GROUP_END;
    for (;;) {
      if (this.at >= this.#bytes.length) throw truncated();
      const tag = this.tag();
      if (tag === end) return;
      this.#skip(tag, depthLeft - 1);
    }
  }
}

function truncated(): WireFormatError {
  return new WireFormatError("malformed", "it ends too early");
}

function tooLong(): WireFormatError {
  return new WireFormatError("malformed", "a number of more than ten bytes");
}

function tooDeep(): WireFormatError {
  return new WireFormatError("malformed", `messages more than ${DEPTH_MAX} deep`);
}
