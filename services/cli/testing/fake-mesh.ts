/**
 * A coordination daemon and an execution daemon in one, for tests of the client: real sockets and the real contract, with books as
 * simple as can be. One account, "global"; what a swarm may spend is one pot.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { onTestFinished } from "vitest";
import { executionError, FaultError, RefusalError } from "#errors";
import { AllocationKind, AllocationState, type AllocationView } from "#gen/bursar/v1/allocation_pb.js";
import { CoordinationService } from "#gen/bursar/v1/coordination_service_pb.js";
import { type MeterItem, MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import type { Routine } from "#gen/bursar/v1/routine_pb.js";
import { type RunEvent, RunEventSchema, WorkOutcome } from "#gen/bursar/v1/run_pb.js";
import { WatchService } from "#gen/bursar/v1/watch_service_pb.js";
import { bind, Feed, type ServiceHandlers, startGrpcServer, toStatusMessage } from "#rpc";
import { systemClock } from "#tier";
import { view } from "./views.ts";

export interface FakeMeshOptions {
  readonly coordination?: ServiceHandlers<typeof CoordinationService>;
  readonly watch?: ServiceHandlers<typeof WatchService>;
  readonly meter?: ServiceHandlers<typeof MeterService>;
  /** Credits of the account. */
  readonly credits?: number;
}

/** What the fake mesh has been asked for. */
export interface FakeMesh {
  readonly address: string;
  readonly swarm: { limit: number; spent: number; reserved: number; stopped: string | undefined };
  /** The routines that were run. */
  readonly routines: Routine[];
  /** Most holds that one allocation had open at a time, and most items in one message. */
  readonly peaks: { holdsOfOne: number; itemsOfOne: number };
  /** Ends every connection at once. */
  kill(): void;
}

const SWARM = "global/replay";

export async function startFakeMesh(options: FakeMeshOptions = {}): Promise<FakeMesh> {
  const fake = new Fake(options.credits ?? 1_000_000_000);
  const server = await startGrpcServer({
    listen: "127.0.0.1:0",
    allowInsecure: false,
    clock: systemClock,
    onError: () => undefined,
    services: [
      bind(CoordinationService, { ...fake.coordination, ...options.coordination }),
      bind(WatchService, { ...fake.watch, ...options.watch }),
      bind(MeterService, { ...fake.meter, ...options.meter }),
    ],
  });
  fake.address = server.address;
  fake.kill = () => server.kill();
  onTestFinished(() => server.kill());
  return fake;
}

class Fake implements FakeMesh {
  address = "";
  kill: () => void = () => undefined;
  readonly credits: number;
  readonly swarm: FakeMesh["swarm"] = { limit: 0, spent: 0, reserved: 0, stopped: undefined };
  readonly routines: Routine[] = [];
  readonly peaks = { holdsOfOne: 0, itemsOfOne: 0 };
  readonly #holds = new Map<string, { readonly credits: number; readonly allocationId: string }>();
  readonly #completed = new Set<string>();
  #feed: Feed<{ readonly events: RunEvent[] }> | undefined;
  #workers: string[] = [];
  #sequence = 0n;

  constructor(credits: number) {
    this.credits = credits;
  }

  readonly coordination: ServiceHandlers<typeof CoordinationService> = {
    createSwarm: ({ limits }) => {
      this.swarm.limit = Number(limits?.maxCredits ?? 0);
      return { swarm: this.swarmView() };
    },
    getSwarm: () => ({ swarm: this.swarmView() }),
    getAccounts: () => ({ accounts: [this.accountView()] }),
    listSwarms: () => ({ swarms: this.swarm.limit === 0 ? [] : [this.swarmView()] }),
    stopSwarm: ({ reason }) => {
      this.swarm.stopped ??= reason;
      return { swarm: this.swarmView() };
    },
    runRoutine: ({ routine }) => {
      if (routine === undefined) throw new RefusalError({ reason: "INVALID_ARGUMENT", message: "no routine" });
      this.routines.push(routine);
      return this.#run(routine);
    },
  };

  readonly watch: ServiceHandlers<typeof WatchService> = {
    watchUsage: async function* (this: Fake) {
      yield { snapshot: true, nodes: [this.accountView()] };
    }.bind(this),
  };

