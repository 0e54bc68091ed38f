/**
 * The child's side of a stream of work: takes orders, and tells of each what happens until it is over or left. A parent that reads slowly
 * holds back what is told here and makes nothing grow: what happened waits where it is kept for all followers.
 */
import { create } from "@bufbuild/protobuf";
import type { Parsed, WorkHelloSpec, WorkMessage } from "#codec";
import { invalidArgument, RefusalError } from "#errors";
import type { RunEvent } from "#gen/bursar/v1/run_pb.js";
import { type WorkTelling, WorkTellingSchema } from "#gen/bursar/v1/work_pb.js";
import { LIMITS } from "#std";
import { crashIfBroken } from "./call-runtime.ts";
import type { DuplexStream } from "./duplex-stream.ts";
import { toStatusMessage, toWireStatus } from "./error-map.ts";
import type { Feed } from "./feed.ts";
import { ItemSender } from "./item-sender.ts";
import { bytesAtMost, fitsIntoMessage } from "./message-bytes.ts";
import type { CallContext } from "./service-handlers.ts";

/** Tellings that may wait for a slow parent before events are left where they are. */
const AHEAD_MAX = 256;

export interface WorkGate {
  /** Throws when the hello means another daemon, or another life of this one. */
  readonly greet: (hello: WorkHelloSpec) => void;
  /** Told of each failure that the parent sees only as INTERNAL. */
  readonly onFault: (error: unknown) => void;
}

export interface WorkStreamOptions<In, Order> extends WorkGate {
  readonly parse: (message: In) => Parsed<WorkMessage<Order>>;
  /** Takes or joins the work and answers what happens in it, from its beginning. Rejects with why not. */
  readonly follow: (order: Order, hello: WorkHelloSpec) => Promise<Feed<RunEvent>>;
}

interface Answer {
  readonly tellings: WorkTelling[];
}

/** Serves one stream until it ends. Its end ends no work. */
export function serveWork<In, Order>(
  stream: DuplexStream<In, Answer>,
  context: CallContext,
  options: WorkStreamOptions<In, Order>,
): void {
  new WorkStream(stream, context, options);
}

class WorkStream<In, Order> {
  readonly #stream: DuplexStream<In, Answer>;
  readonly #options: WorkStreamOptions<In, Order>;
  readonly #sender: ItemSender<WorkTelling, Answer>;
  /** What is followed by the number of its order; undefined while the order is being taken. */
  readonly #followed = new Map<number, Feed<RunEvent> | undefined>();
  /** Who waits for the parent to read. */
  #waiting: (() => void)[] = [];
  #hello: WorkHelloSpec | undefined;
  #last = 0;
  /** No further order comes: the stream ends when the last one is over. */
  #isComplete = false;
  #over = false;

