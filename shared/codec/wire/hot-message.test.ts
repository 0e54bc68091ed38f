import { type DescMessage, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BudgetService } from "#gen/bursar/v1/budget_service_pb.js";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { ExecutionService } from "#gen/bursar/v1/execution_service_pb.js";
import { MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { HotMessageCodec } from "./hot-message.ts";
import { arbitraryOf, fieldsOf, hotTypes, unknownField, varint } from "./messages.fixture.ts";
import { WireFormatError } from "./wire-format-error.ts";

const typeOf = (name: string): DescMessage => {
  const type = hotTypes.find(({ typeName }) => typeName === `bursar.v1.${name}`);
  if (type === undefined) throw new Error(`${name} is not a hot message`);
  return type;
};

const codecOf = ({ typeName }: DescMessage): HotMessageCodec => {
  const codec = HotMessageCodec.of(typeName);
  if (codec === undefined) throw new Error(`no code for ${typeName}`);
  return codec;
};

const decodeBoth = (type: DescMessage, bytes: Uint8Array) => ({
  ours: attempt(() => codecOf(type).decode(bytes)),
  theirs: attempt(() => fromBinary(type, bytes, { readUnknownFields: false })),
});

function attempt(decode: () => Message): { readonly value?: Message; readonly error?: unknown } {
  try {
    return { value: decode() };
  } catch (error) {
    return { error };
  }
}

/** Bytes as a stream brings them: a view into a larger buffer. */
const received = (bytes: readonly number[] | Uint8Array): Buffer => Buffer.from([7, ...bytes, 7]).subarray(1, -1);

const anyType = fc.constantFrom(...hotTypes);
const typeAndMessages = anyType.chain((type) =>
  fc.record({ type: fc.constant(type), message: arbitraryOf(type), other: arbitraryOf(type) }),
);

test("the messages of the hot streams have generated code", () => {
  const { streamGrants, streamUsage } = BudgetService.method;
  const { executeRoutines } = ProcessService.method;
  const { executeSteps } = ExecutionService.method;
  const { runRoutine } = CoordinationService.method;
  const streams = [streamGrants, streamUsage, MeterService.method.meter, executeRoutines, executeSteps, runRoutine];
  for (const { input, output } of streams) {
    expect(HotMessageCodec.of(input.typeName)).toBeDefined();
    expect(HotMessageCodec.of(output.typeName)).toBeDefined();
  }
  expect(HotMessageCodec.of("bursar.v1.GetSwarmRequest")).toBeUndefined();
});

describe.each(hotTypes.map((type) => ({ type, name: type.typeName })))("$name", ({ type }) => {
  test("is written and read as protobuf-es does", () => {
    fc.assert(
      fc.property(arbitraryOf(type), (message) => {
        const bytes = received(codecOf(type).encode(message));
        expect(bytes.equals(toBinary(type, message))).toBe(true);
        const read = codecOf(type).decode(bytes);
        expect(read).toEqual(fromBinary(type, bytes));
        expect(toBinary(type, read)).toEqual(Uint8Array.from(bytes));
      }),
      { numRuns: 40 },
    );
  });
});

test("what says the same in other bytes is read the same: merged, out of order, padded, with unknown fields", () => {
  const padding = fc.integer({ min: 0, max: 4 });
  const extras = fc.array(fc.tuple(fc.nat(), unknownField), { maxLength: 3 });
  fc.assert(
    fc.property(typeAndMessages, padding, extras, fc.boolean(), ({ type, message, other }, pad, unknown, turned) => {
      const fields = [message, other].flatMap((one) => fieldsOf(toBinary(type, one), pad));
      if (turned) fields.reverse();
      for (const [at, field] of unknown) fields.splice(at % (fields.length + 1), 0, [...field]);
      const { ours, theirs } = decodeBoth(type, received(fields.flat()));
      expect(theirs.error).toBeUndefined();
      expect(ours).toEqual(theirs);
    }),
    { numRuns: 1_500 },
  );
});

type Change = (bytes: number[], at: number, byte: number) => void;

const changes: readonly Change[] = [
  (bytes, at, byte) => bytes.splice(at, 1, byte),
  (bytes, at, byte) => bytes.splice(at, 0, byte),
  (bytes, at) => bytes.splice(at, 1),
  (bytes, at) => bytes.splice(at),
  (bytes, at, byte) => bytes.splice(at, 1, (bytes[at] ?? 0) ^ (1 << (byte % 8))),
  (bytes, at, byte) => bytes.push(...bytes.slice(at, at + byte)),
];

/** Never more than protobuf-es takes; less only where it guesses. */
function expectAgreement(type: DescMessage, bytes: Buffer): void {
  const { ours, theirs } = decodeBoth(type, bytes);
  if (ours.error === undefined) {
    expect(ours).toEqual(theirs);
    return;
  }
  if (!(ours.error instanceof WireFormatError)) throw ours.error;
  if (theirs.error === undefined) expect(["wire-type", "overrun"]).toContain(ours.error.fault);
}

test("damaged bytes are refused, or read as protobuf-es reads them", () => {
  const damage = fc.array(
    fc.tuple(fc.constantFrom(...changes), fc.nat(), fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constant(0xff))),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(typeAndMessages, damage, ({ type, message }, damages) => {
      const bytes = [...toBinary(type, message)];
      for (const [change, at, byte] of damages) change(bytes, at % (bytes.length + 1), byte);
      expectAgreement(type, received(bytes));
    }),
    { numRuns: 6_000 },
  );
});

