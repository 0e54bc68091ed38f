/**
 * The one shape of a two-way stream, the same for both sides and for every transport. Callbacks and not iterables: the hot
 * streams carry many messages and each `await` costs. Who prefers iterables wraps it with `iterate` and `pump`.
 */
import { Feed } from "./feed.ts";

export interface DuplexStream<In, Out> {
  /** Sets who takes the messages. None is delivered before; set it once, and set it also when nothing is awaited. */
  onMessage(take: (message: In) => void): void;
  /**
   * Called once when the other side has sent its last message: without failure when it ended well, with one when the call
   * was refused, cancelled or lost. Not called after one's own `close(failure)`. On a server this says only that no more
   * comes: it may go on sending, and some clients end their side before they cancel; whether the call still lives is told
   * by its signal.
   */
  onEnd(take: (failure?: Error) => void): void;
  /** Called when `send` has answered false and there is room again. */
  onDrain(take: () => void): void;
  /**
   * Sends or queues one message. False means: enough is waiting, send no more before `onDrain`; the message itself is taken.
   * Past LIMITS.streamBacklogItemsMax items or LIMITS.streamBacklogBytesMax bytes waiting, the stream ends with READER_TOO_SLOW.
   * A message over LIMITS.messageBytesMax ends the stream with MESSAGE_TOO_LARGE. On a stream that is over: false, dropped.
   */
  send(message: Out): boolean;
  /**
   * Ends this side after what waits has been sent. A server thereby ends the call, with the failure's status if there is one;
   * a client says that nothing more comes, or with a failure cancels the call at once.
   */
  close(failure?: unknown): void;
  /**
   * Stops taking messages; what arrives stays in the transport, whose flow control holds the sender back. The end of the
   * stream waits behind unread messages too, so pause for moments only.
   */
  pause(): void;
  resume(): void;
}

const READ_AHEAD_MESSAGES = 16;

type ReadSide<In> = Pick<DuplexStream<In, never>, "onMessage" | "onEnd" | "pause" | "resume">;

export interface IterateOptions {
  /** Called when the reader leaves the loop before the end. By default what still comes is read and dropped. */
  readonly onLeft?: () => void;
}

/** The incoming messages as an iterable; it reads a little ahead and then holds the sender back. */
export function iterate<In>(stream: ReadSide<In>, { onLeft }: IterateOptions = {}): Feed<In> {
  let paused = false;
  const resume = (): void => {
    if (paused) stream.resume();
    paused = false;
  };
  const feed = new Feed<In>({
    onTaken: (waiting) => {
      if (waiting <= READ_AHEAD_MESSAGES / 2) resume();
    },
    onLeft: () => {
      resume();
      onLeft?.();
    },
  });
  stream.onEnd((failure) => feed.end(failure));
  stream.onMessage((message) => {
    feed.push(message);
    if (paused || feed.waiting < READ_AHEAD_MESSAGES) return;
    paused = true;
    stream.pause();
  });
  return feed;
}

/**
 * Sends everything from `source`, no faster than the reader reads, then closes the stream; a source that fails closes it
 * with the failure. When `signal` aborts it leaves the source at once.
 */
export async function pump<Out>(
  source: AsyncIterable<Out>,
  stream: Pick<DuplexStream<never, Out>, "send" | "onDrain" | "close">,
  signal: AbortSignal,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  let wake: (() => void) | undefined;
  const leave = (): void => {
    wake?.();
    // Not awaited: a generator that waits for something else answers only when that comes.
    iterator.return?.()?.catch((failure: unknown) => stream.close(failure));
  };
  stream.onDrain(() => wake?.());
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  try {
    while (!signal.aborted) {
      const next = await iterator.next();
      if (next.done === true) break;
      if (stream.send(next.value) || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    stream.close();
  } catch (failure) {
    stream.close(failure);
  } finally {
    signal.removeEventListener("abort", leave);
  }
}
