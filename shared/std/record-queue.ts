/**
 * Small records in bytes instead of objects: taken out in the order in which they were added, read at any time at their place. For what is
 * kept by the hundred thousand and seldom read: the garbage collector sees a few large arrays. A record is numbers and texts; it has a kind
 * and two marks of its owner (hashes, say), which are not part of what is written down with `slices`.
 *
 * Layout, little-endian, in units of 8 bytes: units of the record (u32), kind (u8), numbers (u8), texts (u8), 0 (u8); two marks (u32); the
 * numbers (f64); the texts (packed-text.ts); zeros up to a whole unit.
 */
import { assert } from "./assert.ts";
import { LIMITS } from "./limits.ts";
import { type Hashing, isText, readText, textBytesMax, textEnd, textHashAt, textIs, writeText } from "./packed-text.ts";
import { RecordDraft } from "./record-draft.ts";

const UNIT = 8;
const HEAD_UNITS = 2;
const CHUNK_UNITS = LIMITS.recordChunkBytes / UNIT;

assert(
  new Uint8Array(Uint32Array.of(1).buffer)[0] === 1,
  "records are written as this machine has numbers: little-endian",
);

class Chunk {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array;
  readonly numbers: Float64Array;
  /** Where its records end. */
  endUnit = 0;

  constructor(units: number) {
    this.bytes = new Uint8Array(units * UNIT);
    this.words = new Uint32Array(this.bytes.buffer);
    this.numbers = new Float64Array(this.bytes.buffer);
  }
}

/** What a record is made of. At most 255 numbers, 255 texts. */
export interface RecordContent {
  readonly kind: number;
  readonly numbers: readonly number[];
  readonly texts: readonly string[];
}

/** Where a record stands: a whole number, 0 … 2^31-2; another record may have it once this one is taken out. */
export type RecordPlace = number;

export class RecordQueue {
  /** By their number, which the places tell; undefined: free for the next chunk. */
  readonly #chunks: (Chunk | undefined)[] = [];
  /** Numbers of the chunks, the oldest first. */
  readonly #order: number[] = [];
  /** Where the oldest record begins in the oldest chunk. */
  #firstUnit = 0;
  #size = 0;
  /** Numbers without a chunk, and an emptied chunk for the next. */
  readonly #free: number[] = [];
  #spare: Chunk | undefined;
  readonly #draft = new RecordDraft();

  get size(): number {
    return this.#size;
  }

  /** The oldest record; undefined when there is none. */
  first(): RecordPlace | undefined {
    return this.#size === 0 ? undefined : (this.#order[0] as number) * CHUNK_UNITS + this.#firstUnit;
  }

  add({ kind, numbers, texts }: RecordContent): RecordPlace {
    const draft = this.begin(kind);
    for (const number of numbers) draft.number(number);
    for (const text of texts) draft.text(text);
    return this.addDraft(draft);
  }

  /** The draft of the next record; there is one at a time. */
  begin(kind: number): RecordDraft {
    return this.#draft.begin(kind);
  }

  addDraft({ kind, numbers, numberCount, texts, textCount }: RecordDraft): RecordPlace {
    let units = HEAD_UNITS + numberCount;
    let textBytes = 0;
    for (let index = 0; index < textCount; index += 1) textBytes += textBytesMax(texts[index] as string);
    const number = this.#roomFor(units + Math.ceil(textBytes / UNIT));
    const chunk = this.#chunks[number] as Chunk;
    const { bytes } = chunk;
    const unit = chunk.endUnit;
    const head = unit * UNIT;
    for (let index = 0; index < numberCount; index += 1) {
      chunk.numbers[unit + HEAD_UNITS + index] = numbers[index] as number;
    }
    let at = head + units * UNIT;
    for (let index = 0; index < textCount; index += 1) at = writeText(bytes, at, texts[index] as string);
    while (at % UNIT !== 0) bytes[at++] = 0;
    units = at / UNIT - unit;
    chunk.words[2 * unit] = units;
    bytes[head + 4] = kind;
    bytes[head + 5] = numberCount;
    bytes[head + 6] = textCount;
    bytes[head + 7] = 0;
    chunk.endUnit = unit + units;
    this.#size += 1;
    return number * CHUNK_UNITS + unit;
  }

