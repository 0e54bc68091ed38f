import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BoundedOutput } from "./bounded-output.ts";

function captured(bytesMax: number, chunks: readonly string[]) {
  const output = new BoundedOutput(bytesMax);
  for (const chunk of chunks) output.push(Buffer.from(chunk));
  const { bytes, droppedBytes } = output.capture();
  return { text: Buffer.from(bytes).toString("latin1"), droppedBytes };
}

describe("BoundedOutput", () => {
  it("keeps everything up to its bound, however it arrives", () => {
    const text = "0123456789".repeat(10);
    expect(captured(100, [text])).toEqual({ text, droppedBytes: 0 });
    expect(captured(100, [...text])).toEqual({ text, droppedBytes: 0 });
  });

  it("keeps the beginning and the end and notes between them what was dropped", () => {
    const { text, droppedBytes } = captured(100, ["BEGIN", "x".repeat(10_000), "END"]);
    expect(text).toMatch(/^BEGINx{45}\n\[9930 bytes dropped\]\nx+END$/);
    expect(text.length).toBe(100);
    expect(droppedBytes).toBe(9930);
  });

  it("drops without a note where the bound is too small for one", () => {
    expect(captured(4, ["abcdefgh"])).toEqual({ text: "abgh", droppedBytes: 4 });
    expect(captured(1, ["abcdefgh"])).toEqual({ text: "a", droppedBytes: 7 });
    expect(captured(0, ["abcdefgh"])).toEqual({ text: "", droppedBytes: 8 });
  });

  it("accounts for every byte, within the bound, for any chunks", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.array(fc.string({ maxLength: 120, unit: "grapheme-ascii" })), (bytesMax, chunks) => {
        const whole = chunks.join("");
        const { text, droppedBytes } = captured(bytesMax, chunks);
        expect(text.length).toBeLessThanOrEqual(bytesMax);
        const note = `\n[${droppedBytes} bytes dropped]\n`;
        const noted = droppedBytes > 0 && text.includes(note);
        const kept = noted ? text.replace(note, "") : text;
        expect(kept.length + droppedBytes).toBe(whole.length);
        const headMax = Math.min(Math.ceil(bytesMax / 2), kept.length);
        expect(whole.startsWith(kept.slice(0, headMax))).toBe(true);
        expect(whole.endsWith(kept.slice(headMax))).toBe(true);
      }),
    );
  });
});
