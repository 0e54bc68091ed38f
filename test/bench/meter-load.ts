/** How the benches load Meter for throughput, and begin and end the work of many allocations. */
import type { WorkerReady } from "#gen/bursar/v1/run_pb.js";
import { type Answered, attach, type Call, complete, type MeterPlayer, reserve, settle } from "./meter-player.ts";
import { SendWindow } from "./send-window.ts";

/** Items of a message by which many allocations are begun or ended. */
const PART_ITEMS = 1_000;

export interface PackedLoadOptions {
  readonly player: MeterPlayer;
  readonly workers: readonly WorkerReady[];
  readonly itemsInFlight: number;
  readonly batchItems: number;
}

/** Reserves and settles one behind the other, many to a message. */
export class PackedLoad {
  readonly #player: MeterPlayer;
  readonly #workers: readonly WorkerReady[];
  readonly #window: SendWindow;
  #toSettle: Call[] = [];
  #turn = 0;

  constructor({ player, workers, itemsInFlight, batchItems }: PackedLoadOptions) {
    this.#player = player;
    this.#workers = workers;
    const send = (items: number): void => player.send(Array.from({ length: items }, () => this.#next()));
    this.#window = new SendWindow({ itemsInFlight, batchItems, send });
  }

  /** Operations per second; a reserve is one, a settle is one. Afterwards every call is settled. */
  async operationsPerSecond(time: { readonly warmUpMs: number; readonly durationMs: number }): Promise<number> {
    this.#player.onAnswers((answers) => this.#take(answers));
    const perSecond = await this.#window.rate(time);
    await this.#window.sendAll(this.#toSettle.length);
    return perSecond;
  }

  #next(): Call {
    const settling = this.#toSettle.pop();
    if (settling !== undefined) return settling;
    this.#turn += 1;
    return reserve(this.#workers[this.#turn % this.#workers.length]?.allocationId ?? "");
  }

  #take(answers: readonly Answered[]): void {
    this.#toSettle.push(...answers.flatMap(settleOf));
    this.#window.answered(answers.length);
  }
}

/** Attaches to all of the workers' allocations. */
export async function attachAll(player: MeterPlayer, workers: readonly WorkerReady[]): Promise<void> {
  await inParts(workers, (part) => player.sendAndWait(part.map(attach)));
}

/** Says that all of the workers have done their work. */
export async function completeAll(player: MeterPlayer, workers: readonly WorkerReady[]): Promise<void> {
  await inParts(workers, (part) => player.sendAndWait(part.map(complete)));
}

async function inParts<T>(items: readonly T[], send: (part: readonly T[]) => Promise<void>): Promise<void> {
  for (let from = 0; from < items.length; from += PART_ITEMS) await send(items.slice(from, from + PART_ITEMS));
}

function settleOf({ call, result }: Answered): Call[] {
  return result.case === "held" ? [settle(call.allocationId, result.value.holdId)] : [];
}
