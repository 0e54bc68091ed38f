import { fromBinary, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PART_TYPES, type SnapshotPart } from "#budget";
import { SnapshotChunkSchema } from "#gen/bursar/v1/snapshot_pb.js";
import { LIMITS } from "#std";
import { CommitFormatError, type CommitFormatFault } from "./commit-format-error.ts";
import { decodeSnapshot, encodeSnapshot } from "./snapshot-codec.ts";
import {
  ALLOCATION_JSON,
  EFFECTS_JSON,
  FORMAT_1,
  OF_CLAIMS,
  OF_CLAIMS_BYTES,
  ONE_OF_EACH,
  REMEMBERED,
  REMEMBERED_BYTES,
} from "./snapshot-format.fixture.ts";
import { partsOf, someParts } from "./snapshot-parts.fixture.ts";
import { PART_FIELDS } from "./snapshot-parts.ts";

const END: SnapshotPart = { type: "end", parts: 0 };
const decoded = (chunks: Iterable<Uint8Array>) => [...decodeSnapshot(chunks)];
const oneChunk = (parts: readonly SnapshotPart[]) => [...encodeSnapshot(parts)][0] as Uint8Array;

function expectFault(chunks: Iterable<Uint8Array>, fault: CommitFormatFault, message: RegExp): void {
  try {
    decoded(chunks);
  } catch (error) {
    expect(error).toBeInstanceOf(CommitFormatError);
    expect((error as CommitFormatError).fault).toBe(fault);
    expect((error as CommitFormatError).message).toMatch(message);
    return;
  }
  throw new Error("the chunks were taken for a snapshot");
}

/** A chunk of one part, written field by field; `field` counts as in snapshot.proto. */
function chunkWith(field: number, write: (part: BinaryWriter) => void, { version = 1, number = 1 } = {}): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Varint).uint32(version).tag(2, WireType.Varint).int64(number);
  write(writer.tag(field, WireType.LengthDelimited).fork());
  return writer.join().finish();
}

describe("parts survive their bytes", () => {
  test.each(PART_TYPES)("%s", (type) => {
    fc.assert(
      fc.property(partsOf(type), (part) => {
        const all = type === "end" ? [part] : [part, END];
        expect(decoded(encodeSnapshot(all))).toEqual(all);
      }),
    );
  });

  test("parts of all types, in order, over as many chunks as it takes", () => {
    fc.assert(
      fc.property(someParts, (parts) => {
        expect(decoded(encodeSnapshot([...parts, END]))).toEqual([...parts, END]);
      }),
    );
    const parts = fc.sample(partsOf("allocation"), { numRuns: 3_000, seed: 7 });
    const chunks = [...encodeSnapshot([...parts, END])];
    expect(chunks.length).toBeGreaterThan(3);
    for (const chunk of chunks) expect(chunk.length).toBeLessThan(LIMITS.snapshotChunkBytes + 64 * 1024);
    expect(decoded(chunks)).toEqual([...parts, END]);
  });

  test("the largest note stays within the bound of a chunk", () => {
    const small = { type: "note", allocation: 1, key: "k", value: "x".repeat(LIMITS.snapshotChunkBytes - 64) } as const;
    const large = { type: "note", allocation: 1, key: "k", value: "€".repeat(LIMITS.noteCharsMax) } as const;
    const chunks = [...encodeSnapshot([small, large, END])];
    expect(chunks[0]?.length).toBeLessThanOrEqual(LIMITS.snapshotChunkBytesMax);
    expect(decoded(chunks)).toEqual([small, large, END]);
  });

  test("two snapshots may be written at the same time", () => {
    const parts = fc.sample(partsOf("allocation"), { numRuns: 2_000, seed: 8 });
    const [first, second] = [encodeSnapshot([...parts, END]), encodeSnapshot([...parts, END])];
    const chunks: Uint8Array[] = [];
    for (const chunk of first) {
      chunks.push(chunk);
      second.next();
    }
    expect(decoded(chunks)).toEqual([...parts, END]);
  });
});

