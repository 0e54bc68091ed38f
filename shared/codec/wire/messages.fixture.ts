/** For tests: arbitrary messages of any type of the hot streams, and other bytes that say the same as theirs. */
import { create, type DescField, type DescMessage, type Message, ScalarType } from "@bufbuild/protobuf";
import fc from "fast-check";
import { file_bursar_v1_budget_service } from "#gen/bursar/v1/budget_service_pb.js";
import { file_bursar_v1_coordination_service } from "#gen/bursar/v1/coordination_service_pb.js";
import { file_bursar_v1_execution_service } from "#gen/bursar/v1/execution_service_pb.js";
import { hotMessages } from "#gen/bursar/v1/hot_messages.js";
import { file_bursar_v1_meter_service } from "#gen/bursar/v1/meter_service_pb.js";
import { file_bursar_v1_process_service } from "#gen/bursar/v1/process_service_pb.js";

type File = typeof file_bursar_v1_meter_service;

/** The descriptors of all messages that have generated code. */
export const hotTypes: readonly DescMessage[] = (() => {
  const found = new Map<string, DescMessage>();
  const add = (files: readonly File[]): void => {
    for (const { messages, dependencies } of files) {
      for (const message of messages) if (hotMessages.has(message.typeName)) found.set(message.typeName, message);
      add(dependencies);
    }
  };
  add([file_bursar_v1_meter_service, file_bursar_v1_budget_service, file_bursar_v1_coordination_service]);
  add([file_bursar_v1_process_service, file_bursar_v1_execution_service]);
  return [...found.values()];
})();

const int32 = fc.oneof(fc.nat({ max: 300 }), fc.integer());
const shortText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: "binary-ascii", minLength: 8, maxLength: 80 }),
  fc.constantFrom("", "a".repeat(127), "a".repeat(128), "é".repeat(64), "\uFFFD", "\uFEFFbom"),
);
const text = fc.oneof({ weight: 20, arbitrary: shortText }, { weight: 1, arbitrary: fc.constant("x".repeat(20_000)) });
const edges = [0n, 1n, 127n, 128n, 2n ** 28n - 1n, 2n ** 28n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n];

function scalar(field: DescField, isDeep: boolean): fc.Arbitrary<unknown> {
  if (field.enum !== undefined) return int32;
  switch (field.scalar) {
    case ScalarType.STRING:
      return isDeep ? shortText : text;
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 200 });
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT32:
      return fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 0xffff_ffff }));
    case ScalarType.INT32:
      return int32;
    case ScalarType.UINT64:
      return fc.oneof(fc.constantFrom(...edges, 2n ** 64n - 1n), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
    case ScalarType.INT64:
      return fc.oneof(
        fc.constantFrom(...edges, -1n, -(2n ** 63n)),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      );
    default:
      throw new Error(`no arbitrary value for ${field}`);
  }
}

function value(field: DescField, within: readonly DescMessage[]): fc.Arbitrary<unknown> {
  if (field.fieldKind === "map") return fc.dictionary(text, text, { maxKeys: 3 });
  // Each type stands at the top, too: what is deep in others is small, for there is much of it.
  const isDeep = within.length > 1;
  const one = field.message === undefined ? scalar(field, isDeep) : messagesOf(field.message, within);
  return field.fieldKind === "list" ? fc.array(one, { maxLength: isDeep ? 1 : 4 }) : one;
}

const made = new Map<DescMessage, fc.Arbitrary<Message>>();

/** Messages of a type. Each field is there or not; what holds itself does so once. */
export function arbitraryOf(type: DescMessage): fc.Arbitrary<Message> {
  let messages = made.get(type);
  if (messages === undefined) {
    messages = messagesOf(type, []);
    made.set(type, messages);
  }
  return messages;
}

function messagesOf(type: DescMessage, within: readonly DescMessage[]): fc.Arbitrary<Message> {
  const inside = [...within, type];
  const mayHold = ({ message }: DescField): boolean => inside.filter((outer) => outer === message).length < 2;
  const members: Record<string, fc.Arbitrary<unknown>> = {};
  for (const member of type.members) {
    const fields = (member.kind === "oneof" ? member.fields : [member]).filter(mayHold);
    const values = fields.map((field) => ({ field, of: value(field, inside) }));
    if (member.kind === "oneof") {
      const cases = values.map(({ field, of }) => fc.record({ case: fc.constant(field.localName), value: of }));
      members[member.localName] = fc.oneof(...cases);
    } else for (const { of } of values) members[member.localName] = of;
  }
  return fc.record(members, { requiredKeys: [] }).map((init) => create(type, init as Record<string, unknown>));
}

/** Varint of `number`, `padding` bytes longer than it need be. */
export function varint(number: number, padding = 0): number[] {
  const bytes: number[] = [];
  let rest = number;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  if (padding === 0) return [...bytes, rest];
  return [...bytes, rest | 0x80, ...new Array<number>(padding - 1).fill(0x80), 0];
}

function readVarint(bytes: Uint8Array, start: number): { readonly number: number; readonly end: number } {
  let number = 0;
  for (let at = start, scale = 1; ; at += 1, scale *= 128) {
    const byte = bytes[at] ?? 0;
    number += (byte & 0x7f) * scale;
    if (byte < 0x80) return { number, end: at + 1 };
  }
}

/** The fields of a message that was written without unknown ones, in their order, each with `padding` in its varints. */
export function fieldsOf(bytes: Uint8Array, padding: number): number[][] {
  const fields: number[][] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const { number, end } = readVarint(bytes, tag.end);
    const field = varint(tag.number, Math.min(padding, 3));
    if (tag.number % 8 === 2) {
      field.push(...varint(number, Math.min(padding, 6)));
      // One by one: there may be more than a call takes arguments.
      for (const byte of bytes.subarray(end, end + number)) field.push(byte);
      at = end + number;
    } else {
      field.push(...bytes.subarray(tag.end, end));
      at = end;
    }
    fields.push(field);
  }
  return fields;
}

/** Fields that no message has, of every wire type, with groups within groups. */
export const unknownField = fc.constantFrom(
  [...varint(200 * 8), 0xff, 0xff, 0x01],
  [...varint(200 * 8 + 1), 1, 2, 3, 4, 5, 6, 7, 8],
  [...varint(200 * 8 + 2), 3, 0x61, 0xff, 0x08],
  [...varint(200 * 8 + 3), 0x08, 0x01, 0x13, 0x0a, 0x01, 0x00, 0x14, ...varint(200 * 8 + 4)],
  [...varint(200 * 8 + 5), 1, 2, 3, 4],
);
