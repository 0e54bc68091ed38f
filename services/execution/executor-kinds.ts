/** The executor of a step by its kind of work. */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { PriceTable, StepSpec } from "#codec";
import type { DaemonBase } from "#daemon";
import { executionError } from "#errors";
import type { GrantHandover } from "#ports";
import { CodeExecutor } from "./executors/code.ts";
import type { Executor, StepResult } from "./executors/executor.ts";
import { WorkerExecutor } from "./executors/worker.ts";
import type { StepWork } from "./step-work.ts";
import type { TopUps } from "./top-up.ts";

export interface ExecutorKindsOptions {
  readonly base: DaemonBase;
  readonly prices: PriceTable | undefined;
  /** The environment that code steps start from. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where workers meter, host:port. */
  readonly address: () => string;
  readonly topUps: TopUps;
}

interface Order {
  readonly grant: GrantHandover;
  readonly step: StepSpec;
  readonly runId: string;
}

export class ExecutorKinds {
  readonly #options: ExecutorKindsOptions;

  constructor(options: ExecutorKindsOptions) {
    this.#options = options;
  }

  of(work: StepWork, order: Order): Executor {
    const { clock, ids } = this.#options.base;
    const { step } = order;
    if (step.kind === "worker") {
      return new WorkerExecutor({ path: work.path, attachWithinMs: step.worker.attachWithinMs, clock, ids });
    }
    if (step.kind === "code") return this.#code(work, order, step);
    const message = "a parallel step is split by the process daemon and not sent here";
    const facts = { id: ids.newId(), type: "ROUTINE_PARSING_FAILED", reach: "one", message } as const;
    const error = executionError({ ...facts, tier: "execution", allocationPath: work.path });
    return new RefusedWork({ outcome: "failed", error });
  }

  #code(work: StepWork, { grant, runId }: Order, step: Extract<StepSpec, { kind: "code" }>): Executor {
    const { base, prices, environment, address, topUps } = this.#options;
    const { loop, clock, ids, settings } = base;
    const folder = join(settings.workDir, runId);
    mkdirSync(folder, { recursive: true });
    const own = {
      PATH: `${dirname(process.execPath)}:${environment.PATH ?? ""}`,
      BURSAR_WORK_DIR: folder,
      BURSAR_ALLOCATION_ID: grant.allocationId,
      BURSAR_ALLOCATION_TOKEN: grant.token ?? "",
      BURSAR_METER_ADDRESS: address(),
    };
    return new CodeExecutor({
      allocationId: work.allocationId,
      path: work.path,
      command: step.code.command,
      cwd: step.code.cwd,
      env: { ...environment, ...step.code.env, ...own },
      stdin: step.code.stdin,
      memoryBytesMax: grant.limits.memoryBytes,
      price: prices?.code,
      pooled: work.pooled.includes("credits"),
      loop,
      clock,
      ids,
      reserve: (reserve, done) => topUps.reserve(reserve, work.pooled, done),
    });
  }
}

/** Work that cannot be done here: it has failed before it began. */
class RefusedWork implements Executor {
  readonly #result: StepResult;

  constructor(result: StepResult) {
    this.#result = result;
  }

  run(): Promise<StepResult> {
    return Promise.resolve(this.#result);
  }

  stop(): void {
    // Nothing runs.
  }
}
