/** One direction of one call: packets in order, each under way for a while, handed to the process at the other end. */
import type { VirtualClock, VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import type { Route } from "./route.ts";

export interface PipeOptions {
  readonly clock: VirtualClock;
  readonly route: Route;
  /** Undefined until somebody has taken the call. */
  readonly to: () => VirtualProcess | undefined;
}

interface Packet {
  readonly bytes: number;
  readonly deliver: () => void;
  readonly atMs: number;
}

/** Bytes that may be under way before the sender is held back. */
const WINDOW_BYTES = 64 * 1024;

export class Pipe {
  readonly #options: PipeOptions;
  readonly #packets: Packet[] = [];
  readonly #heldBack: (() => void)[] = [];
  #bytes = 0;
  #lastMs = 0;
  #moving = false;
  #severed = false;
  #closed = false;

  constructor(options: PipeOptions) {
    this.#options = options;
  }

  /** `sent` is called when there is room for more. */
  send(bytes: number, deliver: () => void, sent?: () => void): void {
    if (this.#severed) return;
    const { clock, route } = this.#options;
    this.#lastMs = Math.max(this.#lastMs, clock.monotonicMs() + route.takesMs(bytes));
    this.#packets.push({ bytes, deliver, atMs: this.#lastMs });
    this.#bytes += bytes;
    if (sent) {
      if (this.#bytes < WINDOW_BYTES) void Promise.resolve().then(sent);
      else this.#heldBack.push(sent);
    }
    this.#move();
  }

  /** What is sent from now on is lost; what is under way may still arrive. */
  sever(): void {
    this.#severed = true;
  }

  /** Nothing arrives any more. */
  close(): void {
    this.#closed = true;
    this.#severed = true;
    this.#packets.length = 0;
  }

  #move(): void {
    const head = this.#packets[0];
    if (this.#moving || !head) return;
    this.#moving = true;
    const { clock, route } = this.#options;
    if (route.isCut) route.whenHealed(() => this.#again());
    else clock.after(head.atMs - clock.monotonicMs(), () => this.#arrive());
  }

  #again(): void {
    this.#moving = false;
    this.#move();
  }

  #arrive(): void {
    const { route, to } = this.#options;
    if (this.#closed) return;
    if (route.isCut) {
      this.#again();
      return;
    }
    const packet = this.#packets.shift();
    if (packet) {
      this.#bytes -= packet.bytes;
      const receiver = to();
      if (receiver) receiver.run(packet.deliver);
      else packet.deliver();
      if (this.#bytes < WINDOW_BYTES) for (const sent of this.#heldBack.splice(0)) sent();
    }
    this.#again();
  }
}
