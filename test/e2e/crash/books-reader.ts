/** Reads the books that the daemons of a mesh show, and watches those of the swarms while blows fall. */

import { toJsonString } from "@bufbuild/protobuf";
import { type AllocationView, AllocationViewSchema } from "#gen/bursar/v1/allocation_pb.js";
import type { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { type Client, connect } from "#rpc";
import { systemClock } from "#tier";
import { termsOf, unbalanced } from "./books-audit.ts";
import { elapse } from "./elapse.ts";

/** Everything that one daemon owns, each tree from its top. */
export async function treesAt(address: string): Promise<readonly AllocationView[]> {
  const connection = connect({ address, clock: systemClock });
  try {
    for await (const { nodes } of connection.client(WatchService).watchUsage({ depth: 0 })) return nodes;
    throw new Error(`${address} showed nothing`);
  } finally {
    connection.close();
  }
}

export function flat(views: readonly AllocationView[]): AllocationView[] {
  return views.flatMap((view) => [view, ...flat(view.children)]);
}

/** The books in a form that can be compared: what passes with time, and what says how it is connected, left out. */
export function printOf(views: readonly AllocationView[]): readonly string[] {
  return flat(views).map(({ deadlineLeftMs, outcome, ...view }) =>
    toJsonString(AllocationViewSchema, { ...view, outcome: "", children: [] }),
  );
}

const LOOK_MS = 300;

/** Watches swarms until told to stop: their books always add up, and what is spent never falls. */
export class BooksWatch {
  readonly faults: string[] = [];
  readonly #spent = new Map<string, bigint>();
  readonly #over = new AbortController();
  readonly #watching: Promise<void>;
  /** How often somebody looked, and the most credits that anything had in doubt. */
  looks = 0;
  doubt = 0n;

  constructor(coordination: Client<typeof CoordinationService>, swarms: () => readonly { readonly id: string }[]) {
    this.#watching = this.#watch(coordination, swarms);
  }

  async stop(): Promise<void> {
    this.#over.abort();
    await this.#watching;
  }

  async #watch(coordination: Client<typeof CoordinationService>, swarms: () => readonly { readonly id: string }[]) {
    while (!this.#over.signal.aborted) {
      for (const { id } of swarms()) {
        // One that is down shows nothing; the next look finds it up again.
        const answer = await coordination.getSwarm({ swarm: id }, { timeoutMs: 2_000 }).catch(() => undefined);
        if (answer?.swarm !== undefined) this.#look(answer.swarm);
      }
      await elapse(LOOK_MS, this.#over.signal);
    }
  }

  #look(swarm: AllocationView): void {
    this.looks += 1;
    for (const view of flat([swarm])) {
      this.faults.push(...unbalanced(view));
      for (const resource of ["credits", "toolCalls"] as const) {
        const books = view[resource];
        if (books === undefined) continue;
        const key = `${view.allocationId} ${resource}`;
        const before = this.#spent.get(key) ?? 0n;
        if (books.spent < before)
          this.faults.push(`${view.path} had spent ${before} ${resource}, then ${termsOf(books)}`);
        this.#spent.set(key, books.spent);
        if (resource === "credits" && books.inDoubt > this.doubt) this.doubt = books.inDoubt;
      }
    }
  }
}