describe("the bytes are those of snapshot.proto", () => {
  test("each kind of part stands in a field of its own", () => {
    const names = SnapshotChunkSchema.fields.filter(({ number }) => number > 2).map(({ number }) => number);
    expect(names).toEqual(Object.values(PART_FIELDS).toSorted((a, b) => a - b));
  });

  test.each(PART_TYPES)("%s: the generated codec reads them and writes the same", (type) => {
    fc.assert(
      fc.property(partsOf(type), (part) => {
        const bytes = oneChunk([part]);
        const message = fromBinary(SnapshotChunkSchema, bytes);
        expect(JSON.stringify(message, (_, value) => (typeof value === "bigint" ? "" : value))).not.toMatch(
          /\$unknown/,
        );
        expect(toBinary(SnapshotChunkSchema, message, { writeUnknownFields: false })).toEqual(bytes);
      }),
    );
  });

  test.each(PART_TYPES)("%s: the generated codec reads every text and every number", (type) => {
    fc.assert(
      fc.property(partsOf(type), (part) => {
        const message = fromBinary(SnapshotChunkSchema, oneChunk([part]));
        const { formatVersion, number, ...fields } = toJson(SnapshotChunkSchema, message) as Record<string, JsonValue>;
        expect([formatVersion, number]).toEqual([2, "1"]);
        const [written] = Object.values(fields).map((value) => (Array.isArray(value) ? value[0] : value));
        const texts = new Set(leavesOf(written as JsonValue));
        for (const leaf of leavesOf(bytesAsText(part))) expect(texts).toContain(leaf);
      }),
    );
  });
});

/** As the contract's JSON has it. */
function bytesAsText(part: SnapshotPart): JsonValue {
  const content = part.type === "remembered" ? { bytes: Buffer.from(part.bytes).toString("base64") } : part;
  return content as unknown as JsonValue;
}

/** Every text and every number that is not zero. */
function leavesOf(value: JsonValue | undefined): string[] {
  if (Array.isArray(value)) return value.flatMap(leavesOf);
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([name, part]) => (NAMED_OTHERWISE.has(name) ? [] : leavesOf(part)));
  }
  if (typeof value === "number") return value === 0 ? [] : [String(value)];
  return typeof value === "string" && value !== "" ? [value] : [];
}

/** Enums, and what only says which of several messages it is. */
const NAMED_OTHERWISE = new Set(
  "type kind side priority state what mode index standing strategy pooled worst cause".split(" "),
);

describe("format 1 on disk", () => {
  const chunk = oneChunk([...ONE_OF_EACH, { type: "end", parts: ONE_OF_EACH.length }]);

  test("is read as it was written by any release", () => {
    const bytes = Buffer.from(FORMAT_1, "hex");
    expect(decoded([bytes])).toEqual([...ONE_OF_EACH, { type: "end", parts: ONE_OF_EACH.length }]);
  });

  test("is still what is written, but for its number", () => {
    expect(Buffer.from(chunk).toString("hex")).toBe(FORMAT_1.replace(/^0801/, "0802"));
  });

  test("says by its names what it means", () => {
    const { allocations, effects } = toJson(SnapshotChunkSchema, fromBinary(SnapshotChunkSchema, chunk)) as Record<
      string,
      JsonValue
    >;
    expect(allocations).toEqual([ALLOCATION_JSON]);
    expect(effects).toEqual(EFFECTS_JSON);
  });
});

test("format 2 on disk has what is remembered besides", () => {
  const chunk = Buffer.from(oneChunk([REMEMBERED, { type: "end", parts: 1 }]));
  expect(chunk.toString("hex")).toBe(`08021001${REMEMBERED_BYTES}7a020801`);
  expect(decoded([chunk])).toEqual([REMEMBERED, { type: "end", parts: 1 }]);
});

test("what came later has its own fields: claims, what is set aside, and histories", () => {
  const chunk = Buffer.from(oneChunk([...OF_CLAIMS, { type: "end", parts: 3 }]));
  expect(chunk.toString("hex")).toBe(`08021001${OF_CLAIMS_BYTES}7a020803`);
  expect(decoded([chunk])).toEqual([...OF_CLAIMS, { type: "end", parts: 3 }]);
});

