/**
 * The child's side of a link: two streams of BudgetService, dialled together. When either ends, both do; in peace the other one first
 * delivers what was sent on it.
 */
import {
  type DownMessage,
  downItemsOfGrants,
  downItemsOfUsage,
  grantsRequestOf,
  type Parsed,
  type UpWork,
  usageRequestOf,
} from "#codec";
import { invalidArgument, RefusalError } from "#errors";
import {
  BudgetService,
  type StreamGrantsRequest,
  type StreamGrantsResponse,
  type StreamUsageRequest,
  type StreamUsageResponse,
} from "#gen/bursar/v1/budget_service_pb.js";
import type { AllocationStanding, ChildLink, DownItem, Hello, UpItem } from "#ports";
import type { DuplexStream } from "./duplex-stream.ts";
import type { Connection } from "./grpc-client.ts";
import { ItemSender, inMessages } from "./item-sender.ts";
import { itemStatuses } from "./item-status.ts";
import { LinkEnds } from "./link-ends.ts";
import { heldBytes, upItemBytes } from "./link-item-bytes.ts";
import { TransportError } from "./transport-error.ts";

/** Opens a link to the tier above. Its first item must be hello; nothing is sent before. */
export function dialBudgetService(connection: Connection): ChildLink {
  const client = connection.client(BudgetService);
  return new StreamedChildLink(client.streamGrants(), client.streamUsage());
}

type GrantsStream = DuplexStream<StreamGrantsResponse, StreamGrantsRequest>;
type UsageStream = DuplexStream<StreamUsageResponse, StreamUsageRequest>;

class StreamedChildLink implements ChildLink {
  readonly #ends = new LinkEnds<DownItem>();
  readonly #grants: GrantsStream;
  readonly #usage: UsageStream;
  readonly #grantsOut: ItemSender<UpWork, StreamGrantsRequest>;
  readonly #usageOut: ItemSender<UpWork, StreamUsageRequest>;
  /** What earlier parts of the welcome told. */
  readonly #standings: AllocationStanding[] = [];
  /** The link is being ended in peace, from here or by the parent: nothing more is sent. */
  #closing = false;
  #streamsOpen = 2;

  constructor(grants: GrantsStream, usage: UsageStream) {
    this.#grants = grants;
    this.#usage = usage;
    const bytesOf = upItemBytes;
    // A request behind its own cancel must not overtake it, so a cancel is the last of its message.
    const endsMessage = ({ type }: UpWork) => type === "cancel";
    this.#grantsOut = new ItemSender({ stream: grants, bytesOf, endsMessage, pack: (items) => grantsRequestOf(items) });
    this.#usageOut = new ItemSender({ stream: usage, bytesOf, pack: (items) => usageRequestOf(items) });
    grants.onEnd((failure) => this.#onEnd(failure, this.#usageOut));
    usage.onEnd((failure) => this.#onEnd(failure, this.#grantsOut));
    grants.onMessage((message) => this.#take(downItemsOfGrants(message, itemStatuses)));
    usage.onMessage((message) => this.#take(downItemsOfUsage(message, itemStatuses)));
  }

  send(items: readonly UpItem[]): boolean {
    if (this.#closing || this.#ends.over) return false;
    if (!this.#grantsOut.hasRoom(items.length) || !this.#usageOut.hasRoom(items.length)) {
      this.#end(parentTooSlow());
      return false;
    }
    for (const item of items) {
      if (item.type === "hello") this.#sendHello(item.hello);
      else if (item.type === "usage" || item.type === "mark") this.#usageOut.push(item);
      else this.#grantsOut.push(item);
    }
    return true;
  }

  onItems(handler: (items: readonly DownItem[]) => void): void {
    this.#ends.setItems(handler);
  }

  onClose(handler: (error?: Error) => void): void {
    this.#ends.setClose(handler);
  }

  /** Ends the link after what waits has been sent. The parent ends the grants stream when it has read the usage stream to its end. */
  close(): void {
    if (this.#closing || this.#ends.over) return;
    this.#closing = true;
    this.#usageOut.close();
  }

  #sendHello(hello: Hello): void {
    const groups = inMessages(hello.allocations, heldBytes);
    for (const [index, allocations] of groups.entries()) {
      const more = index < groups.length - 1;
      this.#grantsOut.sendNow(grantsRequestOf([], { hello: { ...hello, allocations }, more }));
    }
    this.#usageOut.sendNow(usageRequestOf([], hello));
  }

  #take(parsed: Parsed<DownMessage>): void {
    if (!parsed.ok) {
      this.#end(new RefusalError(invalidArgument(parsed.violations)));
      return;
    }
    const { welcome: part, items } = parsed.value;
    if (part !== undefined) {
      const { welcome, more } = part;
      this.#standings.push(...welcome.allocations);
      if (!more) this.#ends.open({ type: "welcome", welcome: { ...welcome, allocations: this.#standings } });
    }
    if (!this.#ends.deliver(items)) this.#end(new TransportError("INTERNAL", "the parent answers without a welcome"));
  }

  /** One stream has ended; in peace the other is read to its end too. */
  #onEnd(failure: Error | undefined, other: Pick<ItemSender<UpWork, unknown>, "close">): void {
    this.#closing = true;
    this.#streamsOpen -= 1;
    if (failure !== undefined) this.#end(failure);
    else if (this.#streamsOpen > 0) other.close();
    else if (this.#ends.end()) this.#ends.tell(undefined);
  }

  /** Cancels both streams. */
  #end(failure: Error): void {
    if (!this.#ends.end()) return;
    this.#grants.close(failure);
    this.#usage.close(failure);
    this.#ends.tell(failure);
  }
}

function parentTooSlow(): RefusalError {
  const message = "the tier above does not keep up with what is sent to it; the link is dialled anew";
  return new RefusalError({ reason: "READER_TOO_SLOW", message });
}
