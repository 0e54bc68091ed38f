/** What the daemons of a mesh decide, as it is watched and asked for. */
import type { Client } from "#rpc";
import { type DaemonKnowledge, type Decision, WatchService } from "../../shared/gen/bursar/v1/watch_service_pb.js";
import type { TestClient } from "./client.ts";

/** Follows the decisions of all daemons. */
export class Watched {
  readonly decisions: Decision[] = [];
  readonly begun: Promise<void>;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<() => void>();

  constructor({ connection }: TestClient) {
    const begun = Promise.withResolvers<void>();
    this.begun = begun.promise;
    void this.#follow(connection.client(WatchService), begun.resolve).catch(begun.reject);
  }

  async #follow(watch: Client<typeof WatchService>, begun: () => void): Promise<void> {
    for await (const { decision } of watch.watchDecisions({ below: true }, { signal: this.#abort.signal })) {
      begun();
      if (decision) this.decisions.push(decision);
      for (const look of this.#waiting) look();
    }
  }

  /** The first decision that fits, also one that comes later; the test's time-out says so when there is none. */
  first(fits: (decision: Decision) => boolean): Promise<Decision> {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.decisions.find(fits);
        if (!found) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  end(): void {
    this.#abort.abort();
  }
}

export async function whyOf({ connection }: TestClient, subject: string): Promise<readonly DaemonKnowledge[]> {
  return (await connection.client(WatchService).why({ subject })).daemons;
}

/** The words of what was decided last about the subject. */
export async function lastReason(client: TestClient, subject: string): Promise<string | undefined> {
  return (await whyOf(client, subject)).flatMap(({ decisions }) => decisions).at(-1)?.reason;
}
