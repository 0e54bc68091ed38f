import fc from "fast-check";
import { expect, test } from "vitest";
import { FingerprintPieces, fingerprint, murmur128 } from "./fingerprint.ts";

// Made with the C implementation behind Python's mmh3: hash128(text.encode("utf-16-le"), 0, x64arch=False).
const PUBLISHED: readonly [text: string, low53Bits: number, words: readonly number[]][] = [
  ["", 0, [0, 0, 0, 0]],
  ["a", 4309952491139478, [54243734, 3438235617, 3438235617, 3438235617]],
  ["ab", 764148334967123, [638564691, 2938287869, 2938287869, 2938287869]],
  ["bursar", 8719519719154619, [1668867003, 2076113499, 1639925562, 1983410030]],
  ["1234567", 7419628671844081, [3948527345, 2086296604, 3078820357, 3123002399]],
  ["12345678", 838167301177842, [138396146, 3783457359, 3175500039, 3355303290]],
  ["123456789", 1198785684403568, [182547824, 3542368842, 3787938304, 1330353817]],
  ["routine/steps/2 → ünïcödé 🪙", 4782197102693671, [126700839, 3312516450, 68454753, 3598123591]],
  ["The quick brown fox jumps over the lazy dog", 5900847342859910, [364820102, 261420746, 4275341645, 683568475]],
];

test.each(PUBLISHED)("hashes %j as the published algorithm does", (text, low53Bits, words) => {
  const into = new Uint32Array(4);
  murmur128(text, into);
  expect([...into]).toEqual(words);
  expect(fingerprint(text)).toBe(low53Bits);
});

test("gives 200,000 texts that differ in one place 200,000 numbers", () => {
  const numbers = new Set<number>();
  for (let index = 0; index < 200_000; index += 1) numbers.add(fingerprint(`request ${index} of 1000 credits`));
  expect(numbers.size).toBe(200_000);
});

test("is the same of pieces as of the text that they make, numbers as JavaScript writes them", () => {
  const pieces = new FingerprintPieces();
  const numbers = fc.oneof(fc.nat(), fc.maxSafeInteger(), fc.double(), fc.constantFrom(0, 9, 10, 2 ** 31 - 1, 2 ** 31));
  const piece = fc.oneof(fc.string({ maxLength: 300, unit: "binary" }), numbers, fc.constant(undefined));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (list) => {
      pieces.clear();
      for (const one of list) typeof one === "string" ? pieces.text(one) : pieces.number(one);
      expect(pieces.sum()).toBe(fingerprint(list.map((one) => one ?? "").join("")));
    }),
  );
});
