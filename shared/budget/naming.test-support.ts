/** For tests: a tree of allocations that hold names and wait for them; budget is a hindrance only where it is said. */
import { assert } from "#std";
import type { Access } from "./access.ts";
import { describeState } from "./describe.ts";
import type { Policy } from "./policy.ts";
import { conflictWords } from "./refusal-words.ts";
import { conflictOf, type Opening, Scenario } from "./scenario.test-support.ts";
import { snapshotParts } from "./snapshot.ts";
import { restoreState } from "./snapshot-restore.ts";

export const alone = (...names: string[]): Access[] => names.map((name) => ({ name, mode: "EXCLUSIVE" }));
export const shared = (...names: string[]): Access[] => names.map((name) => ({ name, mode: "SHARED" }));
const QUEUE: Policy = { strategy: "QUEUE_AND_WAIT" };

export class Names {
  readonly s = new Scenario();
  readonly account: string;

  constructor(policy: Policy = QUEUE, credits = 100) {
    this.account = this.s.account({ credits }, policy);
  }

  wish(parent: string, name: string, access: readonly Access[], opening: Opening = {}) {
    const own = { allocationId: name, requestId: name, limits: {}, waitMs: 60_000 };
    return this.s.openWish(parent, { ...own, access, ...opening });
  }

  ask(parent: string, name: string, access: readonly Access[], opening: Opening = {}) {
    return this.s.grant(this.wish(parent, name, access, opening));
  }

  /** Must be granted at once. */
  hold(parent: string, name: string, access: readonly Access[], opening: Opening = {}): string {
    const outcome = this.ask(parent, name, access, opening);
    assert(outcome.type === "opened", `${name} is not opened: ${JSON.stringify(outcome)}`);
    return name;
  }

  /** Must wait; answers why. */
  waits(parent: string, name: string, access: readonly Access[], opening: Opening = {}): string {
    const outcome = this.ask(parent, name, access, opening);
    assert(outcome.type === "queued", `${name} does not wait: ${JSON.stringify(outcome)}`);
    return conflictWords(conflictOf(outcome));
  }

  /** Who was granted by the latest decision. */
  get served(): string[] {
    return this.s.last.messages.flatMap((message) =>
      message.type === "decided" && message.outcome.type === "opened" ? [message.requestId] : [],
    );
  }

  close(name: string): string[] {
    this.s.close(name);
    return this.served;
  }

  /** A restart on a snapshot changes nothing. */
  fromSnapshot(): void {
    const before = JSON.stringify(describeState(this.s.state));
    this.s.state = restoreState(snapshotParts(this.s.state));
    assert(JSON.stringify(describeState(this.s.state)) === before, "a snapshot tells less than the state");
  }
}
