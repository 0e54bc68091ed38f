/**
 * Checks the fields of one message and collects what is wrong, each by its path of wire names (`requests[3].limits.max_credits`). A
 * wrong field reads as a harmless default, so that the rest is still checked; the value is thrown away at the end.
 */
import type { Amount } from "#budget";
import type { FieldViolation } from "#errors";
import { LIMITS } from "#std";
import type { EnumNames } from "../enum-names.ts";
import type { Parsed } from "./parsed.ts";

const ID = /^[\x20-\x7e]+$/;
const NAME = /^[a-z0-9][a-z0-9_-]*$/;
const ADDRESS = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/;
const FILE_NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
const CALL_NAME = /^\P{Cc}+$/u;
const AMOUNT_MAX = BigInt(LIMITS.amountMax);
const DURATION_MS_MAX = BigInt(LIMITS.durationMsMax);

export interface WholeRange {
  readonly min?: number;
  readonly max: number;
}

export class FieldCheck {
  readonly #path: string;
  /** Shared with the checks of what is embedded. */
  readonly #found: FieldViolation[];

  /** `path`: of the message itself, empty for a request. */
  constructor(path = "", found: FieldViolation[] = []) {
    this.#path = path;
    this.#found = found;
  }

  /** The value when nothing was wrong, or all that was; afterwards the check, and those that share its finds, begin anew. */
  finish<T>(value: T): Parsed<T> {
    return this.#found.length === 0 ? { ok: true, value } : { ok: false, violations: this.#found.splice(0) };
  }

  /**
   * The same for a value with parts that must be there. They are read by `present` and are undefined only when that refused them, so
   * that they are there when nothing was wrong.
   */
  finishWith<T, K extends keyof T>(value: Omit<T, K> & { readonly [P in K]: T[P] | undefined }): Parsed<T> {
    return this.finish(value as T);
  }

  refuse(field: string, description: string): void {
    this.#found.push({ field: this.#pathOf(field), description });
  }

  /** Takes over what another check found. */
  adopt(violations: readonly FieldViolation[]): void {
    this.#found.push(...violations);
  }