  readonly meter: ServiceHandlers<typeof MeterService> = {
    meter: (stream) => {
      stream.onMessage(({ items }) => {
        this.peaks.itemsOfOne = Math.max(this.peaks.itemsOfOne, items.length);
        stream.send({ answers: items.map((item) => ({ itemId: item.itemId, result: this.#answer(item) })) });
      });
      stream.onEnd(() => stream.close());
    },
  };

  swarmView(): AllocationView {
    const { limit, spent, reserved, stopped } = this.swarm;
    const run = view({ path: `${SWARM}/replay`, kind: AllocationKind.RUN, limit, spent });
    const state = stopped === undefined ? AllocationState.OPEN : AllocationState.CLOSED;
    return view({ path: SWARM, kind: AllocationKind.SWARM, state, limit, spent, reserved, children: [run] });
  }

  accountView(): AllocationView {
    return view({
      path: "global",
      kind: AllocationKind.ACCOUNT,
      limit: this.credits,
      children: this.swarm.limit === 0 ? [] : [this.swarmView()],
    });
  }

  /** Starts every worker step and ends when each has said that it is complete. */
  #run(routine: Routine): Feed<{ readonly events: RunEvent[] }> {
    const feed = new Feed<{ readonly events: RunEvent[] }>();
    this.#feed = feed;
    this.#workers = workersOf(routine).map((path) => `${SWARM}/${path}`);
    this.#tell({
      case: "started",
      value: { run: view({ path: `${SWARM}/${routine.name}`, kind: AllocationKind.RUN }) },
    });
    for (const path of this.#workers) {
      const value = {
        allocationId: `id:${path}`,
        path,
        token: `token of ${path}`,
        address: this.address,
        kind: "replay",
      };
      this.#tell({ case: "workerReady", value });
    }
    return feed;
  }

  #tell(event: NonNullable<MessageInitShape<typeof RunEventSchema>["event"]>): void {
    this.#sequence += 1n;
    const told = create(RunEventSchema, { sequence: this.#sequence, wallTimeMs: 1_000n, event });
    this.#feed?.push({ events: [told] });
  }

  #answer({ operation }: MeterItem) {
    const done = { case: "done", value: {} } as const;
    switch (operation.case) {
      case "attach": {
        const { allocationId, token } = operation.value;
        if (`id:${token.replace("token of ", "")}` === allocationId) return done;
        return refused(new RefusalError({ reason: "NOT_PERMITTED", message: "wrong token" }));
      }
      case "reserve": {
        const { allocationId, requestId, wanted } = operation.value;
        return this.#reserve(allocationId, requestId, Number(wanted?.credits ?? 0));
      }
      case "settle": {
        const { holdId, credits } = operation.value;
        const hold = this.#holds.get(holdId);
        if (hold === undefined) return refused(new RefusalError({ reason: "NOT_FOUND", message: "no such hold" }));
        this.#holds.delete(holdId);
        this.swarm.reserved -= hold.credits;
        this.swarm.spent += Number(credits);
        return { case: "settled", value: { holdId, credits } } as const;
      }
      case "complete": {
        this.#completed.add(operation.value.allocationId);
        if (this.#completed.size === this.#workers.length) {
          this.#tell({
            case: "finished",
            value: { outcome: WorkOutcome.SUCCEEDED, run: view({ path: `${SWARM}/replay` }) },
          });
          this.#feed?.end();
        }
        return done;
      }
      default:
        return refused(new RefusalError({ reason: "UNIMPLEMENTED", message: "not served by this fake" }));
    }
  }

  #reserve(allocationId: string, requestId: string, credits: number) {
    const { limit, spent, reserved } = this.swarm;
    if (spent + reserved + credits > limit) {
      const message = `${SWARM} has ${limit - spent - reserved} credits free of the ${credits} wanted`;
      return refused(new FaultError(executionError({ id: "", type: "RESOURCE_EXHAUSTED", reach: "one", message })));
    }
    const holdId = `hold of ${requestId}`;
    this.swarm.reserved += credits;
    this.#holds.set(holdId, { credits, allocationId });
    const own = [...this.#holds.values()].filter((hold) => hold.allocationId === allocationId).length;
    this.peaks.holdsOfOne = Math.max(this.peaks.holdsOfOne, own);
    return { case: "held", value: { holdId, granted: { credits: BigInt(credits) } } } as const;
  }
}

function refused(error: Error) {
  return { case: "error", value: toStatusMessage(error) } as const;
}

/** Paths of the worker steps below the swarm. */
function workersOf({ name, steps }: Routine): string[] {
  return steps.flatMap((step) => {
    const path = `${name}/${step.name}`;
    if (step.work.case === "worker") return [path];
    if (step.work.case !== "parallel") return [];
    return step.work.value.branches.flatMap((branch) =>
      branch.steps.map((inner) => `${path}/${branch.name}/${inner.name}`),
    );
  });
}
