/** One tier as tests drive it: a disk that outlives its loops, the loop that runs on it now, and what the loop told. */
import {
  type Allocation,
  type Amount,
  type Amounts,
  amountsOf,
  type BudgetState,
  type Message,
  type Outcome,
} from "#budget";
import type { MemoryDisk } from "#journal";
import type { Journal } from "#ports";
import { assert, LIMITS } from "#std";
import type { CommandInput } from "../command-input.ts";
import { TierResourceManager } from "../tier-resource-manager.ts";
import type { VirtualClock, VirtualProcess } from "./virtual-clock.ts";

type Numbers = { readonly [R in keyof Amounts]?: number };

/** Amounts from plain numbers; what is absent is zero. */
export function some(numbers: Numbers): Amounts {
  return amountsOf(numbers as { readonly [R in keyof Amounts]?: Amount });
}

export interface TierStart {
  /** What its monotonic clock shows at the start; default that of the virtual clock. */
  readonly monotonicMs?: number;
  /** How much faster its clock runs than true time, in millionths; default 0. */
  readonly driftPpm?: number;
  /** Default true; thousands of allocations are too slow to check after every command. */
  readonly checkInvariants?: boolean;
}

export class Tier {
  readonly clock: VirtualClock;
  readonly disk: MemoryDisk;
  process: VirtualProcess;
  loop: TierResourceManager;
  readonly faults: Error[] = [];
  readonly messages: Message[] = [];
  /** Milliseconds from an append to its sync; `by hand` (default): the test syncs the disk. */
  syncMs: number | "by hand" = "by hand";
  readonly #checkInvariants: boolean;

  constructor(clock: VirtualClock, disk: MemoryDisk, start: TierStart = {}) {
    this.clock = clock;
    this.disk = disk;
    this.#checkInvariants = start.checkInvariants ?? true;
    this.process = clock.process(start);
    this.loop = this.#open();
  }

  #open(): TierResourceManager {
    const onFatal = (error: Error): void => {
      this.faults.push(error);
    };
    const { journal, snapshot, commits } = this.disk.open();
    const append: Journal["append"] = (commit, done) => {
      journal.append(commit, done);
      if (this.syncMs !== "by hand") this.clock.after(this.syncMs, () => this.#sync());
    };
    const opened = {
      snapshot,
      commits,
      journal: { journalId: journal.journalId, append, close: () => journal.close() },
    };
    const checkInvariants = this.#checkInvariants;
    const loop = new TierResourceManager({ opened, clock: this.process, onFatal, checkInvariants });
    loop.subscribe((message) => this.messages.push(message));
    return loop;
  }

  #sync(): void {
    if (this.syncMs !== "by hand") this.disk.sync();
  }

  /** kill -9 and a new start on the same disk. What was not synced is lost, but for the oldest `keeping` commits. */
  restart(start: Pick<TierStart, "monotonicMs" | "driftPpm"> & { readonly keeping?: number } = {}): void {
    this.process.end();
    this.disk.crash(start.keeping);
    this.process = this.clock.process(start);
    this.loop = this.#open();
  }

  /** Submits, lets everything run that can, and answers the outcome, which must have come by then. */
  async run(command: CommandInput): Promise<Outcome> {
    let outcome: Outcome | undefined;
    this.loop.submit(command, (answer) => {
      outcome = answer;
    });
    await this.clock.settle();
    assert(outcome !== undefined, `${command.type} was not answered`);
    return outcome;
  }

  /** What `reader` sees of the state now. */
  async see<T>(reader: (state: BudgetState) => T): Promise<T> {
    const seen: T[] = [];
    void this.loop.read((state) => seen.push(reader(state)));
    await this.clock.settle();
    assert(seen.length === 1, "the state could not be read");
    return seen[0] as T;
  }

  /** The node as it stands; live, for tests that only look. */
  async node(id: string): Promise<Allocation> {
    const node = await this.see((state) => state.allocations.get(id));
    assert(node !== undefined, `no allocation ${id}`);
    return node;
  }

  /** Holds back the commits, with one under way; the returned function lets them go again. */
  async holdCommits(): Promise<() => void> {
    this.syncMs = "by hand";
    const other = { type: "open_root", allocationId: "other", name: "other", limits: {}, policy: {} } as const;
    this.loop.submit(other, () => undefined);
    await this.clock.settle();
    assert(this.disk.waiting === 1, "a commit is under way");
    return () => {
      this.syncMs = 0;
      this.disk.sync();
    };
  }

  /** As many commands as may wait, while the commits are held back. */
  fillQueue(): void {
    for (let n = 0; n < LIMITS.commandQueueMax; n += 1) {
      this.loop.submit({ type: "close", allocationId: "unknown", reason: "" }, () => undefined);
    }
  }
}
