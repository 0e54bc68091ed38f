/** What tests do with a running mesh, in few words. */
import { randomUUID } from "node:crypto";
import type { TraceContext } from "#ports";
import { type Client, type Connection, connect } from "#rpc";
import { systemClock } from "#tier";
import type { AllocationView } from "../../shared/gen/bursar/v1/allocation_pb.js";
import { CoordinationService } from "../../shared/gen/bursar/v1/coordination_service_pb.js";
import type { MeterAnswer, MeterItem, MeterNotice } from "../../shared/gen/bursar/v1/meter_service_pb.js";
import { MeterService } from "../../shared/gen/bursar/v1/meter_service_pb.js";
import type { RunEvent, WorkerReady } from "../../shared/gen/bursar/v1/run_pb.js";

export const DEMO_ACCOUNT = "global/research/demo";

export interface TestClient {
  readonly connection: Connection;
  readonly coordination: Client<typeof CoordinationService>;
}

export function clientOf(address: string): TestClient {
  const connection = connect({ address, clock: systemClock });
  return { connection, coordination: connection.client(CoordinationService) };
}

/** A swarm under the demo account. */
export async function createSwarm(
  { coordination }: TestClient,
  maxCredits: bigint,
  name = "test",
): Promise<AllocationView> {
  const limits = { maxCredits };
  const { swarm } = await coordination.createSwarm({ requestId: randomUUID(), account: DEMO_ACCOUNT, name, limits });
  if (!swarm) throw new Error("CreateSwarm answered no swarm");
  return swarm;
}

/** A routine of one worker step. */
export function workerRoutine(maxCredits: bigint, name = "work") {
  const limits = { maxCredits };
  const step = {
    name: "agent",
    limits,
    work: { case: "worker", value: { kind: "test", attachWithinMs: 10_000 } },
  } as const;
  return { name, limits, steps: [step] };
}

/** Follows a run in the background: its events as they come, and its end. */
export class FollowedRun {
  readonly events: RunEvent[] = [];
  readonly ended: Promise<RunEvent>;
  readonly #ready = Promise.withResolvers<WorkerReady>();

  constructor(source: AsyncIterable<{ readonly events: readonly RunEvent[] }>) {
    this.ended = this.#follow(source);
    this.ended.catch((error: unknown) => this.#ready.reject(error));
    this.#ready.promise.catch(() => undefined);
  }

  /** The first worker step that waits for its worker. */
  get workerReady(): Promise<WorkerReady> {
    return this.#ready.promise;
  }

  async #follow(source: AsyncIterable<{ readonly events: readonly RunEvent[] }>): Promise<RunEvent> {
    for await (const { events } of source) {
      for (const event of events) {
        this.events.push(event);
        if (event.event.case === "workerReady") this.#ready.resolve(event.event.value);
        if (event.event.case === "finished") return event;
      }
    }
    throw new Error("the run's stream ended before the run did");
  }
}

export function runRoutine(
  { coordination }: TestClient,
  request: Parameters<Client<typeof CoordinationService>["runRoutine"]>[0],
  trace?: TraceContext,
): FollowedRun {
  return new FollowedRun(coordination.runRoutine(request, { trace }));
}

type Operation = MeterItem["operation"];
type OperationInit = { readonly case: NonNullable<Operation["case"]>; readonly value: object };

/** A worker's Meter stream: one promise per item. */
export class TestWorker {
  readonly notices: MeterNotice[] = [];
  readonly #connection: Connection;
  readonly #stream: ReturnType<Client<typeof MeterService>["meter"]>;
  readonly #waiting = new Map<number, (answer: MeterAnswer) => void>();
  #itemId = 0;

  constructor(address: string) {
    this.#connection = connect({ address, clock: systemClock });
    this.#stream = this.#connection.client(MeterService).meter();
    this.#stream.onMessage(({ answers, notices }) => {
      this.notices.push(...notices);
      for (const answer of answers) {
        this.#waiting.get(answer.itemId)?.(answer);
        this.#waiting.delete(answer.itemId);
      }
    });
    this.#stream.onEnd(() => undefined);
  }

  send(operation: OperationInit): Promise<MeterAnswer["result"]> {
    this.#itemId += 1;
    const itemId = this.#itemId;
    return new Promise((resolve) => {
      this.#waiting.set(itemId, ({ result }) => resolve(result));
      this.#stream.send({ items: [{ itemId, operation: operation as never }] });
    });
  }

  /** Several items in one message. */
  sendAll(operations: readonly OperationInit[]): Promise<MeterAnswer["result"]>[] {
    const items = operations.map((operation) => {
      this.#itemId += 1;
      return { itemId: this.#itemId, operation: operation as never };
    });
    const answers = items.map(
      ({ itemId }) =>
        new Promise<MeterAnswer["result"]>((resolve) => {
          this.#waiting.set(itemId, ({ result }) => resolve(result));
        }),
    );
    this.#stream.send({ items });
    return answers;
  }

  attach({ allocationId, token }: Pick<WorkerReady, "allocationId" | "token">) {
    return this.send({ case: "attach", value: { allocationId, token } });
  }

  close(): void {
    this.#stream.close();
    this.#connection.close();
  }
}