  /** The check of an embedded message. */
  inside(field: string): FieldCheck {
    return new FieldCheck(this.#pathOf(field), this.#found);
  }

  /** The check of one message of a list. */
  at(field: string, index: number): FieldCheck {
    return new FieldCheck(`${this.#pathOf(field)}[${index}]`, this.#found);
  }

  /** Reads an embedded message that must be there; undefined, and refused, when it is not. */
  present<M, T>(field: string, message: M | undefined, read: (check: FieldCheck, message: M) => T): T | undefined {
    if (message !== undefined) return read(this.inside(field), message);
    this.refuse(field, "is missing");
    return undefined;
  }

  /** 0 … 2^53-1 of the resource's unit. */
  amount(field: string, value: bigint): Amount {
    return this.count(field, value) as Amount;
  }

  optionalAmount(field: string, value: bigint | undefined): Amount | undefined {
    return value === undefined ? undefined : this.amount(field, value);
  }

  /** A whole number, 0 … 2^53-1: a counter, an epoch, bytes. */
  count(field: string, value: bigint): number {
    if (value >= 0n && value <= AMOUNT_MAX) return Number(value);
    this.refuse(field, `must be a whole number from 0 to ${LIMITS.amountMax}; got ${value}`);
    return 0;
  }

  /** A duration in whole milliseconds, 0 … LIMITS.durationMsMax. */
  durationMs(field: string, value: bigint): number {
    if (value >= 0n && value <= DURATION_MS_MAX) return Number(value);
    this.refuse(field, `must be from 0 to ${LIMITS.durationMsMax} ms (ten years); got ${value}`);
    return 0;
  }

  /** A small whole number within a range; `min` is 0 unless named. */
  whole(field: string, value: number, { min = 0, max }: WholeRange): number {
    if (value >= min && value <= max) return value;
    this.refuse(field, `must be from ${min} to ${max}; got ${value}`);
    return min;
  }

  /** An id or request id: 1 … 128 printable ASCII characters. */
  id(field: string, value: string): string {
    if (value.length <= LIMITS.idCharsMax && ID.test(value)) return value;
    this.refuse(field, value === "" ? "is missing" : `must be ${idRule(LIMITS.idCharsMax)}`);
    return "";
  }

  /** An id that may be absent, which is the empty text on the wire. */
  optionalId(field: string, value: string): string | undefined {
    return value === "" ? undefined : this.id(field, value);
  }

  /** An id, or the path of names that leads to it. */
  idOrPath(field: string, value: string): string {
    if (value.length <= LIMITS.pathCharsMax && ID.test(value)) return value;
    this.refuse(field, value === "" ? "is missing" : `must be an id or path: ${idRule(LIMITS.pathCharsMax)}`);
    return "";
  }

  /** Where a daemon serves: host:port. */
  address(field: string, value: string): string {
    if (value.length <= LIMITS.addressCharsMax && ADDRESS.test(value)) return value;
    this.refuse(field, value === "" ? "is missing" : "must be host:port, an IPv6 address in brackets");
    return "";
  }

  /** The name of an allocation, routine, step or branch. */
  name(field: string, value: string): string {
    if (value.length <= LIMITS.nameCharsMax && NAME.test(value)) return value;
    const rule = `1 to ${LIMITS.nameCharsMax} lower-case letters, digits, - and _, the first a letter or digit`;
    this.refuse(field, value === "" ? "is missing" : `must be ${rule}`);
    return "";
  }

  /** An id that becomes the name of a folder: letters, digits, dots, dashes and underscores, not beginning with a dot. */
  fileName(field: string, value: string): string {
    if (value.length <= LIMITS.idCharsMax && FILE_NAME.test(value)) return value;
    const rule = `1 to ${LIMITS.idCharsMax} letters, digits, dots, - and _, the first no dot`;
    this.refuse(field, value === "" ? "is missing" : `must be ${rule}`);
    return "";
  }

  /** A word of a command or a variable's value: no NUL, and a bound. */
  argument(field: string, value: string): string {
    if (value.includes("\0")) this.refuse(field, "must not contain a NUL character");
    return this.text(field, value, LIMITS.commandWordCharsMax);
  }

  /** The name of a model or tool: 1 … 63 characters, none of them a control character. */
  callName(field: string, value: string): string {
    if (value.length <= LIMITS.nameCharsMax && CALL_NAME.test(value)) return value;
    const rule = `1 to ${LIMITS.nameCharsMax} characters without control characters`;
    this.refuse(field, value === "" ? "is missing" : `must be ${rule}`);
    return "";
  }

  /** Text for people, with a bound. */
  text(field: string, value: string, charsMax: number): string {
    if (value.length <= charsMax) return value;
    this.refuse(field, `must have at most ${charsMax} characters; got ${value.length}`);
    return "";
  }

  /** Why a person decided something, for whoever asks later: it must say something. */
  reason(field: string, value: string): string {
    if (value.trim() === "") this.refuse(field, "is missing: say who decided, and why");
    return this.text(field, value, LIMITS.reasonCharsMax);
  }

  /** A list with a bound; what is longer is refused whole and reads as empty. */
  list<T>(field: string, items: readonly T[], max: number): readonly T[] {
    if (items.length <= max) return items;
    this.refuse(field, `must have at most ${max} entries; got ${items.length}`);
    return [];
  }

  /** The name of an enum's number; `unset` stands for 0, and where it is absent 0 is refused. */
  choice<N extends string>(field: string, value: number, known: EnumNames<N>, unset?: N): N {
    const name = value === 0 ? unset : known.nameOf(value);
    if (name !== undefined) return name;
    const expected = known.names.join(", ").toUpperCase();
    this.refuse(field, value === 0 ? `is missing; set one of ${expected}` : `${value} is none of ${expected}`);
    return known.names[0] as N;
  }

  /** The same for an enum of which 0 says nothing. */
  optionalChoice<N extends string>(field: string, value: number, known: EnumNames<N>): N | undefined {
    return value === 0 ? undefined : this.choice(field, value, known);
  }

  #pathOf(field: string): string {
    if (this.#path === "") return field;
    return field === "" ? this.#path : `${this.#path}.${field}`;
  }
}

function idRule(charsMax: number): string {
  return `1 to ${charsMax} printable ASCII characters`;
}
