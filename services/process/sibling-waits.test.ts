import { expect, test } from "vitest";
import { WaitEnd } from "#daemon";
import { SiblingWaits } from "./sibling-waits.ts";

const granted = { type: "done", changed: true } as const;

function begun() {
  const cancelled: string[] = [];
  const ends = new Map<string, WaitEnd>();
  const endOf = (requestId: string) => {
    const end = ends.get(requestId) ?? new WaitEnd();
    ends.set(requestId, end);
    return end;
  };
  const waits = new SiblingWaits((requestId) => cancelled.push(requestId));
  const waitFor = (requestId: string, isNamed = false) =>
    waits.wait("p", { requestId, later: endOf(requestId), isNamed });
  return { cancelled, waits, waitFor, decide: (requestId: string) => endOf(requestId).tell(granted) };
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
  const { cancelled, waits, waitFor, decide } = begun();
  waits.begin("p");
  waits.begin("p");
  const answer = waitFor("second");
  decide("second");
  // The first ends in the same moment: the second goes on, and nobody is called back.
  waits.end("p");
  expect(await answer).toBe(granted);
  expect(cancelled).toEqual([]);
  waits.begin("p");
  expect(waits.hasOthers("p")).toBe(true);
});

test("an answer that is told before the wait begins is not lost", async () => {
  const { cancelled, waits, waitFor, decide } = begun();
  waits.begin("p");
  waits.begin("p");
  decide("second");
  expect(await waitFor("second")).toBe(granted);
  waits.end("p");
  expect(cancelled).toEqual([]);
});

test("nor is one of who wants names, for which nobody is counted", async () => {
  const { waits, waitFor, decide } = begun();
  waits.begin("p");
  decide("named");
  expect(await waitFor("named", true)).toBe(granted);
  expect(waits.hasOthers("p")).toBe(false);
});

test("when the last that goes on ends, those who wait are called back", async () => {
  const { cancelled, waits, waitFor, decide } = begun();
  for (let i = 0; i < 3; i += 1) waits.begin("p");
  const answers = [waitFor("a"), waitFor("b")];
  expect(cancelled).toEqual([]);
  waits.end("p");
  expect(cancelled).toEqual(["a", "b"]);
  decide("a");
  decide("b");
  await Promise.all(answers);
});

test("those who were asked for together and must all wait are called back at once", async () => {
  const { cancelled, waits, waitFor, decide } = begun();
  waits.begin("p");
  waits.begin("p");
  const first = waitFor("a");
  expect(cancelled).toEqual([]);
  const second = waitFor("b");
  expect(cancelled).toEqual(["a", "b"]);
  decide("a");
  decide("b");
  await Promise.all([first, second]);
});

test("who wants names waits on when all beside it wait", async () => {
  const { cancelled, waits, waitFor, decide } = begun();
  waits.begin("p");
  const answer = waitFor("named", true);
  waits.begin("p");
  waits.end("p");
  expect(cancelled).toEqual([]);
  decide("named");
  expect(await answer).toBe(granted);
});