  constructor(stream: DuplexStream<In, Answer>, context: CallContext, options: WorkStreamOptions<In, Order>) {
    this.#stream = stream;
    this.#options = options;
    this.#sender = new ItemSender<WorkTelling, Answer>({
      stream,
      bytesOf: bytesAtMost,
      pack: (items) => ({ tellings: [...items] }),
      onSent: () => this.#wake(),
    });
    context.signal.addEventListener("abort", () => this.#end(), { once: true });
    stream.onEnd((failure) => {
      this.#isComplete = true;
      if (failure === undefined) this.#endWhenDone();
      else this.#end();
    });
    stream.onMessage((message) => {
      if (!this.#over) this.#take(options.parse(message));
    });
  }

  #take(parsed: Parsed<WorkMessage<Order>>): void {
    if (!parsed.ok) {
      this.#refuse(new RefusalError(invalidArgument(parsed.violations)));
      return;
    }
    const { hello, orders, left } = parsed.value;
    const greeted = this.#greeted(hello);
    if (!greeted) return;
    for (const { number, order } of orders) {
      if (number <= this.#last) {
        this.#refuse(wrong("orders", `are numbered upwards; ${number} came after ${this.#last}`));
        return;
      }
      this.#last = number;
      if (!order.ok) this.#tell(number, refused(new RefusalError(invalidArgument(order.violations))));
      else if (this.#followed.size >= LIMITS.worksPerStreamMax) this.#tell(number, refused(tooMuchWork()));
      else void this.#follow(number, order.value, greeted);
    }
    for (const number of left) this.#leave(number);
  }

  /** Who has opened the stream; undefined when it was refused for that. */
  #greeted(hello: WorkHelloSpec | undefined): WorkHelloSpec | undefined {
    if ((hello === undefined) === (this.#hello === undefined)) {
      const missing = "is missing; the first message of a stream says who is meant";
      this.#refuse(wrong("hello", hello ? "comes once, at the beginning of the stream; open a new one" : missing));
      return undefined;
    }
    if (!hello) return this.#hello;
    try {
      this.#options.greet(hello);
      this.#hello = hello;
    } catch (error) {
      this.#refuse(error);
    }
    return this.#hello;
  }

  async #follow(number: number, order: Order, hello: WorkHelloSpec): Promise<void> {
    this.#followed.set(number, undefined);
    try {
      const events = await this.#options.follow(order, hello);
      // It may have been left meanwhile, or the stream was lost.
      if (!this.#followed.has(number)) return void events.return();
      this.#followed.set(number, events);
      await this.#tellAll(number, events);
    } catch (error) {
      crashIfBroken(error);
      if (toWireStatus(error).unexpected) this.#options.onFault(error);
      if (this.#followed.has(number)) this.#tell(number, refused(error));
    }
  }

  async #tellAll(number: number, events: Feed<RunEvent>): Promise<void> {
    for (;;) {
      const next = await events.next();
      while (this.#isFull() && !this.#over) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (!this.#followed.has(number)) return;
      if (next.done === true) {
        this.#tell(number, { last: true });
        return;
      }
      // What happened together is told together.
      let event: RunEvent | undefined = next.value;
      while (event !== undefined) {
        const last: boolean = events.isAtEnd;
        this.#tell(number, { told: { case: "event", value: event }, last });
        if (last) return;
        event = this.#isFull() ? undefined : events.take();
      }
    }
  }

  #tell(number: number, what: Pick<WorkTelling, "last"> & Partial<Pick<WorkTelling, "told">>): void {
    if (this.#over) return;
    const telling = create(WorkTellingSchema, { number, ...what });
    if (!fitsIntoMessage(WorkTellingSchema, telling)) {
      this.#tell(number, refused(tooLarge()));
      return;
    }
    if (!this.#sender.hasRoom(1)) {
      this.#refuse(new RefusalError({ reason: "READER_TOO_SLOW", message: "the answers to orders are not read" }));
      return;
    }
    this.#sender.push(telling);
    if (what.last) this.#leave(number);
  }

  #isFull(): boolean {
    return !this.#sender.hasRoom(LIMITS.streamBacklogItemsMax - AHEAD_MAX);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
  }

  #leave(number: number): void {
    void this.#followed.get(number)?.return();
    this.#followed.delete(number);
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (!this.#isComplete || this.#followed.size > 0 || this.#over) return;
    this.#end();
    this.#sender.close();
  }

  #refuse(failure: unknown): void {
    this.#stream.close(failure);
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const events of this.#followed.values()) void events?.return();
    this.#followed.clear();
    this.#wake();
  }
}

function refused(error: unknown): Pick<WorkTelling, "told" | "last"> {
  return { told: { case: "refused", value: toStatusMessage(error) }, last: true };
}

function wrong(field: string, description: string): RefusalError {
  return new RefusalError(invalidArgument([{ field, description }]));
}

function tooMuchWork(): RefusalError {
  const message = `${LIMITS.worksPerStreamMax} orders of this stream are not over, which is as many as there may be`;
  return new RefusalError({ reason: "QUEUE_FULL", message, retryAfterMs: LIMITS.retryAfterMs });
}

function tooLarge(): RefusalError {
  const message = `what happened does not fit into a message of ${LIMITS.messageBytesMax} bytes`;
  return new RefusalError({ reason: "MESSAGE_TOO_LARGE", message });
}
