import { create, fromBinary, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Access, type Amount, amountsOf, type BudgetEvent, type GrantWish } from "#budget";
import { JournalCommitSchema, type JournalEvent, JournalEventSchema } from "#gen/bursar/v1/record_pb.js";
import type { Commit } from "#ports";
import { InvariantError } from "#std";
import { decodeCommit, encodeCommit } from "./commit-codec.ts";
import { CommitFormatError, type CommitFormatFault } from "./commit-format-error.ts";
import { EVENT_FIELD, EVENT_FIELDS } from "./event-fields.ts";
import { commits, EVENT_TYPES, eventsOf } from "./events.fixture.ts";

function refusal(bytes: Uint8Array): CommitFormatError {
  try {
    decodeCommit(bytes);
  } catch (error) {
    if (error instanceof CommitFormatError) return error;
    throw error;
  }
  throw new Error("the bytes were taken for a commit");
}

function expectFault(bytes: Uint8Array, fault: CommitFormatFault, message: RegExp): void {
  const error = refusal(bytes);
  expect(error.fault).toBe(fault);
  expect(error.message).toMatch(message);
}

/** A commit with one event, written field by field. */
function commitWith(write: (event: BinaryWriter) => void, version = 1): Uint8Array {
  const writer = new BinaryWriter().tag(1, WireType.Varint).uint32(version).tag(3, WireType.LengthDelimited).fork();
  write(writer);
  return writer.join().finish();
}

describe("a commit survives its bytes", () => {
  test.each(EVENT_TYPES)("%s", (type) => {
    fc.assert(
      fc.property(eventsOf(type), (event) => {
        const commit = { engineTimeMs: event.atMs, events: [event] };
        expect(decodeCommit(encodeCommit(commit))).toEqual(commit);
      }),
    );
  });

  test("events of all types, in order", () => {
    fc.assert(
      fc.property(commits, (commit) => {
        expect(decodeCommit(encodeCommit(commit))).toEqual(commit);
      }),
    );
  });

  test("no event, and a thousand", () => {
    expect(decodeCommit(encodeCommit({ engineTimeMs: 0, events: [] }))).toEqual({ engineTimeMs: 0, events: [] });
    const events = fc.sample(eventsOf("allocation_opened"), { numRuns: 1_000, seed: 7 });
    expect(decodeCommit(encodeCommit({ engineTimeMs: 5, events })).events).toEqual(events);
  });

  test("bytes of one commit are not those of the next", () => {
    const [first, second] = [1, 2].map((engineTimeMs) => encodeCommit({ engineTimeMs, events: [] }));
    expect(decodeCommit(first as Uint8Array).engineTimeMs).toBe(1);
    expect(decodeCommit(second as Uint8Array).engineTimeMs).toBe(2);
  });

  test("broken characters are replaced, so that the journal stays readable", () => {
    const event: BudgetEvent = { type: "allocation_closing", atMs: 1, allocationId: "a", reason: "cut \ud83d" };
    const [read] = decodeCommit(encodeCommit({ engineTimeMs: 1, events: [event] })).events;
    expect(read).toEqual({ ...event, reason: "cut \ufffd" });
  });
});

describe("the bytes are those of record.proto", () => {
  test("each event stands in the field of its name", () => {
    const oneof = JournalEventSchema.oneofs.find(({ name }) => name === "event");
    const fields = Object.fromEntries(oneof?.fields.map(({ name, number }) => [name, number]) ?? []);
    expect(fields).toEqual(EVENT_FIELD);
    expect(Math.max(...Object.values(EVENT_FIELD))).toBe(EVENT_FIELDS);
  });

  test.each(EVENT_TYPES)("%s: the generated codec reads them and writes the same", (type) => {
    fc.assert(
      fc.property(eventsOf(type), (event) => {
        const bytes = encodeCommit({ engineTimeMs: 3, events: [event] });
        const message = fromBinary(JournalCommitSchema, bytes);
        expect(message.$unknown).toBeUndefined();
        expect(message.events[0]?.$unknown).toBeUndefined();
        const content = message.events[0]?.event;
        expect(content?.case).toBe(type.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()));
        expect(content?.value?.$unknown).toBeUndefined();
        expect(toBinary(JournalCommitSchema, message, { writeUnknownFields: false })).toEqual(bytes);
      }),
    );
  });

  test.each(EVENT_TYPES)("%s: every field has the name that the engine gives it", (type) => {
    fc.assert(
      fc.property(eventsOf(type), ({ type: _, atMs, ...content }) => {
        const bytes = encodeCommit({ engineTimeMs: 3, events: [{ type, atMs, ...content } as BudgetEvent] });
        const message = fromBinary(JournalCommitSchema, bytes).events[0];
        const json = toJson(JournalEventSchema, message as JournalEvent) as Record<string, JsonValue>;
        expect(json.atMs ?? "0").toBe(String(atMs));
        const [written] = Object.entries(json).filter(([name]) => name !== "atMs");
        expectSame(content, written?.[1] as JsonValue);
      }),
    );
  });
});

