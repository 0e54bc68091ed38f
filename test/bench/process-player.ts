/**
 * A process daemon as coordination sees one, played by the bench: it serves ProcessService, keeps the one run it is given open, and
 * asks for grants beside that run on StreamGrants as fast as they are decided.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { AllocationKind, AllocationState, ExecutionPriority } from "#gen/bursar/v1/allocation_pb.js";
import {
  BudgetService,
  GrantOutcome,
  StreamGrantsRequestSchema,
  type StreamGrantsResponse,
  StreamUsageRequestSchema,
  type StreamUsageResponse,
} from "#gen/bursar/v1/budget_service_pb.js";
import { ProcessService } from "#gen/bursar/v1/process_service_pb.js";
import { bind, type Connection, connect, type DuplexStream, type GrpcServer, startGrpcServer } from "#rpc";
import { systemClock, systemIds } from "#tier";
import { failBench } from "./lost-stream.ts";
import { SendWindow } from "./send-window.ts";
import { type BenchSwarm, openSwarm } from "./swarm.ts";

/** Grant requests to a message, and under way at a time. */
const BATCH_ITEMS = 100;
const ITEMS_IN_FLIGHT = 16_000;
/** Final reports to a message, and under way at a time. */
const REPORTS = 1_000;
const REPORTS_IN_FLIGHT = 8_000;

type Request = MessageInitShape<typeof StreamGrantsRequestSchema>;
type Reports = MessageInitShape<typeof StreamUsageRequestSchema>;

/** What a report says of an allocation of which nothing was used. */
interface Standing {
  readonly allocationId: string;
  readonly state: AllocationState;
  readonly final: boolean;
}

export class ProcessPlayer {
  readonly #connection: Connection;
  readonly #grants: DuplexStream<StreamGrantsResponse, Request>;
  readonly #usage: DuplexStream<StreamUsageResponse, Reports>;
  readonly #asking = new SendWindow({
    itemsInFlight: ITEMS_IN_FLIGHT,
    batchItems: BATCH_ITEMS,
    send: (items) => this.#ask(items),
  });
  readonly #closing = new SendWindow({
    itemsInFlight: REPORTS_IN_FLIGHT,
    batchItems: REPORTS,
    send: (items) => this.#report(items),
  });
  readonly #welcomed = Promise.withResolvers<void>();
  #server: GrpcServer | undefined;
  #swarm: BenchSwarm | undefined;
  /** Granted and not closed yet. */
  #open: string[] = [];
  #runId = "";
  #reports = 0n;
  #requests = 0;

  /** Joins the coordination daemon at `address`, which must know the account of swarm.ts. */
  static async join(address: string): Promise<ProcessPlayer> {
    const player = new ProcessPlayer(connect({ address, clock: systemClock }));
    await player.#join();
    return player;
  }

  private constructor(connection: Connection) {
    this.#connection = connection;
    const client = connection.client(BudgetService);
    this.#grants = client.streamGrants();
    this.#usage = client.streamUsage();
    this.#grants.onMessage((message) => this.#onGrants(message));
    this.#usage.onMessage((message) => this.#onUsage(message));
    for (const stream of [this.#grants, this.#usage]) stream.onEnd(failBench);
  }

  /** Decisions per second, every one of them a grant in full. */
  grantsPerSecond(time: { readonly warmUpMs: number; readonly durationMs: number }): Promise<number> {
    this.#send([{ allocationId: this.#runId, state: AllocationState.OPEN, final: false }]);
    return this.#asking.rate(time);
  }

  /** Closes what was granted, so that the next measurement begins with as little as this one. */
  async closeAll(): Promise<void> {
    await this.#closing.sendAll(this.#open.length);
  }

  async leave(): Promise<void> {
    this.#grants.close();
    this.#usage.close();
    this.#connection.close();
    await this.#server?.drain(0);
  }

  async #join(): Promise<void> {
    const taken = Promise.withResolvers<string>();
    const service = bind(ProcessService, {
      executeRoutines: (stream) => {
        stream.onEnd(() => stream.close());
        stream.onMessage(({ orders: [order] }) => {
          if (order) taken.resolve(order.grant?.allocationId ?? "");
        });
      },
    });
    const onError = ({ error }: { readonly error: unknown }) => taken.reject(error);
    this.#server = await startGrpcServer({
      listen: "127.0.0.1:0",
      allowInsecure: false,
      services: [service],
      clock: systemClock,
      onError,
    });
    const hello = {
      instance: "bench-process",
      incarnation: systemIds.newId(),
      journalId: systemIds.newId(),
      address: this.#server.address,
      tier: "process",
    };
    this.#grants.send({ hello });
    this.#usage.send({ hello });
    await this.#welcomed.promise;
    this.#swarm = await openSwarm(this.#connection);
    const step = { name: "step", work: { case: "worker", value: { kind: "bench" } } } as const;
    const events = this.#swarm.run({ name: "run", limits: { maxCredits: 1_000n }, steps: [step] });
    void events[Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => taken.reject(error));
    this.#runId = await taken.promise;
  }

  #ask(items: number): void {
    const parentAllocationId = this.#swarm?.swarmId ?? "";
    const requests = Array.from({ length: items }, () => {
      this.#requests += 1;
      return {
        requestId: `019342c8-0000-7000-8000-${String(this.#requests).padStart(12, "0")}`,
        parentAllocationId,
        name: "asked",
        kind: AllocationKind.RUN,
        limits: { maxCredits: 1n },
        priority: ExecutionPriority.NORMAL,
      };
    });
    this.#grants.send(create(StreamGrantsRequestSchema, { requests }));
  }

  /** Final reports of the latest grants. */
  #report(items: number): void {
    const closed = { state: AllocationState.CLOSED, final: true } as const;
    this.#send(this.#open.splice(-items).map((allocationId) => ({ allocationId, ...closed })));
  }

  /** Also renews the lease of what goes on. */
  #send(reports: readonly Standing[]): void {
    this.#reports += 1n;
    const common = { epoch: 1n, sequence: this.#reports, usage: {}, returnedTotal: {} };
    this.#usage.send(
      create(StreamUsageRequestSchema, { reports: reports.map((report) => ({ ...report, ...common })) }),
    );
  }

  #onGrants({ welcome, decisions }: StreamGrantsResponse): void {
    if (welcome !== undefined) {
      this.#usage.send(create(StreamUsageRequestSchema, { welcomeId: welcome.welcomeId }));
      this.#welcomed.resolve();
    }
    for (const { outcome, grant, error } of decisions) {
      if (outcome === GrantOutcome.FULL && grant !== undefined) this.#open.push(grant.allocationId);
      else throw new Error(`a grant was answered with ${outcome}: ${error?.message}`);
    }
    if (decisions.length > 0) this.#asking.answered(decisions.length);
  }

  #onUsage({ acknowledgements }: StreamUsageResponse): void {
    const refused = acknowledgements.find(({ error }) => error !== undefined);
    if (refused) throw new Error(`a final report was refused: ${refused.error?.message}`);
    this.#closing.answered(acknowledgements.filter(({ final }) => final).length);
  }
}
