/**
 * The parent's side of a link: BudgetService, one link per child from its two streams. When either is lost, both end. In peace a child
 * ends its usage stream first, so that its last reports are read, and the end of its grants stream is the end of the link.
 */
import {
  type DownWork,
  grantsResponseOf,
  type Parsed,
  type UpMessage,
  upItemsOfGrants,
  upItemsOfUsage,
  usageResponseOf,
} from "#codec";
import { invalidArgument, RefusalError } from "#errors";
import {
  BudgetService,
  type StreamGrantsResponse,
  type StreamUsageResponse,
} from "#gen/bursar/v1/budget_service_pb.js";
import type { DownItem, ParentLink, UpItem, Welcome } from "#ports";
import { ItemSender, inMessages } from "./item-sender.ts";
import { itemStatuses } from "./item-status.ts";
import { LinkEnds } from "./link-ends.ts";
import { downItemBytes, standingBytes } from "./link-item-bytes.ts";
import { Arrival, type GrantsStream, type Half, HELLO_AGAIN, Meeting, type UsageStream } from "./link-meeting.ts";
import { bind, type ServiceBinding } from "./service-handlers.ts";

/** BudgetService; `onLink` is told of each child that has opened both streams, and sets the link's handlers at once. */
export function bindBudgetService(onLink: (link: ParentLink) => void): ServiceBinding {
  const meeting = new Meeting((grants, usage) => {
    const link = new StreamedParentLink(grants, usage);
    onLink(link);
    link.begin();
  });
  return bind(BudgetService, {
    streamGrants: (stream: GrantsStream, context) => {
      new Arrival({ stream, context, parse: upItemsOfGrants, meeting: meeting.ofGrants });
    },
    streamUsage: (stream: UsageStream, context) => {
      new Arrival({ stream, context, parse: upItemsOfUsage, meeting: meeting.ofUsage });
    },
  });
}

class StreamedParentLink implements ParentLink {
  readonly #ends = new LinkEnds<UpItem>();
  readonly #grants: Half<GrantsStream>;
  readonly #usage: Half<UsageStream>;
  readonly #grantsOut: ItemSender<DownWork, StreamGrantsResponse>;
  readonly #usageOut: ItemSender<DownWork, StreamUsageResponse>;
  #usageEnded = false;

  constructor(grants: Half<GrantsStream>, usage: Half<UsageStream>) {
    this.#grants = grants;
    this.#usage = usage;
    const bytesOf = downItemBytes;
    const { stream } = grants;
    this.#grantsOut = new ItemSender({ stream, bytesOf, pack: (items) => grantsResponseOf(items, itemStatuses) });
    this.#usageOut = new ItemSender({
      stream: usage.stream,
      bytesOf,
      pack: (items) => usageResponseOf(items, itemStatuses),
    });
  }

  /** Delivers the hello, then what follows on both streams. */
  begin(): void {
    if (this.#ends.over) return;
    this.#ends.open({ type: "hello", hello: this.#grants.hello });
    const onMessage = (message: Parsed<UpMessage>) => this.#take(message);
    this.#grants.join({ onMessage, onEnd: (failure) => this.#end(failure) });
    this.#usage.join({ onMessage, onEnd: (failure) => this.#onUsageEnd(failure) });
  }

  send(items: readonly DownItem[]): boolean {
    if (this.#ends.over) return false;
    if (!this.#grantsOut.hasRoom(items.length) || !this.#usageOut.hasRoom(items.length)) {
      this.#end(childTooSlow());
      return false;
    }
    for (const item of items) {
      if (item.type === "welcome") this.#sendWelcome(item.welcome);
      else if (item.type !== "ack") this.#grantsOut.push(item);
      else if (!this.#usageEnded) this.#usageOut.push(item);
    }
    return true;
  }

  onItems(handler: (items: readonly UpItem[]) => void): void {
    this.#ends.setItems(handler);
  }

  onClose(handler: (error?: Error) => void): void {
    this.#ends.setClose(handler);
  }

  close(refusal?: RefusalError): void {
    this.#end(refusal);
  }

  #sendWelcome(welcome: Welcome): void {
    const groups = inMessages(welcome.allocations, standingBytes);
    for (const [index, allocations] of groups.entries()) {
      const more = index < groups.length - 1;
      const part = { welcome: { ...welcome, allocations }, more };
      this.#grantsOut.sendNow(grantsResponseOf([], itemStatuses, part));
    }
  }

  #take(parsed: Parsed<UpMessage>): void {
    if (this.#ends.over) return;
    if (!parsed.ok) {
      this.#end(new RefusalError(invalidArgument(parsed.violations)));
      return;
    }
    const { hello, items, refused } = parsed.value;
    if (hello !== undefined) {
      this.#end(new RefusalError(invalidArgument([{ field: "hello", description: HELLO_AGAIN }])));
      return;
    }
    if (refused.length > 0) this.send(refused);
    this.#ends.deliver(items);
  }

  #onUsageEnd(failure: Error | undefined): void {
    this.#usageEnded = true;
    if (failure === undefined) this.#usageOut.close();
    else this.#end(failure);
  }

  #end(failure: Error | undefined): void {
    if (!this.#ends.end()) return;
    if (failure === undefined) {
      this.#grantsOut.close();
      this.#usageOut.close();
    } else {
      const told = failure instanceof RefusalError ? failure : otherStreamLost(failure);
      this.#grants.stream.close(told);
      this.#usage.stream.close(told);
    }
    this.#ends.tell(failure);
  }
}

function otherStreamLost(cause: Error): RefusalError {
  const message = `the other stream of this link was lost (${cause.message}); open both again`;
  return new RefusalError({ reason: "STATE_FORBIDS", message }, { cause });
}

function childTooSlow(): RefusalError {
  const message =
    "the child does not read what is sent to it; it must open both streams again and read them without pause";
  return new RefusalError({ reason: "READER_TOO_SLOW", message });
}
