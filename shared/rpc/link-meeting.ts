/**
 * Where the two streams of a child meet: each says hello first, and instance and incarnation tell which belong together. Until both are
 * there nothing but hello is read.
 */
import type { HelloPart, Parsed, UpMessage } from "#codec";
import { invalidArgument, RefusalError, type RefusalFacts } from "#errors";
import type {
  StreamGrantsRequest,
  StreamGrantsResponse,
  StreamUsageRequest,
  StreamUsageResponse,
} from "#gen/bursar/v1/budget_service_pb.js";
import type { HeldAllocation, Hello } from "#ports";
import { LIMITS } from "#std";
import type { DuplexStream } from "./duplex-stream.ts";
import type { CallContext } from "./service-handlers.ts";

/** Why a hello in a later message is refused. */
export const HELLO_AGAIN = "comes once, at the beginning of the stream; open a new one";

export type GrantsStream = DuplexStream<StreamGrantsRequest, StreamGrantsResponse>;
export type UsageStream = DuplexStream<StreamUsageRequest, StreamUsageResponse>;

/** One stream of a child that has said hello and waits for the other. */
export interface Half<Stream> {
  readonly stream: Stream;
  readonly hello: Hello;
  /** Who takes its messages from now on, and who is told that it has ended. */
  join(handlers: HalfHandlers): void;
}

export interface HalfHandlers {
  readonly onMessage: (message: Parsed<UpMessage>) => void;
  readonly onEnd: (failure: Error | undefined) => void;
}

interface Waiting {
  grants?: Half<GrantsStream>;
  usage?: Half<UsageStream>;
}

/** Where the first stream of a child waits for the second. */
export class Meeting {
  readonly #waiting = new Map<string, Waiting>();
  readonly #onBoth: (grants: Half<GrantsStream>, usage: Half<UsageStream>) => void;
  readonly ofGrants: MeetingPlace<GrantsStream>;
  readonly ofUsage: MeetingPlace<UsageStream>;

  constructor(onBoth: (grants: Half<GrantsStream>, usage: Half<UsageStream>) => void) {
    this.#onBoth = onBoth;
    this.ofGrants = {
      arrive: (half) => this.#arrive(half.hello, "grants", (waiting) => ({ ...waiting, grants: half })),
      leave: (half) => this.#leave(half.hello, (waiting) => waiting.grants === half),
    };
    this.ofUsage = {
      arrive: (half) => this.#arrive(half.hello, "usage", (waiting) => ({ ...waiting, usage: half })),
      leave: (half) => this.#leave(half.hello, (waiting) => waiting.usage === half),
    };
  }

  #arrive(hello: Hello, kind: keyof Waiting, add: (waiting: Waiting) => Waiting): void {
    const key = keyOf(hello);
    const before = this.#waiting.get(key) ?? {};
    before[kind]?.stream.close(new RefusalError({ reason: "STATE_FORBIDS", message: "this stream was opened anew" }));
    const { grants, usage } = add(before);
    if (grants === undefined || usage === undefined) {
      if (this.#waiting.size >= LIMITS.childDaemonsMax && !this.#waiting.has(key)) {
        (grants ?? usage)?.stream.close(tooManyChildren());
        return;
      }
      this.#waiting.set(key, { ...(grants ? { grants } : {}), ...(usage ? { usage } : {}) });
      return;
    }
    this.#waiting.delete(key);
    this.#onBoth(grants, usage);
  }

  #leave(hello: Hello, isIt: (waiting: Waiting) => boolean): void {
    const key = keyOf(hello);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && isIt(waiting)) this.#waiting.delete(key);
  }
}

function keyOf({ instance, incarnation }: Hello): string {
  return `${instance}\n${incarnation}`;
}

function tooManyChildren(): RefusalError {
  const message = `${LIMITS.childDaemonsMax} children wait with one stream open; open the other, or try again later`;
  return new RefusalError({ reason: "QUEUE_FULL", message, retryAfterMs: LIMITS.retryAfterMs });
}

interface MeetingPlace<Stream> {
  arrive(half: Half<Stream>): void;
  leave(half: Half<Stream>): void;
}

interface ArrivalOptions<In, Out> {
  readonly stream: DuplexStream<In, Out>;
  readonly context: CallContext;
  readonly parse: (message: In) => Parsed<UpMessage>;
  readonly meeting: MeetingPlace<DuplexStream<In, Out>>;
}

/** One stream from its opening on: takes its hello, waits for the other, and then passes everything to their link. */
export class Arrival<In, Out> {
  readonly #options: ArrivalOptions<In, Out>;
  readonly #held: HeldAllocation[] = [];
  /** What a hasty child sent before its other stream was there. */
  readonly #early: UpMessage[] = [];
  #earlyItems = 0;
  #half: Half<DuplexStream<In, Out>> | undefined;
  #joined: HalfHandlers | undefined;
  #ended = false;

  constructor(options: ArrivalOptions<In, Out>) {
    this.#options = options;
    const { stream, context, parse } = options;
    const gone = () => this.#end(context.signal.reason instanceof Error ? context.signal.reason : undefined);
    context.signal.addEventListener("abort", gone, { once: true });
    stream.onEnd((failure) => this.#end(failure));
    stream.onMessage((message) => {
      if (this.#ended) return;
      const parsed = parse(message);
      if (this.#joined !== undefined) this.#joined.onMessage(parsed);
      else if (parsed.ok) this.#beforeJoining(parsed.value);
      else this.#refuse(invalidArgument(parsed.violations));
    });
  }

  #beforeJoining(message: UpMessage): void {
    const said = this.#half !== undefined;
    if ((message.hello === undefined) !== said) {
      const description = said ? HELLO_AGAIN : "is missing; the first message of a stream says who the child is";
      this.#refuse(invalidArgument([{ field: "hello", description }]));
      return;
    }
    this.#earlyItems += message.items.length + message.refused.length;
    if (this.#earlyItems > LIMITS.streamItemsMax) {
      const waiting = "the other stream of this child is missing; open it before sending more on this one";
      this.#refuse({ reason: "QUEUE_FULL", message: waiting, retryAfterMs: LIMITS.retryAfterMs });
      return;
    }
    this.#early.push({ ...message, hello: undefined });
    if (message.hello !== undefined) this.#hear(message.hello);
  }

  #hear({ hello, more }: HelloPart): void {
    const { stream, meeting } = this.#options;
    const { helloAllocationsMax: max } = LIMITS;
    if (this.#held.length + hello.allocations.length > max) {
      this.#refuse(invalidArgument([{ field: "hello.allocations", description: `are at most ${max} in one hello` }]));
      return;
    }
    for (const held of hello.allocations) this.#held.push(held);
    if (more) return;
    const join = (handlers: HalfHandlers): void => {
      this.#joined = handlers;
      for (const value of this.#early.splice(0)) handlers.onMessage({ ok: true, value });
    };
    this.#half = { stream, hello: { ...hello, allocations: this.#held }, join };
    meeting.arrive(this.#half);
  }

  /** Nothing of a refused stream is read any more. */
  #refuse(refusal: RefusalFacts): void {
    this.#options.stream.close(new RefusalError(refusal));
    this.#end(undefined);
  }

  #end(failure: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    const { stream, meeting } = this.#options;
    if (this.#joined !== undefined) {
      this.#joined.onEnd(failure);
    } else {
      if (this.#half !== undefined) meeting.leave(this.#half);
      stream.close();
    }
  }
}
