import { describe, expect, it } from "vitest";
import { EventFeed, eventNumbers } from "./event-feed.ts";

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const event of source) seen.push(event);
  return seen;
}

it("numbers the events of a later life above all of an earlier one", () => {
  const first = eventNumbers(0);
  expect([first(), first()]).toEqual([1n, 2n]);
  const second = eventNumbers(1);
  expect([second(), second()]).toEqual([4_294_967_297n, 4_294_967_298n]);
});

describe("an event feed", () => {
  it("gives everyone everything from the beginning, whenever they come", async () => {
    const feed = new EventFeed<number>();
    feed.push(1);
    const early = all(feed.follow());
    feed.push(2);
    feed.end();
    expect(await early).toEqual([1, 2]);
    expect(await all(feed.follow())).toEqual([1, 2]);
  });

  it("ends with its failure for everyone, also for those who come after it", async () => {
    const feed = new EventFeed<number>();
    const early = all(feed.follow());
    feed.end(new Error("refused"));
    await expect(early).rejects.toThrow("refused");
    await expect(all(feed.follow())).rejects.toThrow("refused");
  });
});
