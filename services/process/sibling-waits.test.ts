import { expect, test } from "vitest";
import { SiblingWaits } from "./sibling-waits.ts";

const granted = { type: "done", changed: true } as const;

function begun() {
  const cancelled: string[] = [];
  const waits = new SiblingWaits((requestId) => cancelled.push(requestId));
  const decide = (requestId: string) =>
    waits.decided({ type: "decided", caller: "run:r", requestId, outcome: granted });
  return { cancelled, waits, decide };
}

test("who is alone has nobody to wait for", () => {
  const { waits } = begun();
  waits.begin("p");
  expect(waits.hasOthers("p")).toBe(false);
  waits.begin("other");
  expect(waits.hasOthers("p")).toBe(false);
  waits.begin("p");
  expect(waits.hasOthers("p")).toBe(true);
});

test("who waits beside others is answered, and goes on then", async () => {
  const { cancelled, waits, decide } = begun();
  waits.begin("p");
  waits.begin("p");
  const answer = waits.wait("p", "second");
  decide("second");
  // The first ends in the same moment: the second goes on, and nobody is called back.
  waits.end("p");
  expect(await answer).toBe(granted);
  expect(cancelled).toEqual([]);
  waits.begin("p");
  expect(waits.hasOthers("p")).toBe(true);
});

test("an answer that is told before the wait begins is not lost", async () => {
  const { cancelled, waits, decide } = begun();
  waits.begin("p");
  waits.begin("p");
  decide("second");
  expect(await waits.wait("p", "second")).toBe(granted);
  waits.end("p");
  expect(cancelled).toEqual([]);
});

test("nor is one of who wants names, for which nobody is counted", async () => {
  const { waits, decide } = begun();
  waits.begin("p");
  decide("named");
  expect(await waits.wait("p", "named", { isNamed: true })).toBe(granted);
  expect(waits.hasOthers("p")).toBe(false);
});

test("when the last that goes on ends, those who wait are called back", async () => {
  const { cancelled, waits, decide } = begun();
  for (let i = 0; i < 3; i += 1) waits.begin("p");
  const answers = [waits.wait("p", "a"), waits.wait("p", "b")];
  expect(cancelled).toEqual([]);
  waits.end("p");
  expect(cancelled).toEqual(["a", "b"]);
  decide("a");
  decide("b");
  await Promise.all(answers);
});

test("those who were asked for together and must all wait are called back at once", async () => {
  const { cancelled, waits, decide } = begun();
  waits.begin("p");
  waits.begin("p");
  const first = waits.wait("p", "a");
  expect(cancelled).toEqual([]);
  const second = waits.wait("p", "b");
  expect(cancelled).toEqual(["a", "b"]);
  decide("a");
  decide("b");
  await Promise.all([first, second]);
});

test("who wants names waits on when all beside it wait", async () => {
  const { cancelled, waits, decide } = begun();
  waits.begin("p");
  const answer = waits.wait("p", "named", { isNamed: true });
  waits.begin("p");
  waits.end("p");
  expect(cancelled).toEqual([]);
  decide("named");
  expect(await answer).toBe(granted);
});