/** Holds a value of the engine to the JSON of its message, where zero, false and empty are left out and enums have long names. */
function expectSame(value: unknown, json: JsonValue | undefined): void {
  if (Array.isArray(value)) {
    expectSameList(value as [string, number][], json);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, part] of Object.entries(value)) {
      const fields = json as Record<string, JsonValue> | undefined;
      if (name === "request") expectSame(part, fields?.[(part as GrantWish).type]);
      else if (name === "givers") {
        const given = (fields?.[name] ?? []) as JsonValue[];
        for (const [index, giver] of (part as object[]).entries()) expectSame(giver, given[index]);
      } else if (name === "access") expectSameNames(part as Access[], fields?.[name]);
      else if (name === "pooled") expectSamePool(part, fields);
      else if (name === "lowBudgetPercents") expect(fields?.[name]).toEqual((part as number[]).map(String));
      else if (name !== "type") expectSame(part, fields?.[name]);
    }
  } else if (json === undefined) {
    expect(value || undefined).toBeUndefined();
  } else if (typeof value === "string" && json !== value) {
    expect(json).toMatch(new RegExp(`_${value.toUpperCase()}$`));
  } else {
    expect(json).toBe(typeof value === "number" ? String(value) : value);
  }
}

function expectSameList(list: readonly (readonly [string, number])[], json: JsonValue | undefined): void {
  const written = ((json ?? []) as { name?: string; calls?: string }[]).map(({ name, calls }) => [name, calls]);
  expect(written).toEqual(list.map(([name, calls]) => [name || undefined, calls === 0 ? undefined : String(calls)]));
}

function expectSameNames(access: readonly Access[], json: JsonValue | undefined): void {
  expect(json).toEqual(
    access.map(({ name, mode }) => ({
      ...(name !== "" && { name }),
      ...(mode === "EXCLUSIVE" && { exclusive: true }),
    })),
  );
}

function expectSamePool(pooled: string[], json: Record<string, JsonValue> | undefined): void {
  expect([json?.pooledCredits ?? false, json?.pooledToolCalls ?? false]).toEqual([
    pooled.includes("credits"),
    pooled.includes("toolCalls"),
  ]);
}

describe("formats on disk", () => {
  const commit: Commit = {
    engineTimeMs: 70_000,
    events: [
      {
        type: "hold_placed",
        atMs: 69_999,
        holdId: "h-1",
        allocationId: "a-1",
        what: "tool",
        name: "search",
        amounts: amountsOf({ credits: 300 as Amount, toolCalls: 1 as Amount }),
        clamped: true,
        expiresAtMs: 129_999,
        effect: { key: "a-1/r-1", fingerprint: Number.MAX_SAFE_INTEGER, partial: true },
      },
      { type: "limit_lowered", atMs: 70_000, allocationId: "a-1", by: amountsOf({}), preemptionId: undefined },
      { type: "memory_released", atMs: 70_000, upToMs: 0 },
    ],
  };
  /** All of it but the version. */
  const bytes =
    "10f0a2041a3d08efa20432370a03682d311203612d31180222067365617263682a0508ac021001300138cff70742140a07612d312f722d3110ffffffffffffff0f18011a0d08f0a20422070a03612d3112001a0708f0a204aa0100";

  test.each(["0801", "0802", "0803"])("%s is read as it was written by any release", (version) => {
    expect(decodeCommit(Buffer.from(version + bytes, "hex"))).toEqual(commit);
  });

  test("3 is what is written", () => {
    expect(Buffer.from(encodeCommit(commit)).toString("hex")).toBe(`0803${bytes}`);
  });

  test("a report of format 1 says nothing of corrections", () => {
    const report = decodeCommit(Buffer.from("080110051a0b08055a070a01611002180a", "hex"));
    expect(report.events).toEqual([
      expect.objectContaining({ type: "usage_reported", credits: 10, corrections: 0, provisional: false }),
    ]);
  });
});

