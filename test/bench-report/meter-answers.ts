/** Reads as much of a MeterResponse as a client needs that plays many workers: which item each answer is to, and where its hold's id stands. */

/** A field's number and wire type, as they stand before it; all of these fit into one byte. */
const ANSWERS = 0x0a;
const ITEM_ID = 0x08;
const HELD = 0x12;
const ERROR = 0x2a;
const HOLD_ID = 0x0a;
const LENGTH_DELIMITED = 2;

/** `holdIdAt`: its place in the bytes, 0 where the answer is none to a reserve. */
export type TakeAnswer = (itemId: number, holdIdAt: number) => void;

export class MeterAnswers {
  readonly #idChars: number;
  #bytes: Uint8Array = new Uint8Array();
  #at = 0;

  /** `idChars`: characters that the id of a hold must have. */
  constructor(idChars: number) {
    this.#idChars = idChars;
  }

  /** Tells each answer. Throws on a refusal and on what it does not understand. */
  read(bytes: Uint8Array, take: TakeAnswer): void {
    this.#bytes = bytes;
    this.#at = 0;
    while (this.#at < bytes.length) {
      const field = this.#varint();
      const length = this.#varint();
      const end = this.#at + length;
      if (field === ANSWERS) this.#answer(end, take);
      this.#at = end;
    }
  }

  #answer(end: number, take: TakeAnswer): void {
    let itemId = 0;
    let holdIdAt = 0;
    while (this.#at < end) {
      const field = this.#varint();
      const value = this.#varint();
      if (field === ITEM_ID) itemId = value;
      if ((field & 7) !== LENGTH_DELIMITED) continue;
      const next = this.#at + value;
      if (field === ERROR) throw new Error(`item ${itemId} was refused`);
      if (field === HELD) holdIdAt = this.#holdIdAt();
      this.#at = next;
    }
    take(itemId, holdIdAt);
  }

  /** It is the first field of a Held. */
  #holdIdAt(): number {
    if (this.#varint() !== HOLD_ID || this.#varint() !== this.#idChars) throw new Error("a hold without such an id");
    return this.#at;
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || shift > 28) throw new Error("bytes that are no MeterResponse");
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
}
