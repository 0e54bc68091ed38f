/**
 * Reads one protobuf message at a time by its field numbers, for the journal: the counterpart of WireWriter. Strict: what the message is
 * not known to have, what does not fit into 2^53-1, and what does not end where it should is a CommitFormatError. Fields have numbers of at
 * most 30, so that those present fit into one number; beyond these there are only embedded messages, with numbers of at most 61.
 */
import { assert } from "#std";
import { CommitFormatError } from "./commit-format-error.ts";

const FIELD_MAX = 30;
const MESSAGE_FIELD_MAX = 61;
const VARINT = 0;
const LENGTH_DELIMITED = 2;
const REPLACEMENT = "\uFFFD";
/** Beyond these many bits a varint no longer fits into 2^53-1. */
const VARINT_SCALE_MAX = 2 ** 49;

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What reads a message that stands in a field of its own: its name for errors, and the number of its last field. */
export interface MessageReader<T> {
  readonly name: string;
  readonly fields: number;
  read(from: WireReader): T;
}

export class WireReader {
  readonly #bytes: Buffer;
  /** Name of the message being read, for errors. */
  #name = "";
  #start = 0;
  #end = 0;
  #at = 0;
  /** Where the latest field that `#next` found begins. */
  #rangeStart = 0;
  /** Bit per field that was there: as a number, and as bytes. */
  #numbers = 0;
  #ranges = 0;
  /** The same of the embedded messages beyond FIELD_MAX, from the lowest bit on. */
  #further = 0;
  /** First field that is not known, 0 when there is none. */
  #unknown = 0;
  readonly #values: number[] = new Array<number>(MESSAGE_FIELD_MAX + 1).fill(0);
  readonly #ends: number[] = new Array<number>(MESSAGE_FIELD_MAX + 1).fill(0);
  /** Reads what is embedded; one reader per level, used again and again. */
  #inner: WireReader | undefined;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  static of(bytes: Uint8Array): WireReader {
    return new WireReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** Reads all bytes as one message with fields up to `lastField`; unknown ones are kept for `refuseUnknown`. */
  whole(name: string, lastField: number): this {
    this.#scan(name, 0, this.#bytes.length, lastField);
    return this;
  }

