import { BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { WireWriter } from "./wire-writer.ts";

const writer = new WireWriter();

test("a list of numbers is written packed", () => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.array(fc.integer({ min: 0, max: 0xffff_ffff })), (signed, unsigned) => {
      writer.reset();
      writer.int32s(1, signed);
      writer.uint32s(2, unsigned);
      const expected = new BinaryWriter();
      if (signed.length > 0) expected.tag(1, 2).fork();
      for (const value of signed) expected.int32(value);
      if (signed.length > 0) expected.join();
      if (unsigned.length > 0) expected.tag(2, 2).fork();
      for (const value of unsigned) expected.uint32(value);
      if (unsigned.length > 0) expected.join();
      expect(writer.finish()).toEqual(expected.finish());
    }),
  );
});

test("a number outside its type is not written", () => {
  expect(() => writer.int32s(1, [1, 2 ** 31])).toThrow("field 1 is an int32; got 2147483648");
  expect(() => writer.uint32s(2, [1, -1])).toThrow("field 2 is a uint32; got -1");
});

test("what was written is kept when the writer begins anew and grows", () => {
  writer.reset();
  writer.text(1, "kept");
  const kept = writer.finish();
  writer.reset();
  writer.text(1, "x".repeat(200_000));
  expect(writer.length).toBe(200_004);
  expect(Buffer.from(kept).toString("latin1")).toBe("\n\u0004kept");
});