describe("what cannot be read in full is refused by name", () => {
  test("a newer format", () => {
    const bytes = toBinary(JournalCommitSchema, create(JournalCommitSchema, { formatVersion: 4 }));
    expectFault(bytes, "newer-format", /format 4; this release reads formats up to 3/);
    // Even when the rest looks like nothing this release knows.
    const strange = new BinaryWriter().tag(1, WireType.Varint).uint32(9).tag(77, WireType.Varint).uint32(1).finish();
    expectFault(strange, "newer-format", /format 9/);
  });

  test("no format, as in bytes that are something else", () => {
    expectFault(new Uint8Array(), "malformed", /does not say its format/);
    expectFault(new TextEncoder().encode('{"engineTimeMs":1}'), "malformed", /JournalCommit is damaged/);
  });

  test("an unknown event", () => {
    const bytes = commitWith((event) =>
      event
        .tag(EVENT_FIELDS + 1, WireType.LengthDelimited)
        .fork()
        .join(),
    );
    expectFault(bytes, "unknown-content", new RegExp(`JournalEvent has field ${EVENT_FIELDS + 1}`));
  });

  test("an unknown field of a known event", () => {
    const bytes = commitWith((event) =>
      event.tag(9, WireType.LengthDelimited).fork().tag(2, WireType.Varint).uint32(1).join(),
    );
    expectFault(bytes, "unknown-content", /hold_lapsed has field 2/);
  });

  test("an unknown name", () => {
    const bytes = commitWith((event) =>
      event.tag(17, WireType.LengthDelimited).fork().tag(2, WireType.Varint).uint32(9).join(),
    );
    expectFault(bytes, "unknown-content", /request_dequeued has 9 in field 2.*granted, timed_out, cancelled, refused/);
  });

  test("an event without content, and one with two", () => {
    expectFault(
      commitWith((event) => event.tag(1, WireType.Varint).uint32(5)),
      "malformed",
      /says nothing/,
    );
    const two = commitWith((event) =>
      event.tag(9, WireType.LengthDelimited).fork().join().tag(15, WireType.LengthDelimited).fork().join(),
    );
    expectFault(two, "malformed", /more than one thing/);
  });

  test("a missing part", () => {
    const bytes = commitWith((event) => event.tag(3, WireType.LengthDelimited).fork().join());
    expectFault(bytes, "malformed", /Amounts is missing/);
  });

  test("numbers beyond 2^53-1, and text that is not UTF-8", () => {
    const large = commitWith((event) => event.tag(1, WireType.Varint).int64(2n ** 53n));
    expectFault(large, "malformed", /above 2\^53-1/);
    const negative = commitWith((event) => event.tag(1, WireType.Varint).int64(-1n));
    expectFault(negative, "malformed", /above 2\^53-1/);
    const latin = commitWith((event) =>
      event
        .tag(9, WireType.LengthDelimited)
        .fork()
        .tag(1, WireType.LengthDelimited)
        .bytes(Uint8Array.of(0xe9, 0x20))
        .join(),
    );
    expectFault(latin, "malformed", /hold_lapsed is damaged: text that is not UTF-8/);
  });

  test("any cut and any flipped byte either reads as a commit or is refused as such", () => {
    fc.assert(
      fc.property(commits, fc.nat(), fc.integer({ min: 1, max: 255 }), (commit, place, flip) => {
        const bytes = encodeCommit(commit);
        const flipped = bytes.slice();
        const at = place % bytes.length;
        flipped[at] = (flipped[at] as number) ^ flip;
        for (const damaged of [bytes.subarray(0, at), flipped]) {
          try {
            decodeCommit(damaged);
          } catch (error) {
            expect(error).toBeInstanceOf(CommitFormatError);
          }
        }
      }),
    );
  });

  test("what is no whole number is never written", () => {
    for (const engineTimeMs of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => encodeCommit({ engineTimeMs, events: [] })).toThrow(InvariantError);
    }
    expect(decodeCommit(encodeCommit({ engineTimeMs: 4, events: [] })).engineTimeMs).toBe(4);
  });
});
