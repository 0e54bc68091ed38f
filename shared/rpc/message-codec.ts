/** One message type between object and bytes, with the bounds of the protocol. */
import { create, type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { HotMessageCodec } from "#codec";
import { RefusalError } from "#errors";
import { LIMITS } from "#std";

export class MessageCodec {
  readonly #descriptor: DescMessage;
  /** Present for messages of the hot streams. */
  readonly #hot: HotMessageCodec | undefined;
  readonly #listFields: readonly string[];

  constructor(descriptor: DescMessage) {
    this.#descriptor = descriptor;
    this.#hot = HotMessageCodec.of(descriptor.typeName);
    this.#listFields = descriptor.fields.filter((field) => field.fieldKind === "list").map((field) => field.localName);
  }

  /** The bytes of a message or of its init shape. Throws MESSAGE_TOO_LARGE beyond LIMITS.messageBytesMax. */
  encode(message: unknown): Buffer {
    const complete = this.complete(message);
    const bytes = this.#hot === undefined ? toBinary(this.#descriptor, complete) : this.#hot.encode(complete);
    if (bytes.byteLength > LIMITS.messageBytesMax) {
      const { typeName } = this.#descriptor;
      const text = `${typeName} of ${bytes.byteLength} bytes is larger than the ${LIMITS.messageBytesMax} allowed; split it`;
      throw new RefusalError({ reason: "MESSAGE_TOO_LARGE", message: text });
    }
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The message in these bytes. Throws INVALID_ARGUMENT when they are not one. */
  decode(bytes: Uint8Array): Message {
    try {
      if (this.#hot !== undefined) return this.#hot.decode(bytes);
      return fromBinary(this.#descriptor, bytes, { readUnknownFields: false });
    } catch (cause) {
      const message = `the bytes sent are not a ${this.#descriptor.typeName}; use stubs generated from proto/`;
      throw new RefusalError({ reason: "INVALID_ARGUMENT", message }, { cause });
    }
  }

  /** The message of an init shape; a message comes back as it is. */
  complete(message: unknown): Message {
    return create(this.#descriptor, message as Record<string, unknown>);
  }

  /** How many items a message carries for the backlog's count: the entries of its lists, at least 1. */
  items(message: Message): number {
    let count = 0;
    for (const field of this.#listFields)
      count += ((message as unknown as Record<string, unknown[]>)[field] ?? []).length;
    return Math.max(1, count);
  }
}
