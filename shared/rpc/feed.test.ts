import { expect, test } from "vitest";
import { Feed } from "./feed.ts";

test("gives items in order, those waiting and those to come, then ends", async () => {
  const feed = new Feed<number>();
  feed.push(1);
  feed.push(2);
  const read = Array.fromAsync(feed);
  await Promise.resolve();
  feed.push(3);
  feed.end();
  expect(await read).toEqual([1, 2, 3]);
  expect(feed.push(4)).toBe(false);
  expect(await feed.next()).toEqual({ value: undefined, done: true });
});

test("gives what waits before a failure, and the failure once", async () => {
  const feed = new Feed<number>();
  feed.push(1);
  feed.end(new Error("broken"));
  expect(await feed.next()).toEqual({ value: 1, done: false });
  await expect(feed.next()).rejects.toThrow("broken");
  expect(await feed.next()).toEqual({ value: undefined, done: true });
});

test("tells a waiting reader of a failure at once", async () => {
  const feed = new Feed<number>();
  const next = feed.next();
  feed.end(new Error("broken"));
  await expect(next).rejects.toThrow("broken");
  expect(await feed.next()).toEqual({ value: undefined, done: true });
});

test("ends with READER_TOO_SLOW when more waits than it may hold, and holds nothing more", async () => {
  const feed = new Feed<number>({ itemsMax: 2 });
  expect([feed.push(1), feed.push(2), feed.push(3), feed.push(4)]).toEqual([true, true, false, false]);
  expect(feed.waiting).toBe(0);
  await expect(feed.next()).rejects.toMatchObject({ refusal: { reason: "READER_TOO_SLOW" } });
});

test("tells its producer when the reader leaves before the end, and only then", async () => {
  let left = 0;
  const options = { onLeft: () => (left += 1) };
  const feed = new Feed<number>(options);
  feed.push(1);
  for await (const _ of feed) break;
  expect(left).toBe(1);
  expect(feed.push(2)).toBe(false);
  const whole = new Feed<number>(options);
  whole.end();
  for await (const _ of whole) break;
  expect(left).toBe(1);
});

test("has one reader that waits for one item at a time", () => {
  const feed = new Feed<number>();
  void feed.next();
  expect(() => feed.next()).toThrow("one reader");
});
