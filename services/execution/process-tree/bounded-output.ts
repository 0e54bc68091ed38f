/**
 * What a command wrote, kept within a bound: the beginning (what it set out to do) and the end (how it failed), with the
 * number of bytes between them that were dropped. Taking bytes never fails and never waits.
 */

export interface CapturedOutput {
  /** At most the bound. Where something was dropped a line `[N bytes dropped]` stands, if the bound leaves room for it. */
  readonly bytes: Uint8Array;
  /** Bytes written by the command that are not in `bytes`. */
  readonly droppedBytes: number;
}

const FIRST_ALLOCATION_BYTES = 4096;

export class BoundedOutput {
  readonly #headMax: number;
  readonly #tailMax: number;
  #head = Buffer.alloc(0);
  #headLength = 0;
  /** A ring, allocated when the head is full; `#tailWritten` counts all bytes that ever went into it. */
  #tail = Buffer.alloc(0);
  #tailWritten = 0;

  /** `bytesMax` is the bound of the whole, in bytes; 0 keeps nothing and only counts. */
  constructor(bytesMax: number) {
    this.#headMax = Math.ceil(bytesMax / 2);
    this.#tailMax = bytesMax - this.#headMax;
  }

  /** Takes what the command wrote next. */
  push(chunk: Uint8Array): void {
    const toHead = Math.min(chunk.length, this.#headMax - this.#headLength);
    if (toHead > 0) this.#pushHead(chunk.subarray(0, toHead));
    if (toHead < chunk.length) this.#pushTail(chunk.subarray(toHead));
  }

  /** The bytes so far. */
  capture(): CapturedOutput {
    const head = this.#head.subarray(0, this.#headLength);
    const tail = this.#orderedTail();
    const droppedBytes = this.#tailWritten - tail.length;
    if (droppedBytes === 0) return { bytes: Buffer.concat([head, tail]), droppedBytes };
    // The note takes the place of bytes at the front of the tail, so its own number can grow by its length.
    const noteLength = Buffer.byteLength(dropNote(this.#tailWritten));
    if (noteLength > tail.length) return { bytes: Buffer.concat([head, tail]), droppedBytes };
    const note = Buffer.from(dropNote(droppedBytes + noteLength));
    return { bytes: Buffer.concat([head, note, tail.subarray(noteLength)]), droppedBytes: droppedBytes + noteLength };
  }

  #pushHead(bytes: Uint8Array): void {
    const length = this.#headLength + bytes.length;
    if (length > this.#head.length) {
      const grown = Buffer.alloc(Math.min(this.#headMax, Math.max(FIRST_ALLOCATION_BYTES, 2 * length)));
      grown.set(this.#head.subarray(0, this.#headLength));
      this.#head = grown;
    }
    this.#head.set(bytes, this.#headLength);
    this.#headLength = length;
  }

  #pushTail(bytes: Uint8Array): void {
    if (this.#tailMax > 0) {
      if (this.#tail.length === 0) this.#tail = Buffer.alloc(this.#tailMax);
      const kept = bytes.subarray(Math.max(0, bytes.length - this.#tailMax));
      const at = (this.#tailWritten + bytes.length - kept.length) % this.#tailMax;
      const beforeWrap = kept.subarray(0, this.#tailMax - at);
      this.#tail.set(beforeWrap, at);
      this.#tail.set(kept.subarray(beforeWrap.length), 0);
    }
    this.#tailWritten += bytes.length;
  }

  #orderedTail(): Buffer {
    if (this.#tailWritten <= this.#tail.length) return this.#tail.subarray(0, this.#tailWritten);
    if (this.#tailMax === 0) return this.#tail;
    const at = this.#tailWritten % this.#tailMax;
    return Buffer.concat([this.#tail.subarray(at), this.#tail.subarray(0, at)]);
  }
}

function dropNote(droppedBytes: number): string {
  return `\n[${droppedBytes} bytes dropped]\n`;
}
