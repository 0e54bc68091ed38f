/**
 * One Meter stream, for any number of allocations: packs what is ready in one turn into one message, and hands each answer to whoever
 * asked. Order within an allocation is kept by the stream.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  MeterAnswer,
  MeterItemSchema,
  MeterNotice,
  MeterRequest,
  MeterResponse,
  MeterService,
} from "#gen/bursar/v1/meter_service_pb.js";
import type { Clock } from "#ports";
import { type Client, type DuplexStream, TransportError } from "#rpc";
import { LIMITS } from "#std";

export type MeterOperation = NonNullable<MessageInitShape<typeof MeterItemSchema>["operation"]>;
type Item = MessageInitShape<typeof MeterItemSchema>;

export interface MeterSessionOptions {
  readonly meter: Client<typeof MeterService>;
  readonly clock: Pick<Clock, "soon">;
  /** Aborting it cancels the stream. */
  readonly signal: AbortSignal;
  /** Called after the answers of one message have been handed out, before anything is sent because of them. */
  readonly onAnswered?: () => void;
  readonly onNotice?: (notice: MeterNotice) => void;
  /** Called once when the stream is lost; not after `close`. */
  readonly onLost: (failure: Error) => void;
}

const ITEM_ID_MAX = 0xffff_ffff;

export class MeterSession {
  readonly #options: MeterSessionOptions;
  readonly #stream: DuplexStream<
    MeterResponse,
    MessageInitShape<typeof MeterService.method.meter.input> | MeterRequest
  >;
  readonly #takers = new Map<number, (answer: MeterAnswer) => void>();
  #items: Item[] = [];
  #lastItemId = 0;
  /** What waits will be sent: at the end of this turn, or when the stream has room. */
  #sending = false;
  #over = false;

  constructor(options: MeterSessionOptions) {
    this.#options = options;
    this.#stream = options.meter.meter({ signal: options.signal });
    this.#stream.onMessage((message) => this.#take(message));
    this.#stream.onDrain(() => this.#flush());
    this.#stream.onEnd((failure) => this.#end(failure));
  }

  /** Items sent or waiting to be, and not answered yet. */
  get unanswered(): number {
    return this.#takers.size;
  }

  /** Sends one item at the end of this turn; `take` gets its answer, unless the stream is lost before. */
  send(operation: MeterOperation, take: (answer: MeterAnswer) => void): void {
    if (this.#over) return;
    this.#lastItemId = this.#lastItemId === ITEM_ID_MAX ? 1 : this.#lastItemId + 1;
    this.#takers.set(this.#lastItemId, take);
    this.#items.push({ itemId: this.#lastItemId, operation });
    if (this.#sending) return;
    this.#sending = true;
    this.#options.clock.soon(() => this.#flush());
  }

  /** Ends this side of the stream; nothing is reported any more. */
  close(): void {
    this.#over = true;
    this.#stream.close();
  }

  #flush(): void {
    if (this.#over) return;
    while (this.#items.length > 0) {
      const items = this.#items.splice(0, LIMITS.streamItemsMax);
      // False: it is taken, and onDrain flushes the rest.
      if (!this.#stream.send({ items })) return;
    }
    this.#sending = false;
  }

  #take({ answers, notices }: MeterResponse): void {
    if (this.#over) return;
    for (const answer of answers) {
      const take = this.#takers.get(answer.itemId);
      this.#takers.delete(answer.itemId);
      take?.(answer);
    }
    for (const notice of notices) this.#options.onNotice?.(notice);
    this.#options.onAnswered?.();
  }

  #end(failure: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#takers.clear();
    this.#options.onLost(failure ?? new TransportError("UNAVAILABLE", "the execution daemon ended the stream"));
  }
}