  /** Throws when the message has a field that is not known. */
  refuseUnknown(): this {
    if (this.#unknown === 0) return this;
    const message = `${this.#name} has field ${this.#unknown}, which this release does not know`;
    throw new CommitFormatError("unknown-content", message);
  }

  /** Name of the message being read. */
  get name(): string {
    return this.#name;
  }

  has(field: number): boolean {
    return ((this.#numbers | this.#ranges) & (1 << field)) !== 0;
  }

  /** The number of the one field that is there from `first` on. */
  onlyFieldFrom(first: number): number {
    const fields = (this.#numbers | this.#ranges) >>> first;
    if (this.#further !== 0) return this.#onlyFurther(fields);
    if (fields === 0) throw this.#malformed("it says nothing");
    if ((fields & (fields - 1)) !== 0) throw this.#malformed("it says more than one thing");
    return first + 31 - Math.clz32(fields);
  }

  #onlyFurther(others: number): number {
    const further = this.#further;
    if (others !== 0 || (further & (further - 1)) !== 0) throw this.#malformed("it says more than one thing");
    return FIELD_MAX + 32 - Math.clz32(further);
  }

  /** The number of the one field that is there of `first` to `last`. */
  onlyOf(first: number, last: number): number {
    const all = this.#numbers | this.#ranges;
    const fields = (all >>> first) & ((1 << (last - first + 1)) - 1);
    if (fields === 0) throw this.#malformed(`none of fields ${first} to ${last} is there`);
    if ((fields & (fields - 1)) !== 0) throw this.#malformed(`more than one of fields ${first} to ${last} is there`);
    return first + 31 - Math.clz32(fields);
  }

  /** True when no field is there. */
  get empty(): boolean {
    return (this.#numbers | this.#ranges | this.#further) === 0;
  }

  /** The number of a field; 0 when it is absent. */
  int(field: number): number {
    const bit = 1 << field;
    if ((this.#numbers & bit) !== 0) return this.#values[field] as number;
    if ((this.#ranges & bit) !== 0) throw this.#malformed(`field ${field} is no number`);
    return 0;
  }

  optionalInt(field: number): number | undefined {
    return this.has(field) ? this.int(field) : undefined;
  }

  flag(field: number): boolean {
    return this.int(field) !== 0;
  }

  text(field: number): string {
    const bit = 1 << field;
    if ((this.#ranges & bit) === 0) {
      if ((this.#numbers & bit) !== 0) throw this.#malformed(`field ${field} is no text`);
      return "";
    }
    return this.#text(this.#values[field] as number, this.#ends[field] as number);
  }

  optionalText(field: number): string | undefined {
    return this.has(field) ? this.text(field) : undefined;
  }

  /** A field of bytes; empty when it is absent. They are those of the whole, not a copy. */
  bytes(field: number): Uint8Array {
    const bit = 1 << field;
    if ((this.#numbers & bit) !== 0) throw this.#malformed(`field ${field} is a number`);
    if ((this.#ranges & bit) === 0) return new Uint8Array();
    const start = this.#values[field] as number;
    const { buffer, byteOffset } = this.#bytes;
    return new Uint8Array(buffer, byteOffset + start, (this.#ends[field] as number) - start);
  }

  /** Reads an embedded message, which is valid until the next is read through this reader; undefined when it is absent. */
  optionalMessage(field: number, name: string, lastField: number): WireReader | undefined {
    if (field > FIELD_MAX) {
      if ((this.#further & (1 << (field - FIELD_MAX - 1))) === 0) return undefined;
      return this.#embedded(name, this.#values[field] as number, this.#ends[field] as number, lastField);
    }
    const bit = 1 << field;
    if ((this.#ranges & bit) === 0) {
      if ((this.#numbers & bit) !== 0) throw this.#malformed(`field ${field} is no message`);
      return undefined;
    }
    return this.#embedded(name, this.#values[field] as number, this.#ends[field] as number, lastField);
  }

  /** As optionalMessage, for one that must be there. */
  message(field: number, name: string, lastField: number): WireReader {
    const found = this.optionalMessage(field, name, lastField);
    if (found === undefined) throw this.#malformed(`${name} is missing`);
    return found;
  }

  /** Reads each of a repeated embedded message in turn. */
  each(field: number, name: string, lastField: number, take: (message: WireReader) => void): void {
    if (!this.#isList(field)) return;
    for (let at = this.#next(); at !== 0; at = this.#next()) {
      if (at === field) take(this.#embedded(name, this.#rangeStart, this.#at, lastField));
    }
  }

  /**
   * Reads what `read` makes of each embedded message from field `first` on, in the order in which they stand, one at a time: what is read is
   * short-lived then. `kinds` has all of these fields.
   */
  *eachFrom<T>(first: number, kinds: readonly MessageReader<T>[]): Generator<T, void> {
    const wrong = this.#numbers >>> first;
    if (wrong !== 0) throw this.#malformed(`field ${first + 31 - Math.clz32(wrong)} is no message`);
    this.#at = this.#start;
    for (let at = this.#next(); at !== 0; at = this.#next()) {
      const kind = at < first ? undefined : kinds[at - first];
      if (kind) yield kind.read(this.#embedded(kind.name, this.#rangeStart, this.#at, kind.fields));
    }
  }

  /** A repeated text. */
  texts(field: number): string[] {
    const texts: string[] = [];
    if (!this.#isList(field)) return texts;
    for (let at = this.#next(); at !== 0; at = this.#next()) {
      if (at === field) texts.push(this.#text(this.#rangeStart, this.#at));
    }
    return texts;
  }

  /** A repeated number, packed. */
  ints(field: number): number[] {
    const numbers: number[] = [];
    if (!this.#isList(field)) return numbers;
    for (let at = this.#next(); at !== 0; at = this.#next()) {
      if (at !== field) continue;
      const end = this.#at;
      this.#at = this.#rangeStart;
      while (this.#at < end) numbers.push(this.#varint());
      if (this.#at !== end) throw this.#malformed(`a number of field ${field} ends behind it`);
    }
    return numbers;
  }

  /** Makes ready to go through the fields when `field` is there, which must then not be a plain number. */
  #isList(field: number): boolean {
    const bit = 1 << field;
    if ((this.#numbers & bit) !== 0) throw this.#malformed(`field ${field} is a number`);
    this.#at = this.#start;
    return (this.#ranges & bit) !== 0;
  }

  /** Goes behind the next field that is no plain number, from `#rangeStart` to `#at`; its number, 0 when there is no further one. */
  #next(): number {
    while (this.#at < this.#end) {
      const tag = this.#varint();
      const value = this.#varint();
      if (tag % 8 !== LENGTH_DELIMITED) continue;
      this.#rangeStart = this.#at;
      this.#at += value;
      return (tag - LENGTH_DELIMITED) / 8;
    }
    return 0;
  }

  #embedded(name: string, start: number, end: number, lastField: number): WireReader {
    this.#inner ??= new WireReader(this.#bytes);
    this.#inner.#scan(name, start, end, lastField);
    return this.#inner.refuseUnknown();
  }

  #scan(name: string, start: number, end: number, lastField: number): void {
    assert(lastField <= MESSAGE_FIELD_MAX, "a message of the journal has at most 61 fields");
    this.#name = name;
    this.#start = start;
    this.#at = start;
    this.#end = end;
    this.#numbers = 0;
    this.#ranges = 0;
    this.#further = 0;
    this.#unknown = 0;
    while (this.#at < end) this.#field(lastField);
  }

  #field(lastField: number): void {
    const tag = this.#varint();
    const wireType = tag % 8;
    const field = (tag - wireType) / 8;
    if (wireType !== VARINT && wireType !== LENGTH_DELIMITED) throw this.#malformed(`wire type ${wireType}`);
    const value = this.#varint();
    const start = this.#at;
    if (wireType === LENGTH_DELIMITED) {
      if (value > this.#end - start) throw this.#malformed(`field ${field} ends behind its message`);
      this.#at = start + value;
    }
    if (field === 0) throw this.#malformed("field 0");
    if (field > lastField) {
      this.#unknown ||= field;
      return;
    }
    if (field > FIELD_MAX) {
      if (wireType === VARINT) throw this.#malformed(`field ${field} is no message`);
      this.#further |= 1 << (field - FIELD_MAX - 1);
      this.#values[field] = start;
      this.#ends[field] = this.#at;
    } else if (wireType === VARINT) {
      this.#numbers |= 1 << field;
      this.#values[field] = value;
    } else {
      this.#ranges |= 1 << field;
      this.#values[field] = start;
      this.#ends[field] = this.#at;
    }
  }

  #varint(): number {
    const bytes = this.#bytes;
    let at = this.#at;
    let value = 0;
    for (let scale = 1; at < this.#end; scale *= 0x80) {
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw this.#malformed("a number above 2^53-1");
        this.#at = at;
        return value;
      }
      if (scale >= VARINT_SCALE_MAX) throw this.#malformed("a number above 2^53-1");
    }
    throw this.#malformed("it ends inside a number");
  }

  #text(start: number, end: number): string {
    const text = this.#bytes.toString("utf8", start, end);
    return text.includes(REPLACEMENT) ? this.#strictText(start, end) : text;
  }

  #strictText(start: number, end: number): string {
    try {
      return strictDecoder.decode(this.#bytes.subarray(start, end));
    } catch (cause) {
      throw this.#malformed("text that is not UTF-8", { cause });
    }
  }

  #malformed(what: string, options?: ErrorOptions): CommitFormatError {
    return new CommitFormatError("malformed", `${this.#name} is damaged: ${what} at byte ${this.#at}`, options);
  }
}
