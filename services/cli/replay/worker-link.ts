/**
 * One worker of a replay: its allocation, where it is attached, and the one thing it asks. What got no answer is asked again wherever it
 * is attached next: the same request_id answers with the same hold, and the same cost settles it once.
 */
import { FaultError } from "#errors";
import type { MeterAnswer } from "#gen/bursar/v1/meter_service_pb.js";
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import { fromStatusMessage } from "#rpc";
import { isPassing, type PassingError } from "../run/passing-error.ts";
import type { MeterOperation, MeterSession } from "./meter-session.ts";

/** The call for a worker, as far as it is needed. */
export type WorkerCall = Pick<WorkerReady, "allocationId" | "token" | "address">;

export interface WorkerLinkOptions {
  readonly sessionAt: (address: string) => MeterSession;
  /** Calls `again` after a pause that grows with the attempt, from 0; answers what calls it off. */
  readonly later: (why: PassingError, attempt: number, again: () => void) => () => void;
  /** It is not attached, or what it asks has to wait. */
  readonly onTrouble: (link: WorkerLink, why: unknown) => void;
  /** It is attached, and what it asks is answered. */
  readonly onWell: (link: WorkerLink) => void;
  /** The first time that it presented its token, it was refused. */
  readonly onRefused: (why: unknown) => void;
}

interface Asking {
  readonly operation: MeterOperation;
  readonly take: (answer: MeterAnswer) => void;
}

/** An answer that says: later. */
interface Deferred {
  readonly answer: MeterAnswer;
  readonly cancel: () => void;
}

export class WorkerLink {
  readonly #options: WorkerLinkOptions;
  #call: WorkerCall;
  /** Where it is attached, or is about to be. */
  #session: MeterSession | undefined;
  #wasAttached = false;
  #asking: Asking | undefined;
  #deferred: Deferred | undefined;
  #attempt = 0;

  constructor(call: WorkerCall, options: WorkerLinkOptions) {
    this.#call = call;
    this.#options = options;
  }

  get allocationId(): string {
    return this.#call.allocationId;
  }

  get address(): string {
    return this.#call.address;
  }

  get isConnected(): boolean {
    return this.#session !== undefined;
  }

  isOn(session: MeterSession): boolean {
    return this.#session === session;
  }

  /** Asks one thing at a time. The answer is that of the last time it was asked; the end of the work is told again after a loss. */
  send(operation: MeterOperation, take: (answer: MeterAnswer) => void): void {
    this.#asking = { operation, take };
    this.#put();
  }

  /** Presents the token where the worker was called to, and what it asks right behind it. */
  connect(): void {
    const { allocationId, token, address } = this.#call;
    const session = this.#options.sessionAt(address);
    this.#callOff();
    this.#session = session;
    session.send({ case: "attach", value: { allocationId, token } }, ({ result }) => {
      if (this.#session === session) this.#onAttached(result);
    });
    this.#put();
  }

  /** The worker is called again: at another address perhaps, by an execution daemon that has started again. */
  called(call: WorkerCall): void {
    const isThere = this.#session !== undefined && call.address === this.#call.address;
    this.#call = call;
    if (!isThere) this.connect();
  }

  /** The stream it is attached to is lost. */
  lost(why: unknown): void {
    this.#session = undefined;
    this.#callOff();
    this.#options.onTrouble(this, why);
  }

  /** Asks nothing more. */
  leave(): void {
    this.#session = undefined;
    this.#callOff();
  }

  /** Gives up waiting for a better answer than "later", where there is one: it is the answer then. False: it is not attached. */
  settleForLess(): boolean {
    if (this.#session === undefined) return false;
    const { answer } = this.#deferred ?? {};
    this.#callOff();
    if (answer) this.#answered(answer);
    return true;
  }

  #onAttached(result: MeterAnswer["result"]): void {
    if (result.case !== "error") {
      this.#wasAttached = true;
      if (this.#asking === undefined) this.#well();
      return;
    }
    const why = fromStatusMessage(result.value);
    // Whoever was attached before is not known there (yet), or no longer; the daemon that knows it calls it again.
    if (this.#wasAttached) this.lost(why);
    else this.#options.onRefused(why);
  }

  #put(): void {
    const [session, asking] = [this.#session, this.#asking];
    if (session === undefined || asking === undefined) return;
    session.send(asking.operation, (answer) => {
      if (this.#session === session && this.#asking === asking) this.#take(answer);
    });
  }

  #take(answer: MeterAnswer): void {
    const why = laterOf(answer);
    if (why === undefined) {
      this.#answered(answer);
      return;
    }
    const cancel = this.#options.later(why, this.#attempt, () => {
      this.#deferred = undefined;
      this.#put();
    });
    this.#attempt += 1;
    this.#deferred = { answer, cancel };
    this.#options.onTrouble(this, why);
  }

  #answered(answer: MeterAnswer): void {
    const asked = this.#asking;
    // An execution daemon that dies before it has written that the work is done has to be told again.
    const isEnd = asked?.operation.case === "complete" && answer.result.case !== "error";
    this.#asking = isEnd ? { operation: asked.operation, take: () => undefined } : undefined;
    this.#well();
    asked?.take(answer);
  }

  #well(): void {
    this.#attempt = 0;
    this.#options.onWell(this);
  }

  #callOff(): void {
    this.#deferred?.cancel();
    this.#deferred = undefined;
  }
}

/** Why the same request may be answered otherwise later; undefined when this answer counts. A lack of budget is an answer. */
function laterOf({ result }: MeterAnswer): PassingError | undefined {
  if (result.case !== "error") return undefined;
  const error = fromStatusMessage(result.value);
  if (error instanceof FaultError && error.error.category === "RESOURCE") return undefined;
  return isPassing(error) ? error : undefined;
}