  /** The number of a chunk that has so much room at its end. */
  #roomFor(units: number): number {
    const last = this.#order.at(-1);
    const chunk = last === undefined ? undefined : this.#chunks[last];
    if (last !== undefined && chunk && chunk.endUnit + units <= CHUNK_UNITS) return last;
    // A record that may be larger than a chunk has one of its own, at whose beginning it stands: no place is beyond CHUNK_UNITS.
    const made = units > CHUNK_UNITS ? new Chunk(units) : (this.#spare ?? new Chunk(CHUNK_UNITS));
    if (made === this.#spare) this.#spare = undefined;
    const free = this.#free.pop() ?? this.#chunks.length;
    this.#chunks[free] = made;
    this.#order.push(free);
    return free;
  }

  /** Takes the oldest record out; there must be one. */
  shift(): void {
    const number = this.#order[0] as number;
    const chunk = this.#chunks[number];
    assert(this.#size > 0 && chunk !== undefined, "a record that is taken out is there");
    this.#size -= 1;
    this.#firstUnit += chunk.words[2 * this.#firstUnit] as number;
    if (this.#firstUnit < chunk.endUnit) return;
    this.#firstUnit = 0;
    chunk.endUnit = 0;
    if (chunk.numbers.length === CHUNK_UNITS) this.#spare = chunk;
    this.#chunks[number] = undefined;
    this.#free.push(number);
    this.#order.shift();
  }

  #chunkAt(place: RecordPlace): Chunk {
    return this.#chunks[Math.floor(place / CHUNK_UNITS)] as Chunk;
  }

  kindAt(place: RecordPlace): number {
    return this.#chunkAt(place).bytes[(place % CHUNK_UNITS) * UNIT + 4] as number;
  }

  numbersAt(place: RecordPlace): number {
    return this.#chunkAt(place).bytes[(place % CHUNK_UNITS) * UNIT + 5] as number;
  }

  textsAt(place: RecordPlace): number {
    return this.#chunkAt(place).bytes[(place % CHUNK_UNITS) * UNIT + 6] as number;
  }

  /** A number of the record; 0 where it has fewer. */
  numberAt(place: RecordPlace, index: number): number {
    const unit = place % CHUNK_UNITS;
    const chunk = this.#chunkAt(place);
    if (index >= (chunk.bytes[unit * UNIT + 5] as number)) return 0;
    return chunk.numbers[unit + HEAD_UNITS + index] as number;
  }

  /** Replaces a number that the record has. */
  setNumber(place: RecordPlace, index: number, value: number): void {
    assert(index < this.numbersAt(place), "a number that is replaced is there");
    this.#chunkAt(place).numbers[(place % CHUNK_UNITS) + HEAD_UNITS + index] = value;
  }

  /** One of the owner's two marks, signed 32 bits. */
  markAt(place: RecordPlace, index: 0 | 1): number {
    return (this.#chunkAt(place).words[2 * (place % CHUNK_UNITS) + 2 + index] as number) | 0;
  }

  setMark(place: RecordPlace, index: 0 | 1, mark: number): void {
    this.#chunkAt(place).words[2 * (place % CHUNK_UNITS) + 2 + index] = mark;
  }

  textAt(place: RecordPlace, index: number): string {
    const { bytes } = this.#chunkAt(place);
    return readText(bytes, this.#textStart(place, index));
  }

  /** Whether that text of the record is this one. */
  textIs(place: RecordPlace, index: number, text: string): boolean {
    return textIs(this.#chunkAt(place).bytes, this.#textStart(place, index), text);
  }

  /** The hash of that text by `hash`. */
  hashAt(place: RecordPlace, index: number, hash: Hashing): number {
    return textHashAt(this.#chunkAt(place).bytes, this.#textStart(place, index), hash);
  }

  #textStart(place: RecordPlace, index: number): number {
    const { bytes } = this.#chunkAt(place);
    const head = (place % CHUNK_UNITS) * UNIT;
    let at = head + (HEAD_UNITS + (bytes[head + 5] as number)) * UNIT;
    assert(index < (bytes[head + 6] as number), "a text that is read is there");
    for (let before = 0; before < index; before += 1) at = textEnd(bytes, at);
    return at;
  }

  /** The places of all records, the oldest first. */
  *places(): Generator<RecordPlace, void> {
    for (const [index, number] of [...this.#order].entries()) {
      const chunk = this.#chunks[number] as Chunk;
      let unit = index === 0 ? this.#firstUnit : 0;
      while (unit < chunk.endUnit) {
        yield number * CHUNK_UNITS + unit;
        unit += chunk.words[2 * unit] as number;
      }
    }
  }

  /**
   * Copies of all records, the oldest first, in slices of whole records and of `bytes` or a little more, the last of what is left; without
   * the marks. The same records make the same slices, however they stand here.
   */
  *slices(bytes: number): Generator<Uint8Array<ArrayBuffer>, void> {
    let pieces: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    for (const [index, number] of [...this.#order].entries()) {
      const chunk = this.#chunks[number] as Chunk;
      let start = index === 0 ? this.#firstUnit : 0;
      for (let unit = start; unit < chunk.endUnit; ) {
        unit += chunk.words[2 * unit] as number;
        const isFull = length + (unit - start) * UNIT >= bytes;
        if (!isFull && unit < chunk.endUnit) continue;
        pieces.push(chunk.bytes.subarray(start * UNIT, unit * UNIT));
        length += (unit - start) * UNIT;
        start = unit;
        if (!isFull) continue;
        yield withoutMarks(pieces, length);
        pieces = [];
        length = 0;
      }
    }
    if (length > 0) yield withoutMarks(pieces, length);
  }

  /**
   * Adds the records that a slice holds, and hands the place of each to `take`. False when it is none: what stands after the first record
   * that is damaged was not added.
   */
  addSlice(slice: Uint8Array, take: (place: RecordPlace) => void): boolean {
    if (slice.length === 0 || slice.length % UNIT !== 0) return false;
    const view = new DataView(slice.buffer, slice.byteOffset, slice.byteLength);
    for (let at = 0; at < slice.length; ) {
      const units = view.getUint32(at, true);
      const end = at + units * UNIT;
      if (units < HEAD_UNITS || end > slice.length || !isRecord(slice, at, end)) return false;
      const number = this.#roomFor(units);
      const chunk = this.#chunks[number] as Chunk;
      const unit = chunk.endUnit;
      chunk.bytes.set(slice.subarray(at, end), unit * UNIT);
      chunk.endUnit = unit + units;
      this.#size += 1;
      take(number * CHUNK_UNITS + unit);
      at = end;
    }
    return true;
  }
}

function withoutMarks(pieces: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const slice = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    slice.set(piece, at);
    at += piece.length;
  }
  const words = new Uint32Array(slice.buffer);
  for (let word = 0; word < words.length; word += 2 * (words[word] as number)) {
    words[word + 2] = 0;
    words[word + 3] = 0;
  }
  return slice;
}

/** The record ends where it says, and its numbers and texts lie within it. */
function isRecord(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start + (HEAD_UNITS + (bytes[start + 5] as number)) * UNIT;
  for (let text = 0; text < (bytes[start + 6] as number); text += 1) {
    if (!isText(bytes, at, end)) return false;
    at = textEnd(bytes, at);
  }
  return at <= end && end - at < UNIT && bytes[start + 7] === 0;
}
