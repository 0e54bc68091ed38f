/**
 * Messages of the hot streams between object and bytes, by code generated for each type: protobuf-es walks tables, which takes several
 * times as long (docs/adr/0012-generated-wire-code.md).
 */
import type { Message } from "@bufbuild/protobuf";
import { type HotMessage, hotMessages } from "#gen/bursar/v1/hot_messages.js";
import { assert, LIMITS } from "#std";
import { WireWriter } from "../record/wire-writer.ts";
import { MessageBytes } from "./message-bytes.ts";

/** One for all: reading and writing are synchronous and do not begin within one another. */
const source = new MessageBytes();
let target = new WireWriter();

export class HotMessageCodec {
  readonly #message: HotMessage;

  /** The codec of a type by its full name; undefined when no code was generated for it. */
  static of(typeName: string): HotMessageCodec | undefined {
    const message = hotMessages.get(typeName);
    return message && new HotMessageCodec(message);
  }

  private constructor(message: HotMessage) {
    this.#message = message;
  }

  /** The bytes of a complete message. Throws when a field has a value outside its type. Fields that are not known are left out. */
  encode(message: Message): Uint8Array<ArrayBuffer> {
    target.reset();
    this.#message.write(target, message);
    const bytes = target.finish();
    // What is larger than any message may be is not kept for the next one.
    if (bytes.byteLength > LIMITS.messageBytesMax) target = new WireWriter();
    return bytes;
  }

  /**
   * The message in these bytes; its fields of type bytes are views of them. An optional field that is absent is undefined. Throws a
   * WireFormatError.
   */
  decode(bytes: Uint8Array): Message {
    try {
      const end = source.begin(bytes);
      return this.#message.read(source, undefined, end);
    } finally {
      source.drop();
    }
  }
}

/** The bytes of a message for whose type there is code. */
export function encodeHot(message: Message): Uint8Array<ArrayBuffer> {
  const codec = HotMessageCodec.of(message.$typeName);
  assert(codec !== undefined, `no code was generated for ${message.$typeName}; name its root in buf.gen.yaml`);
  return codec.encode(message);
}
