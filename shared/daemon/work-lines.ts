/** The streams of work to the daemons of the tier below: one to each life of a child, opened when it gets its first order. */
import type { DescMessage } from "@bufbuild/protobuf";
import type { RunEvent } from "#gen/bursar/v1/run_pb.js";
import { type Connection, type Feed, type WorkDuplex, WorkLine } from "#rpc";
import { LIMITS } from "#std";
import type { ChildDaemon } from "#tier";
import type { DaemonBase } from "./base.ts";
import type { Peers } from "./peers.ts";

export interface WorkLinesOptions<Order> {
  readonly base: Pick<DaemonBase, "clock" | "incarnation">;
  readonly peers: Pick<Peers, "at">;
  /** What an order is on the wire. */
  readonly order: DescMessage;
  readonly open: (connection: Connection) => WorkDuplex<Order>;
}

export class WorkLines<Order extends object> {
  readonly #options: WorkLinesOptions<Order>;
  readonly #lines = new Map<string, WorkLine<Order>>();

  constructor(options: WorkLinesOptions<Order>) {
    this.#options = options;
  }

  /** Gives an order to a child as it is now, and follows what happens; see WorkLine.follow. */
  follow(child: ChildDaemon, order: Order, signal: AbortSignal): Feed<RunEvent> {
    const key = `${child.address}\n${child.instance}\n${child.incarnation}`;
    return (this.#lines.get(key) ?? this.#open(key, child)).follow(order, signal);
  }

  #open(key: string, { address, instance, incarnation }: ChildDaemon): WorkLine<Order> {
    const { base, peers, open, order } = this.#options;
    let cancelAge = (): void => undefined;
    const line = new WorkLine<Order>({
      stream: open(peers.at(address)),
      hello: { instance, incarnation, grantorIncarnation: base.incarnation },
      order,
      onOver: () => {
        cancelAge();
        this.#lines.delete(key);
      },
    });
    if (line.isOver) return line;
    cancelAge = base.clock.after(LIMITS.workStreamAgeMs, () => line.close());
    this.#lines.set(key, line);
    return line;
  }
}
