/** A worker's line to the daemon that meters it: attaches, asks, and asks again over lost streams. */

import { type MeterOperation, MeterSession } from "../../../services/cli/replay/meter-session.ts";
import type { MeterAnswer } from "../../../shared/gen/bursar/v1/meter_service_pb.js";
import { MeterService } from "../../../shared/gen/bursar/v1/meter_service_pb.js";
import type { WorkerReady } from "../../../shared/gen/bursar/v1/run_pb.js";
import type { VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import type { Network } from "../network/network.ts";
import type { Chance } from "../world/chance.ts";

export type MeterResult = MeterAnswer["result"];

export interface MeterLineOptions {
  readonly network: Network;
  readonly process: VirtualProcess;
  readonly chance: Chance;
  /** The worker's own address. */
  readonly from: string;
  readonly ready: Pick<WorkerReady, "allocationId" | "token" | "address">;
}

/** Attempts before a worker gives a request up. */
const ATTEMPTS_MAX = 40;
const ANSWER_WITHIN_MS = 8_000;

export class MeterLine {
  readonly #options: MeterLineOptions;
  #session: MeterSession | undefined;
  #attached = false;
  #onLost: () => void = () => undefined;

  constructor(options: MeterLineOptions) {
    this.#options = options;
  }

  /** The answer, or undefined when none could be had. The same operation may have been sent several times. */
  async ask(operation: MeterOperation): Promise<MeterResult | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
      if (!this.#attached) {
        const answer = await this.#once({ case: "attach", value: this.#options.ready });
        if (answer?.case === "error") return answer;
        this.#attached = answer !== undefined;
      }
      const answer = this.#attached ? await this.#once(operation) : undefined;
      if (answer) return answer;
      this.hangUp();
      await this.pause(this.#options.chance.between(50, 1_500));
    }
    return undefined;
  }

  /** Sends without waiting for an answer. */
  tell(operation: MeterOperation): void {
    if (this.#attached) this.#session?.send(operation, () => undefined);
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#options.process.after(ms, resolve));
  }

  hangUp(): void {
    this.#session?.close();
    this.#session = undefined;
    this.#attached = false;
  }

  #once(operation: MeterOperation): Promise<MeterResult | undefined> {
    const { process } = this.#options;
    const session = this.#session ?? this.#open();
    return new Promise((resolve) => {
      const cancel = process.after(ANSWER_WITHIN_MS, () => resolve(undefined));
      this.#onLost = () => {
        cancel();
        resolve(undefined);
      };
      session.send(operation, ({ result }) => {
        cancel();
        resolve(result);
      });
    });
  }

  #open(): MeterSession {
    const { network, process, from, ready } = this.#options;
    const connection = network.connector(from, process)(ready.address);
    const session: MeterSession = new MeterSession({
      meter: connection.client(MeterService),
      clock: process,
      signal: new AbortController().signal,
      onLost: () => {
        if (this.#session !== session) return;
        this.#session = undefined;
        this.#attached = false;
        this.#onLost();
      },
    });
    this.#session = session;
    return session;
  }
}
