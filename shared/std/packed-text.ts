/**
 * Texts in bytes: the length doubled, one added when the text is wide, as a varint; then the characters in one byte each (Latin-1) or, when
 * wide, as UTF-16 units of two bytes, the lower first. Any text comes back as it was, also one that is not well-formed.
 */

const LATIN_MAX = 0xff;
/** Characters made into a text in one call: arguments are limited. */
const CODES_AT_ONCE = 1_024;
/** Bytes of the length of any text. */
export const LENGTH_BYTES_MAX = 5;

/** The most bytes that a text takes. */
export function textBytesMax(text: string): number {
  return LENGTH_BYTES_MAX + 2 * text.length;
}

/** Whether a whole text stands from `at` on, before `end`. */
export function isText(bytes: Uint8Array, at: number, end: number): boolean {
  if (at >= end) return false;
  const prefix = lengthBytesAt(bytes, at);
  return prefix <= LENGTH_BYTES_MAX && at + prefix <= end && textEnd(bytes, at) <= end;
}

function lengthBytesAt(bytes: Uint8Array, at: number): number {
  let count = 1;
  while (count <= LENGTH_BYTES_MAX && (bytes[at + count - 1] as number) > 0x7f) count += 1;
  return count;
}

function lengthAt(bytes: Uint8Array, start: number): number {
  let at = start;
  let byte = bytes[at++] as number;
  let length = byte & 0x7f;
  for (let scale = 0x80; byte > 0x7f; scale *= 0x80) {
    byte = bytes[at++] as number;
    length += (byte & 0x7f) * scale;
  }
  return length;
}

export function textEnd(bytes: Uint8Array, at: number): number {
  const length = lengthAt(bytes, at);
  const chars = Math.floor(length / 2);
  return at + lengthBytesAt(bytes, at) + (length % 2 === 1 ? 2 * chars : chars);
}

export function writeText(bytes: Uint8Array, start: number, text: string): number {
  const from = writeLength(bytes, start, 2 * text.length);
  for (let char = 0; char < text.length; char += 1) {
    const code = text.charCodeAt(char);
    if (code > LATIN_MAX) return writeWide(bytes, start, text);
    bytes[from + char] = code;
  }
  return from + text.length;
}

function writeWide(bytes: Uint8Array, start: number, text: string): number {
  let at = writeLength(bytes, start, 2 * text.length + 1);
  for (let char = 0; char < text.length; char += 1) {
    const code = text.charCodeAt(char);
    bytes[at++] = code & 0xff;
    bytes[at++] = code >>> 8;
  }
  return at;
}

function writeLength(bytes: Uint8Array, start: number, length: number): number {
  let at = start;
  let rest = length;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}

export function readText(bytes: Uint8Array, start: number): string {
  const length = lengthAt(bytes, start);
  const from = start + lengthBytesAt(bytes, start);
  const codes: number[] = [];
  const chars = Math.floor(length / 2);
  let text = "";
  for (let char = 0; char < chars; char += 1) {
    const at = length % 2 === 1 ? from + 2 * char : from + char;
    const low = bytes[at] as number;
    codes.push(length % 2 === 1 ? low | ((bytes[at + 1] as number) << 8) : low);
    if (codes.length < CODES_AT_ONCE) continue;
    text += String.fromCharCode(...codes);
    codes.length = 0;
  }
  return text + String.fromCharCode(...codes);
}

/** Whether the text that stands at `start` is this one; nothing is made of it. */
export function textIs(bytes: Uint8Array, start: number, text: string): boolean {
  const length = lengthAt(bytes, start);
  if (Math.floor(length / 2) !== text.length) return false;
  if (length % 2 === 1) return readText(bytes, start) === text;
  const from = start + lengthBytesAt(bytes, start);
  for (let char = 0; char < text.length; char += 1) if (bytes[from + char] !== text.charCodeAt(char)) return false;
  return true;
}

/** What hashes texts; see TextHash. */
export interface Hashing {
  of(text: string): number;
  ofLatin(bytes: Uint8Array, from: number, length: number): number;
}

/** The hash by `hash` of the text that stands at `start`. */
export function textHashAt(bytes: Uint8Array, start: number, hash: Hashing): number {
  const length = lengthAt(bytes, start);
  if (length % 2 === 1) return hash.of(readText(bytes, start));
  return hash.ofLatin(bytes, start + lengthBytesAt(bytes, start), length / 2);
}
