/**
 * A worker's connection to one execution daemon: items in, one promise per answer. A connection that is lost, or that does not answer in
 * time, is over with everything that was asked on it; whoever needs it again opens another.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type MeterAnswer, type MeterItemSchema, MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import { type Client, type Connection, connect } from "#rpc";
import { systemClock } from "#tier";

export type MeterOperation = NonNullable<MessageInitShape<typeof MeterItemSchema>["operation"]>;
export type MeterResult = MeterAnswer["result"];

/** The connection is gone: what was asked may or may not have been done. */
export class LostError extends Error {
  override name = "LostError";
}

/** How long an answer may take before the worker gives the connection up. */
const ANSWER_MS_MAX = 3_000;

interface Waiting {
  readonly resolve: (result: MeterResult) => void;
  readonly reject: (error: LostError) => void;
}

export class MeterConnection {
  readonly #connection: Connection;
  readonly #stream: ReturnType<Client<typeof MeterService>["meter"]>;
  readonly #waiting = new Map<number, Waiting>();
  /** Allocations whose token was accepted here. */
  readonly #attached = new Map<string, Promise<MeterResult>>();
  #lastItemId = 0;
  #lost = false;

  constructor(address: string) {
    this.#connection = connect({ address, clock: systemClock });
    this.#stream = this.#connection.client(MeterService).meter();
    this.#stream.onMessage(({ answers }) => {
      for (const { itemId, result } of answers) {
        const waiting = this.#waiting.get(itemId);
        this.#waiting.delete(itemId);
        waiting?.resolve(result);
      }
    });
    this.#stream.onEnd((failure) => this.lose(failure?.message ?? "the daemon ended the stream"));
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Presents the token, once for each allocation. */
  attach(allocationId: string, token: string): Promise<MeterResult> {
    const known = this.#attached.get(allocationId);
    if (known !== undefined) return known;
    const attaching = this.ask({ case: "attach", value: { allocationId, token } });
    this.#attached.set(allocationId, attaching);
    return attaching;
  }

  /** Rejects with LostError. */
  async ask(operation: MeterOperation): Promise<MeterResult> {
    if (this.#lost) throw new LostError("the connection was lost before");
    this.#lastItemId += 1;
    const itemId = this.#lastItemId;
    const answer = new Promise<MeterResult>((resolve, reject) => {
      this.#waiting.set(itemId, { resolve, reject });
    });
    this.#stream.send({ items: [{ itemId, operation }] });
    const cancel = systemClock.after(ANSWER_MS_MAX, () => this.lose(`no answer within ${ANSWER_MS_MAX} ms`));
    try {
      return await answer;
    } finally {
      cancel();
    }
  }

  /** Gives the connection up. */
  lose(why: string): void {
    if (this.#lost) return;
    this.#lost = true;
    for (const { reject } of this.#waiting.values()) reject(new LostError(why));
    this.#waiting.clear();
    this.#connection.close();
  }
}

/** The connections of one or several workers: at most one at a time to each address, opened again after a loss. */
export class MeterConnections {
  readonly #byAddress = new Map<string, MeterConnection>();

  at(address: string): MeterConnection {
    const known = this.#byAddress.get(address);
    if (known !== undefined && !known.lost) return known;
    const opened = new MeterConnection(address);
    this.#byAddress.set(address, opened);
    return opened;
  }

  close(): void {
    for (const connection of this.#byAddress.values()) connection.lose("the worker is done");
  }
}
