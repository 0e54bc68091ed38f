/** A record in the making: to be used again and again, by one at a time, so that writing one leaves no lists behind. */
import { assert } from "./assert.ts";

/** Numbers and texts of a record, at most of each. */
export const RECORD_ITEMS_MAX = 255;

export class RecordDraft {
  kind = 0;
  numberCount = 0;
  textCount = 0;
  /** The first `numberCount` are the record's. */
  readonly numbers = new Float64Array(RECORD_ITEMS_MAX);
  /** The first `textCount` are the record's. */
  readonly texts: string[] = [];

  /** Begins anew. */
  begin(kind: number): this {
    this.kind = kind;
    this.numberCount = 0;
    this.textCount = 0;
    return this;
  }

  number(value: number): this {
    assert(this.numberCount < RECORD_ITEMS_MAX, "a record has at most 255 numbers");
    this.numbers[this.numberCount++] = value;
    return this;
  }

  text(value: string): this {
    assert(this.textCount < RECORD_ITEMS_MAX, "a record has at most 255 texts");
    this.texts[this.textCount++] = value;
    return this;
  }
}
