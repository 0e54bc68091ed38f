/** How many bytes a message takes, at most: to pack several into one, and to know in time what does not fit into any. */
import { create, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { LIMITS } from "#std";

/** Tag and length of a field, or a whole number with its tag. */
const FIELD_BYTES = 16;
/** Bytes of a UTF-16 code unit in UTF-8, at most. */
const CHAR_BYTES = 3;
/** What an item of a list may take of the largest message: the rest is for what goes with it. */
const ITEM_BYTES_MAX = LIMITS.messageBytesMax - 4_096;

/** Counts more than the encoding takes, of texts up to three times as much, and encodes nothing. */
export function bytesAtMost(message: object): number {
  let bytes = FIELD_BYTES;
  for (const value of Object.values(message)) bytes += valueBytes(value);
  return bytes;
}

function valueBytes(value: unknown): number {
  if (typeof value === "string") return FIELD_BYTES + CHAR_BYTES * value.length;
  if (value instanceof Uint8Array) return FIELD_BYTES + value.byteLength;
  if (typeof value === "object" && value !== null) return bytesAtMost(value);
  return FIELD_BYTES;
}

/** Whether an item, a message or its init shape, can be in a message at all. Encodes it where a look does not tell. */
export function fitsIntoMessage(descriptor: DescMessage, item: object): boolean {
  if (bytesAtMost(item) <= ITEM_BYTES_MAX) return true;
  return toBinary(descriptor, create(descriptor, item as Record<string, unknown>)).byteLength <= ITEM_BYTES_MAX;
}
