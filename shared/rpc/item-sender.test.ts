import { describe, expect, test } from "vitest";
import { LIMITS } from "#std";
import { Feed } from "./feed.ts";
import { ItemSender, inMessages, together } from "./item-sender.ts";

/** A stream's sending half that keeps what it was given; `room` messages go through before it says that enough is waiting. */
function sink(room = Number.POSITIVE_INFINITY) {
  const messages: number[][] = [];
  let left = room;
  let drain = (): void => undefined;
  let closed = false;
  return {
    messages,
    isClosed: () => closed,
    drained: (more: number) => {
      left = more;
      drain();
    },
    stream: {
      send: (message: number[]) => {
        messages.push(message);
        left -= 1;
        return left > 0;
      },
      onDrain: (take: () => void) => {
        drain = take;
      },
      close: () => {
        closed = true;
      },
    },
  };
}

const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function senderTo(stream: ReturnType<typeof sink>["stream"], options: { bytes?: number; ends?: number } = {}) {
  return new ItemSender<number, number[]>({
    stream,
    pack: (items) => [...items],
    bytesOf: () => options.bytes ?? 1,
    endsMessage: (item) => item === options.ends,
  });
}

describe("items become messages", () => {
  test("what is handed over in one turn goes out together, in order", async () => {
    const { stream, messages } = sink();
    const sender = senderTo(stream);
    for (const item of numbers(3)) sender.push(item);
    expect(messages).toEqual([]);
    await turn();
    sender.push(3);
    await turn();
    expect(messages).toEqual([[0, 1, 2], [3]]);
  });

  test("no message has more items or bytes than may be", async () => {
    const { stream, messages } = sink();
    const sender = senderTo(stream);
    for (const item of numbers(LIMITS.streamItemsMax + 1)) sender.push(item);
    await turn();
    expect(messages.map(({ length }) => length)).toEqual([LIMITS.streamItemsMax, 1]);
    const large = sink();
    const third = senderTo(large.stream, { bytes: LIMITS.messageBytesMax / 5 });
    for (const item of numbers(5)) third.push(item);
    await turn();
    expect(large.messages).toEqual([[0, 1], [2, 3], [4]]);
  });

  test("an item larger than a message goes by itself", async () => {
    const { stream, messages } = sink();
    const sender = senderTo(stream, { bytes: LIMITS.messageBytesMax });
    for (const item of numbers(2)) sender.push(item);
    await turn();
    expect(messages).toEqual([[0], [1]]);
  });

  test("an item that ends its message is the last in it", async () => {
    const { stream, messages } = sink();
    const sender = senderTo(stream, { ends: 1 });
    for (const item of numbers(4)) sender.push(item);
    await turn();
    expect(messages).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  test("while the reader does not keep up, items wait and are packed tighter", async () => {
    const { stream, messages, drained } = sink(1);
    const sender = senderTo(stream);
    sender.push(0);
    await turn();
    sender.push(1);
    await turn();
    sender.push(2);
    await turn();
    expect(messages).toEqual([[0]]);
    drained(2);
    expect(messages).toEqual([[0], [1, 2]]);
    sender.push(3);
    await turn();
    expect(messages).toEqual([[0], [1, 2], [3]]);
  });

  test("what waits is bounded", async () => {
    const { stream, drained } = sink(1);
    const sender = senderTo(stream);
    sender.push(0);
    await turn();
    for (const item of numbers(LIMITS.streamBacklogItemsMax)) sender.push(item);
    expect(sender.hasRoom(0)).toBe(true);
    expect(sender.hasRoom(1)).toBe(false);
    drained(Number.POSITIVE_INFINITY);
    expect(sender.hasRoom(LIMITS.streamBacklogItemsMax)).toBe(true);
  });

  test("closing hands over what waits, reader or not", async () => {
    const { stream, messages, isClosed } = sink(1);
    const sender = senderTo(stream);
    sender.push(0);
    await turn();
    sender.push(1);
    sender.close();
    expect(messages).toEqual([[0], [1]]);
    expect(isClosed()).toBe(true);
  });
});

describe("parts of one item in several messages", () => {
  test("in order, each within the bounds, and one message when there is nothing", () => {
    expect(inMessages([], () => 1)).toEqual([[]]);
    expect(inMessages(numbers(3), () => 1)).toEqual([[0, 1, 2]]);
    expect(inMessages(numbers(3), () => LIMITS.messageBytesMax)).toEqual([[0], [1], [2]]);
    const groups = inMessages(numbers(2 * LIMITS.streamItemsMax + 1), () => 1);
    expect(groups.map(({ length }) => length)).toEqual([LIMITS.streamItemsMax, LIMITS.streamItemsMax, 1]);
    expect(groups.flat()).toEqual(numbers(2 * LIMITS.streamItemsMax + 1));
  });
});

describe("what comes out of a feed", () => {
  test("comes together when it waits together, and ends as the feed does", async () => {
    const feed = new Feed<{ readonly text: string }>();
    const groups = together(feed)[Symbol.asyncIterator]();
    const texts = async () => (await groups.next()).value?.map(({ text }: { readonly text: string }) => text);
    const first = texts();
    for (const text of ["a", "b", "c"]) feed.push({ text });
    expect(await first).toEqual(["a", "b", "c"]);
    feed.push({ text: "d" });
    feed.end(new Error("over"));
    expect(await texts()).toEqual(["d"]);
    await expect(texts()).rejects.toThrow("over");
  });

  test("is split where it does not fit into one message", async () => {
    const feed = new Feed<{ readonly bytes: Uint8Array }>();
    const bytes = new Uint8Array(LIMITS.messageBytesMax / 3);
    for (let count = 0; count < 3; count += 1) feed.push({ bytes });
    feed.end();
    expect((await Array.fromAsync(together(feed))).map(({ length }) => length)).toEqual([1, 1, 1]);
  });
});
