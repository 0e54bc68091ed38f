/** Fills a journal by real commands: allocations are granted, make a few calls each, and are closed when enough are open. */
import { amount, amountsOf, type OpenWish, type Outcome, ZERO } from "#budget";
import { type CommandInput, systemIds } from "#tier";

const CALLS_EACH = 3;
/** Allocations that are begun together. */
const BLOCK = 500;
/** Allocations that are open at a time. */
const OPEN_ALLOCATIONS = 20_000;
const ACCOUNT = "account";
const SWARM = "swarm";
const SWARM_LIMITS = { credits: amount(1e14), branches: amount(900_000) };
const RUN_LIMITS = { credits: amount(1_000_000) };

type Submit = (commands: readonly CommandInput[]) => Promise<readonly Outcome[]>;

export class JournalFiller {
  readonly #submit: Submit;
  readonly #open: string[] = [];

  constructor(submit: Submit) {
    this.#submit = submit;
  }

  async begin(): Promise<void> {
    const limits = { credits: amount(Number.MAX_SAFE_INTEGER), branches: amount(1_000_000) };
    await this.#take([{ type: "open_root", allocationId: ACCOUNT, name: ACCOUNT, limits, policy: {} }]);
    await this.#take([grant({ parentId: ACCOUNT, allocationId: SWARM, kind: "swarm", limits: SWARM_LIMITS })]);
  }

  /** One block of allocations with their calls; as many of the oldest are closed once there are enough. */
  async fillSome(): Promise<void> {
    const ids = Array.from({ length: BLOCK }, () => systemIds.newId());
    await this.#take(
      ids.map((allocationId) => grant({ parentId: SWARM, allocationId, kind: "run", limits: RUN_LIMITS })),
    );
    this.#open.push(...ids);
    for (let call = 0; call < CALLS_EACH; call += 1) {
      const holds = ids.map((allocationId) => ({ allocationId, holdId: systemIds.newId() }));
      await this.#take(holds.map(reserve));
      await this.#take(holds.map(settle));
    }
    const ended = this.#open.splice(0, this.#open.length - OPEN_ALLOCATIONS);
    await this.#take(ended.map((allocationId) => ({ type: "close", allocationId, reason: "done" })));
  }

  async #take(commands: readonly CommandInput[]): Promise<void> {
    if (commands.length === 0) return;
    for (const outcome of await this.#submit(commands)) {
      if (outcome.type === "refused") throw new Error(`a command was answered with ${JSON.stringify(outcome)}`);
    }
  }
}

type Grant = Pick<OpenWish, "parentId" | "allocationId" | "kind" | "limits">;

function grant({ parentId, allocationId, kind, limits }: Grant): CommandInput {
  const place = { caller: "bench", requestId: allocationId, allocationId, parentId, name: kind, kind };
  const token = systemIds.newToken();
  const own = { token, policy: {}, pooled: [], byHolder: false, holder: undefined, leaseTtlMs: 0 };
  const rank = { priority: "NORMAL", weight: 1, waitMs: 0, strategy: undefined } as const;
  const min = amountsOf({ credits: limits.credits });
  return { type: "grant", wish: { type: "open", ...place, ...own, ...rank, limits, min } };
}

interface Hold {
  readonly allocationId: string;
  readonly holdId: string;
}

function reserve({ allocationId, holdId }: Hold): CommandInput {
  const wanted = amountsOf({ credits: amount(40_000) });
  const call = { what: "model", name: "model", wanted, min: wanted, ttlMs: 60_000 } as const;
  return { type: "reserve", requestId: holdId, allocationId, holdId, ...call };
}

function settle({ allocationId, holdId }: Hold): CommandInput {
  const cost = {
    credits: amount(10_000),
    toolCalls: ZERO,
    networkBytes: 0,
    diskBytes: 0,
    gpuMs: 0,
    memoryPeakBytes: 0,
  };
  return { type: "settle", allocationId, holdId, ...cost, final: true };
}