test("random bytes are refused, or read as protobuf-es reads them", () => {
  const near = fc.array(fc.oneof(fc.integer({ min: 0, max: 66 }), fc.integer({ min: 0, max: 255 })), { maxLength: 40 });
  fc.assert(
    fc.property(anyType, near, (type, bytes) => expectAgreement(type, received(bytes))),
    { numRuns: 6_000 },
  );
});

const groups = (depth: number): number[] => [
  ...new Array<number[]>(depth).fill(varint(99 * 8 + 3)).flat(),
  ...new Array<number[]>(depth).fill(varint(99 * 8 + 4)).flat(),
];
const release = typeOf("Release");

test.each([
  ["a text that ends too early", [0x0a, 5, 0x61], "malformed"],
  ["a number that ends too early", [0x98, 0x06, 0x80], "overrun"],
  ["a number of eleven bytes", [0x0a, ...new Array<number>(10).fill(0x80), 0], "malformed"],
  ["a field number that is too large", [0x8a, 0x80, 0x80, 0x80, 0x10, 0], "malformed"],
  ["field 0", [0x02, 0], "malformed"],
  ["wire type 6", [0x9e, 0x06, 0], "malformed"],
  ["wire type 7", [0x9f, 0x06, 0], "malformed"],
  ["the end of a group that did not begin", varint(99 * 8 + 4), "malformed"],
  ["a group that ends as another", [...varint(99 * 8 + 3), ...varint(98 * 8 + 4)], "malformed"],
  ["a group without an end", varint(99 * 8 + 3), "malformed"],
  ["groups a hundred deep", groups(100), "malformed"],
  ["text that is not UTF-8, short", [0x0a, 2, 0xc3, 0x28], "malformed"],
  ["text that is not UTF-8, long", [0x0a, 12, ...new Array<number>(11).fill(0x61), 0xff], "malformed"],
  ["half of a surrogate pair", [0x0a, 3, 0xed, 0xa0, 0x80], "malformed"],
  ["a number where a text is due", [0x08, 1], "wire-type"],
])("%s is refused", (_what, bytes, fault) => {
  const { ours } = decodeBoth(release, received(bytes));
  expect(ours.error).toBeInstanceOf(WireFormatError);
  expect(ours.error).toMatchObject({ fault });
});