test("names that are held have a field of their own", () => {
  const access = [{ name: "browser", mode: "EXCLUSIVE" } as const, { name: "db", mode: "SHARED" } as const];
  const parts = [{ type: "names", allocation: 7, access } as const, { type: "end", parts: 1 } as const];
  const chunk = Buffer.from(oneChunk(parts));
  expect(chunk.toString("hex")).toBe("08021001aa01150807120b0a0762726f77736572100112040a0264627a020801");
  expect(decoded([chunk])).toEqual(parts);
});

describe("what cannot be read in full is refused by name", () => {
  const someChunks = [...encodeSnapshot([...fc.sample(partsOf("hold"), { numRuns: 9_000, seed: 3 }), END])];

  test("a newer format, whatever else there is", () => {
    expectFault([chunkWith(77, () => {}, { version: 3 })], "newer-format", /format 3; .* up to 2/);
  });

  test("no format", () => {
    expectFault([new Uint8Array()], "malformed", /chunk 1 .* does not say its format/);
  });

  test("an unknown kind of part, an unknown field of a known one, an unknown name", () => {
    const next = Math.max(...Object.values(PART_FIELDS)) + 1;
    expectFault([chunkWith(next, () => {})], "unknown-content", new RegExp(`SnapshotChunk has field ${next}`));
    expectFault(
      [chunkWith(3, (header) => header.tag(9, WireType.Varint).uint32(1))],
      "unknown-content",
      /Header has field 9/,
    );
    expectFault(
      [chunkWith(14, (due) => due.tag(1, WireType.Varint).uint32(9))],
      "unknown-content",
      /Due has 9 in field 1/,
    );
  });

  test("a chunk that is missing, doubled or out of its place", () => {
    const [first, second, third] = someChunks as [Uint8Array, Uint8Array, Uint8Array];
    expect(someChunks.length).toBeGreaterThan(2);
    expectFault([], "malformed", /ends after chunk 0/);
    expectFault(someChunks.slice(0, -1), "malformed", /before its end/);
    expectFault(someChunks.slice(1), "malformed", /chunk 1 .* it is number 2/);
    expectFault([first, first, second], "malformed", /chunk 2 .* it is number 1/);
    expectFault([first, third, second], "malformed", /chunk 2 .* it is number 3/);
    expectFault([...someChunks, oneChunk([END])], "malformed", /comes after the end/);
  });

  test("a field of another wire type, and a list that ends inside a number", () => {
    const header = new BinaryWriter().tag(1, WireType.Varint).uint32(1).tag(2, WireType.Varint).int64(1);
    expectFault([header.tag(3, WireType.Varint).uint32(1).finish()], "malformed", /field 3 is no message/);
    expectFault(
      [chunkWith(14, (due) => due.tag(1, WireType.Varint).uint32(1).tag(2, WireType.Varint).uint32(1))],
      "malformed",
      /field 2 is a number/,
    );
    const cut = (due: BinaryWriter) =>
      due.tag(1, WireType.Varint).uint32(1).tag(2, WireType.LengthDelimited).bytes(Uint8Array.of(1, 0x80));
    expectFault([chunkWith(14, cut)], "malformed", /ends/);
  });

  test("an answer that is none, or two", () => {
    expectFault([chunkWith(13, (effect) => effect.tag(1, WireType.Varint).uint32(1))], "malformed", /says nothing/);
    const two = (effect: BinaryWriter) => effect.tag(5, WireType.Varint).int64(1).tag(8, WireType.Varint).int64(1);
    expectFault([chunkWith(13, two)], "malformed", /more than one thing/);
  });

  test("any cut and any flipped byte either reads as a snapshot or is refused as such", () => {
    fc.assert(
      fc.property(someParts, fc.nat(), fc.integer({ min: 1, max: 255 }), (parts, place, flip) => {
        const bytes = oneChunk([...parts, END]);
        const at = place % bytes.length;
        const flipped = bytes.slice();
        flipped[at] = (flipped[at] as number) ^ flip;
        for (const damaged of [bytes.subarray(0, at), flipped]) {
          try {
            decoded([damaged]);
          } catch (error) {
            expect(error).toBeInstanceOf(CommitFormatError);
          }
        }
      }),
    );
  });
});
