import { expect, test } from "vitest";
import { amount, amountsOf, type Command, NOTHING } from "#budget";
import { timed } from "./command-input.ts";

const wanted = amountsOf({ credits: amount(3) });
const facts = { networkBytes: 1, diskBytes: 2, gpuMs: 3, memoryPeakBytes: 4 };
const commands = [
  { type: "grant", wish: { type: "open", caller: "a" } },
  {
    type: "reserve",
    requestId: "request",
    allocationId: "step",
    holdId: "hold",
    what: "tool",
    name: "tool",
    wanted,
    min: NOTHING,
    ttlMs: 5,
  },
  { type: "settle", allocationId: "step", holdId: "hold", credits: 7, toolCalls: 1, final: true, ...facts },
  { type: "close", allocationId: "step", reason: "done" },
  { type: "tick" },
] as unknown as Parameters<typeof timed>[0][];

test.each(commands)("nothing of a command is lost when it gets its time: $type", (command) => {
  const before = structuredClone(command);
  expect(timed(command, 42)).toStrictEqual({ ...command, nowMs: 42 } as Command);
  expect(command).toStrictEqual(before);
});