test("an embedded message that ends behind the one around it is refused", () => {
  // items: 6 bytes, in them a release of 9 bytes.
  const bytes = received([0x0a, 6, 0x08, 1, 0x32, 9, 0x0a, 1, 0x61, 0x12, 1, 0x61, 0x12, 1, 0x62]);
  expect(decodeBoth(typeOf("MeterRequest"), bytes).ours.error).toMatchObject({ fault: "overrun" });
});

test("lists of numbers are read packed, one by one, and mixed", () => {
  const lists = hotTypes.flatMap(({ fields }) => fields.filter((field) => field.fieldKind === "list" && field.packed));
  expect(lists).not.toEqual([]);
  for (const { number, parent, localName } of lists) {
    const one = [...varint(number * 8), 80];
    const { ours, theirs } = decodeBoth(parent, received([...one, ...varint(number * 8 + 2), 2, 95, 99, ...one]));
    expect(ours.value).toMatchObject({ [localName]: [80, 95, 99, 80] });
    expect(ours).toEqual(theirs);
    const behind = received([...varint(number * 8 + 2), 2, 95, 0x80, 0x01]);
    expect(decodeBoth(parent, behind).ours.error).toMatchObject({ fault: "overrun" });
  }
});

test("groups are gone past as deep as protobuf-es does", () => {
  const { ours, theirs } = decodeBoth(release, received(groups(99)));
  expect(ours.value).toEqual(theirs.value);
  expect(ours.value).toBeDefined();
});

test("texts keep a byte order mark and the replacement sign, and lose half of a surrogate pair", () => {
  const texts = { allocationId: "\uFEFF\uFFFD", holdId: "\uD800 and further on" };
  const bytes = codecOf(release).encode({ $typeName: release.typeName, ...texts } as Message);
  expect(codecOf(release).decode(bytes)).toMatchObject({
    allocationId: "\uFEFF\uFFFD",
    holdId: "\uFFFD and further on",
  });
});

test("a message of half a mebibyte goes there and back", () => {
  const type = typeOf("Complete");
  const message = { ...codecOf(type).decode(new Uint8Array()), output: new Uint8Array(512 * 1_024).fill(3) } as Message;
  expect(codecOf(type).decode(codecOf(type).encode(message))).toEqual(message);
});

test("what was read does not change when the next message is read or written", () => {
  const bytes = received(
    codecOf(release).encode({ $typeName: release.typeName, allocationId: "first", holdId: "1" } as Message),
  );
  const first = codecOf(release).decode(bytes);
  codecOf(release).decode(received(codecOf(release).encode({ ...first, allocationId: "other" } as Message)));
  expect(first).toMatchObject({ allocationId: "first" });
});

test.each([
  ["Extend", { ttlMs: -1 }],
  ["Extend", { ttlMs: 1.5 }],
  ["Extend", { ttlMs: 2 ** 32 }],
  ["Reserve", { kind: 2 ** 31 }],
  ["Settle", { credits: 2n ** 63n }],
  ["Settle", { credits: -(2n ** 63n) - 1n }],
  ["Lease", { epoch: -1n }],
  ["Lease", { epoch: 2n ** 64n }],
])("%s with %o is not written", (name, wrong) => {
  const type = typeOf(name);
  const message = { ...codecOf(type).decode(received([])), ...wrong } as Message;
  expect(() => codecOf(type).encode(message)).toThrow(RangeError);
  expect(() => toBinary(type, message)).toThrow();
});

test("a message of another type is not written", () => {
  const type = typeOf("MeterRequest");
  const foreign = { $typeName: type.typeName, items: [{ $typeName: release.typeName }] } as unknown as Message;
  expect(() => codecOf(type).encode(foreign)).toThrow("a bursar.v1.MeterItem was expected, got bursar.v1.Release");
  expect(() => toBinary(type, foreign)).toThrow();
});
