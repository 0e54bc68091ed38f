/** A worker of the bench: one Meter stream, on which it reserves and settles calls of some allocations in turn. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  CallKind,
  type MeterAnswer,
  type MeterItemSchema,
  MeterRequestSchema,
  type MeterResponse,
  MeterService,
} from "#gen/bursar/v1/meter_service_pb.js";
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import type { Connection, DuplexStream } from "#rpc";
import { systemIds } from "#tier";
import { failBench } from "./lost-stream.ts";

/** One item on its way. */
export interface Call {
  readonly allocationId: string;
  readonly operation: NonNullable<MessageInitShape<typeof MeterItemSchema>["operation"]>;
}

export interface Answered {
  readonly call: Call;
  readonly result: MeterAnswer["result"];
}

/** What a call reserves at worst, and what it costs unless something else is said. */
const WANTED = { credits: 40_000n };
export const CALL_CREDITS = 10_000n;

export class MeterPlayer {
  readonly #stream: DuplexStream<MeterResponse, MessageInitShape<typeof MeterRequestSchema>>;
  readonly #underWay = new Map<number, Call>();
  readonly #takesRefusals: boolean;
  #onAnswers: (answers: readonly Answered[]) => void = () => undefined;
  #items = 0;

  /** `takesRefusals`: a refused item is an answer like another, and does not end the bench. */
  constructor(connection: Connection, { takesRefusals = false }: { readonly takesRefusals?: boolean } = {}) {
    this.#takesRefusals = takesRefusals;
    this.#stream = connection.client(MeterService).meter();
    this.#stream.onMessage((message) => this.#take(message));
    this.#stream.onEnd(failBench);
  }

  /** Who is told from now on: the answers of one message at a time. */
  onAnswers(take: (answers: readonly Answered[]) => void): void {
    this.#onAnswers = take;
  }

  /** Sends the calls in one message. */
  send(calls: readonly Call[]): void {
    const items = calls.map((call) => {
      this.#items += 1;
      this.#underWay.set(this.#items, call);
      return { itemId: this.#items, operation: call.operation };
    });
    this.#stream.send(create(MeterRequestSchema, { items }));
  }

  /** Sends the calls in one message and resolves when all are answered. */
  sendAndWait(calls: readonly Call[]): Promise<void> {
    return new Promise((resolve) => {
      let left = calls.length;
      this.onAnswers((answers) => {
        left -= answers.length;
        if (left === 0) resolve();
      });
      this.send(calls);
    });
  }

  close(): void {
    this.#onAnswers = () => undefined;
    this.#stream.close();
  }

  #take({ answers }: MeterResponse): void {
    const answered = answers.map(({ itemId, result }) => {
      const call = this.#underWay.get(itemId);
      this.#underWay.delete(itemId);
      if (call === undefined) throw new Error(`an answer to item ${itemId}, which was not sent`);
      if (result.case === "error" && !this.#takesRefusals) {
        throw new Error(`item ${itemId} was refused: ${result.value.message}`);
      }
      return { call, result };
    });
    this.#onAnswers(answered);
  }
}

export function attach({ allocationId, token }: Pick<WorkerReady, "allocationId" | "token">): Call {
  return { allocationId, operation: { case: "attach", value: { allocationId, token } } };
}

export function reserve(allocationId: string): Call {
  const call = { requestId: systemIds.newId(), allocationId, kind: CallKind.MODEL, name: "model", ttlMs: 60_000 };
  return { allocationId, operation: { case: "reserve", value: { ...call, wanted: WANTED, minAmount: WANTED } } };
}

export function settle(allocationId: string, holdId: string, credits = CALL_CREDITS): Call {
  const facts = { contextTokens: 1_000n, generatedTokens: 500n };
  const value = { allocationId, holdId, credits, final: true, facts };
  return { allocationId, operation: { case: "settle", value } };
}

export function complete({ allocationId }: Pick<WorkerReady, "allocationId">): Call {
  return { allocationId, operation: { case: "complete", value: { allocationId } } };
}
