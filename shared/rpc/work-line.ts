/**
 * The parent's side of a stream of work: one stream to one life of a child, over which orders go down and what happens in them comes back.
 * When it is lost, every order on it is: the work goes on, and is joined over another one.
 */
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { RefusalError } from "#errors";
import type { RunEvent } from "#gen/bursar/v1/run_pb.js";
import type { WorkHelloSchema, WorkTelling } from "#gen/bursar/v1/work_pb.js";
import { LIMITS } from "#std";
import type { DuplexStream } from "./duplex-stream.ts";
import { fromStatusMessage } from "./error-map.ts";
import { Feed } from "./feed.ts";
import { ItemSender } from "./item-sender.ts";
import { bytesAtMost, fitsIntoMessage } from "./message-bytes.ts";
import { TransportError } from "./transport-error.ts";

/** What is sent: an order with its number, or the number of one that is left. */
interface Request<Order> {
  readonly hello?: MessageInitShape<typeof WorkHelloSchema>;
  readonly orders?: (Order & { readonly number: number })[];
  readonly left?: number[];
}

export type WorkDuplex<Order> = DuplexStream<{ readonly tellings: WorkTelling[] }, Request<Order>>;

export interface WorkLineOptions<Order> {
  readonly stream: WorkDuplex<Order>;
  readonly hello: MessageInitShape<typeof WorkHelloSchema>;
  /** What an order is on the wire. */
  readonly order: DescMessage;
  /** Told once, when the stream is over. */
  readonly onOver: () => void;
}

type Item<Order> = (Order & { readonly number: number }) | number;

/** An order that is not over, and how the signal of its follower forgets it. */
interface Followed {
  readonly feed: Feed<RunEvent>;
  readonly forget: () => void;
}

const LEFT_BYTES = 8;

export class WorkLine<Order extends object> {
  readonly #options: WorkLineOptions<Order>;
  readonly #sender: ItemSender<Item<Order>, Request<Order>>;
  readonly #followed = new Map<number, Followed>();
  #last = 0;
  #over = false;

  constructor(options: WorkLineOptions<Order>) {
    const { stream, hello } = options;
    this.#options = options;
    const bytesOf = (item: Item<Order>) => (typeof item === "number" ? LEFT_BYTES : bytesAtMost(item));
    this.#sender = new ItemSender({ stream, bytesOf, pack: requestOf });
    stream.onMessage(({ tellings }) => {
      for (const telling of tellings) this.#hear(telling);
    });
    stream.onEnd((failure) => this.#end(failure));
    this.#sender.sendNow({ hello });
  }

  get isOver(): boolean {
    return this.#over;
  }

  /**
   * Gives an order and follows what happens. Ends when the child has told everything, fails with its refusal of the order, or with
   * TransportError when the line is lost; leaving, or the signal, ends the following alone. An order that is too large for any message,
   * or finds no room on the line, is refused here.
   */
  follow(order: Order, signal: AbortSignal): Feed<RunEvent> {
    if (this.#over) throw lost();
    if (!fitsIntoMessage(this.#options.order, order)) throw tooLarge();
    if (!this.#sender.hasRoom(1)) throw lineFull();
    this.#last += 1;
    const number = this.#last;
    const leave = () => this.#leave(number);
    const feed = new Feed<RunEvent>({ onLeft: leave });
    this.#followed.set(number, { feed, forget: () => signal.removeEventListener("abort", leave) });
    this.#sender.push({ ...order, number });
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
    return feed;
  }

  /** Ends the line; what is followed is joined over another one. */
  close(): void {
    if (this.#over) return;
    this.#end(undefined);
    this.#options.stream.close(lost());
  }

  #hear({ number, told, last }: WorkTelling): void {
    const followed = this.#followed.get(number);
    if (!followed) return;
    if (told.case === "event" && !followed.feed.push(told.value)) this.#leave(number);
    if (!last && told.case !== "refused") return;
    this.#forget(number);
    followed.feed.end(told.case === "refused" ? fromStatusMessage(told.value) : undefined);
  }

  #leave(number: number): void {
    const feed = this.#forget(number);
    feed?.end(new TransportError("CANCELLED", "the order is followed no more"));
    // Without room for it the child goes on telling; what comes finds nobody.
    if (feed && !this.#over && this.#sender.hasRoom(1)) this.#sender.push(number);
  }

  #forget(number: number): Feed<RunEvent> | undefined {
    const followed = this.#followed.get(number);
    this.#followed.delete(number);
    followed?.forget();
    return followed?.feed;
  }

  #end(failure: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onOver();
    const feeds = [...this.#followed.keys()].map((number) => this.#forget(number));
    // What ends the stream speaks of no order: each may have been taken. But the child that is not there any more has taken none.
    const isElsewhere = failure instanceof RefusalError && failure.refusal.reason === "STATE_FORBIDS";
    for (const feed of feeds) feed?.end(isElsewhere ? failure : lost(failure));
  }
}

function requestOf<Order>(items: readonly Item<Order>[]): Request<Order> {
  const orders: (Order & { readonly number: number })[] = [];
  const left: number[] = [];
  for (const item of items) {
    if (typeof item === "number") left.push(item);
    else orders.push(item);
  }
  return { orders, left };
}

function lost(cause?: Error): TransportError {
  const message = cause ? `the stream of work was lost: ${cause.message}` : "the stream of work has ended";
  return new TransportError("UNAVAILABLE", message, cause ? { cause } : {});
}

function lineFull(): RefusalError {
  const message = "the child does not keep up with the orders that are sent to it";
  return new RefusalError({ reason: "QUEUE_FULL", message, retryAfterMs: LIMITS.retryAfterMs });
}

function tooLarge(): RefusalError {
  const message = `the order does not fit into a message of ${LIMITS.messageBytesMax} bytes`;
  return new RefusalError({ reason: "MESSAGE_TOO_LARGE", message });
}
