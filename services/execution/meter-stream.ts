/**
 * One Meter stream: items in, answers out. The items of a message are decided together and answered together; a reserve on a pooled
 * allocation that must wait for a top-up is answered when it is decided, in its own order per allocation.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { Message, Outcome } from "#budget";
import { amountsToProto, type MeterOperation, meterAnswerOf, parseMeterItem } from "#codec";
import type { DaemonBase } from "#daemon";
import { invalidArgument, RefusalError } from "#errors";
import {
  type MeterAnswerSchema,
  type MeterNoticeSchema,
  type MeterRequest,
  MeterResponseSchema,
} from "#gen/bursar/v1/meter_service_pb.js";
import { PreemptionMode } from "#gen/bursar/v1/preemption_service_pb.js";
import type { ItemError, LowBudget, Span } from "#ports";
import { type DuplexStream, toStatusMessage } from "#rpc";
import { LIMITS } from "#std";
import { type CommandInput, errorOfRefusal, traceRefusal } from "#tier";
import type { LowBudgets } from "./low-budgets.ts";
import type { StepRegistry } from "./step-registry.ts";
import type { StepWork } from "./step-work.ts";
import type { ReserveAnswer, ReserveInput, TopUps } from "./top-up.ts";

type Answer = MessageInitShape<typeof MeterAnswerSchema>;
type Notice = MessageInitShape<typeof MeterNoticeSchema>;

export interface MeterParts {
  readonly base: DaemonBase;
  readonly steps: StepRegistry;
  readonly topUps: TopUps;
  readonly lowBudgets: LowBudgets;
}

interface Decided {
  readonly itemId: number;
  readonly command: CommandInput;
  readonly step: StepWork;
  readonly span: Span | undefined;
}

export class MeterStream {
  readonly #parts: MeterParts;
  readonly #stream: DuplexStream<MeterRequest, MessageInitShape<typeof MeterResponseSchema>>;
  readonly #attached = new Map<string, StepWork>();

  constructor(parts: MeterParts, stream: DuplexStream<MeterRequest, MessageInitShape<typeof MeterResponseSchema>>) {
    this.#parts = parts;
    this.#stream = stream;
    const unsubscribe = parts.base.loop.subscribe((message) => this.#onMessage(message));
    const deafen = parts.lowBudgets.subscribe((allocationId, low) => this.#onLowBudget(allocationId, low));
    stream.onMessage((message) => this.#take(message));
    stream.onEnd(() => {
      unsubscribe();
      deafen();
      for (const step of this.#attached.values()) step.worker?.detached();
      this.#attached.clear();
      stream.close();
    });
    stream.onDrain(() => stream.resume());
  }

  #take(message: MeterRequest): void {
    if (message.items.length > LIMITS.streamItemsMax) {
      const description = `has ${message.items.length} items; at most ${LIMITS.streamItemsMax} go into one message`;
      this.#stream.close(new RefusalError(invalidArgument([{ field: "items", description }])));
      return;
    }
    const answers: Answer[] = [];
    const decided: Decided[] = [];
    for (const item of message.items) {
      const parsed = parseMeterItem(item);
      const { itemId } = item;
      if (!parsed.ok) answers.push(this.#refused(itemId, new RefusalError(invalidArgument(parsed.violations))));
      else this.#sort(itemId, parsed.value, answers, decided);
    }
    if (decided.length === 0) {
      this.#send(answers);
      return;
    }
    const commands = decided.map(({ command }) => command);
    const ahead = new Set<Outcome>();
    const done = (outcomes: readonly Outcome[]): void => {
      for (const [index, one] of decided.entries()) {
        const outcome = outcomes[index];
        if (outcome && !ahead.has(outcome)) this.#onOutcome(one, outcome, answers);
      }
      this.#send(answers);
    };
    this.#parts.base.loop.submitAll(commands, done, (outcomes, covered) => {
      if (!outcomes.some((outcome) => covered.has(outcome))) return;
      // With what needed no decision: an attach is answered before what came behind it.
      const now = answers.splice(0);
      for (const [index, one] of decided.entries()) {
        const outcome = outcomes[index];
        if (!outcome || !covered.has(outcome)) continue;
        ahead.add(outcome);
        now.push(this.#answerOf(one, { outcome }));
      }
      this.#send(now);
    });
  }

  /** What needs the loop goes to `decided`; the rest is answered here. */
  #sort(itemId: number, operation: MeterOperation, answers: Answer[], decided: Decided[]): void {
    if (operation.type === "attach") {
      answers.push(this.#attach(itemId, operation.allocationId, operation.token));
      return;
    }
    const step = this.#attached.get(operation.allocationId);
    if (!step) {
      const message = `attach to ${operation.allocationId} with its token before anything else`;
      answers.push(this.#refused(itemId, new RefusalError({ reason: "NOT_PERMITTED", message })));
      return;
    }
    if (operation.type === "complete") {
      step.worker?.complete(operation);
      answers.push({ itemId, result: { case: "done", value: {} } });
      return;
    }
    decided.push({ itemId, step, span: this.#spanOf(operation, step), command: this.#commandOf(operation) });
  }

  #commandOf(operation: Exclude<MeterOperation, { type: "attach" | "complete" }>): CommandInput {
    // Field by field: to copy all but the trace is slow, and this is on the way of every call.
    if (operation.type === "reserve") {
      const { type, requestId, allocationId, what, name, wanted, min, ttlMs } = operation;
      return { type, requestId, allocationId, holdId: this.#parts.base.ids.newId(), what, name, wanted, min, ttlMs };
    }
    if (operation.type === "settle") {
      const { type, allocationId, holdId, credits, toolCalls, final } = operation;
      const { networkBytes, diskBytes, gpuMs, memoryPeakBytes } = operation;
      return { type, allocationId, holdId, credits, toolCalls, final, networkBytes, diskBytes, gpuMs, memoryPeakBytes };
    }
    return operation;
  }

  #spanOf(operation: MeterOperation, step: StepWork): Span | undefined {
    const { telemetry } = this.#parts.base;
    if (!telemetry.enabled || (operation.type !== "reserve" && operation.type !== "settle")) return undefined;
    const attributes = { "bursar.path": step.path };
    return telemetry.startSpan({ name: `bursar.${operation.type}`, parent: operation.trace ?? step.trace, attributes });
  }

  #attach(itemId: number, allocationId: string, token: string): Answer {
    const step = this.#parts.steps.get(allocationId);
    // The same answer for an unknown allocation and a wrong token: neither is told to a stranger.
    if (!step?.isToken(token)) {
      const { log } = this.#parts.base;
      log.warn({ allocationId }, "a worker presented a wrong token");
      const message = `the token does not open ${allocationId} here; use the one from WorkerReady, at its address`;
      return this.#refused(itemId, new RefusalError({ reason: "NOT_PERMITTED", message }));
    }
    if (!this.#attached.has(allocationId)) step.worker?.attached();
    this.#attached.set(allocationId, step);
    return { itemId, result: { case: "done", value: {} } };
  }

  #onOutcome(decided: Decided, outcome: Outcome, answers: Answer[]): void {
    const { command, step } = decided;
    if (command.type !== "reserve" || step.pooled.length === 0) {
      answers.push(this.#answerOf(decided, { outcome }));
      return;
    }
    let now = true;
    const done = (answer: ReserveAnswer) => {
      const message = this.#answerOf(decided, answer);
      if (now) answers.push(message);
      else this.#send([message]);
    };
    this.#parts.topUps.settleOrAsk({ reserve: command as ReserveInput, outcome, pooled: step.pooled, done });
    now = false;
  }

  #answerOf({ itemId, command, span }: Decided, answer: ReserveAnswer): Answer {
    const requestId = "requestId" in command ? command.requestId : "";
    const { base } = this.#parts;
    if ("error" in answer) {
      traceRefusal(span, requestId, answer.error);
      span?.end({ error: answer.error.message });
      return this.#refused(itemId, answer.error);
    }
    const { outcome } = answer;
    if (outcome.type === "refused") {
      const error = errorOfRefusal(outcome.refusal, { tier: "execution", errorId: base.ids.newId(), onOwn: true });
      traceRefusal(span, requestId, error);
      span?.end({ error: error.message });
      return this.#refused(itemId, error);
    }
    span?.end();
    return { itemId, result: meterAnswerOf(outcome, base.loop.nowMs()) };
  }

  #refused(itemId: number, error: ItemError): Answer {
    return { itemId, result: { case: "error", value: toStatusMessage(error) } };
  }

  #onMessage(message: Message): void {
    if (message.type === "closing" && this.#attached.has(message.allocationId)) {
      const { allocationId, reason, stop } = message;
      this.#notify({ allocationId, notice: { case: "closing", value: { reason, graceMs: stop?.graceMs ?? 0 } } });
    }
    if (message.type === "paused" && this.#attached.has(message.allocationId)) {
      const { allocationId, reason } = message;
      this.#notify({ allocationId, notice: { case: "preempted", value: { reason, mode: PreemptionMode.PAUSE } } });
    }
    if (message.type === "resumed" && this.#attached.has(message.allocationId)) {
      this.#notify({ allocationId: message.allocationId, notice: { case: "resumed", value: {} } });
    }
    if (message.type === "reclaim_progress" && this.#attached.has(message.allocationId)) {
      const { allocationId, reclaimed } = message;
      this.#notify({
        allocationId,
        notice: { case: "preempted", value: { reclaimed: amountsToProto(reclaimed), reason: message.preemptionId } },
      });
    }
  }

  #onLowBudget(allocationId: string, { path, resource, percent, available }: LowBudget): void {
    if (!this.#attached.has(allocationId)) return;
    const left = BigInt(available);
    const [name, availableCredits] = resource === "credits" ? ["credits", left] : ["tool_calls", 0n];
    const value = { resource: name, percent, path, available: left, availableCredits };
    this.#notify({ allocationId, notice: { case: "lowBudget", value } });
  }

  #notify(notice: Notice): void {
    this.#stream.send(create(MeterResponseSchema, { notices: [notice] }));
  }

  #send(answers: readonly Answer[]): void {
    if (answers.length === 0) return;
    // A worker that does not read is not read from either, until it does.
    if (!this.#stream.send(create(MeterResponseSchema, { answers: [...answers] }))) this.#stream.pause();
  }
}
