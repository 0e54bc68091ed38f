/** The simulated network: hosts that serve, calls between them, and everything that can go wrong on the way. */
import { Metadata } from "@grpc/grpc-js";
import type { Refusal } from "#errors";
import type { Connection, ServiceBinding } from "#rpc";
import type { Prng } from "#std";
import type { CallFailure } from "../../../shared/rpc/call-runtime.ts";
import { connectOver } from "../../../shared/rpc/grpc-client.ts";
import { toGrpcService } from "../../../shared/rpc/grpc-service.ts";
import { OpenCalls } from "../../../shared/rpc/open-calls.ts";
import type { CallContext } from "../../../shared/rpc/service-handlers.ts";
import type { VirtualClock, VirtualProcess } from "../../../shared/tier/testing/virtual-clock.ts";
import { Call, type CallOrder, type ServedMethod } from "./call.ts";
import { channelOf } from "./channel.ts";
import type { Status } from "./ends.ts";
import { FAIR, Route, type Weather } from "./route.ts";

/** A message that was handed to the network. */
export interface Carried {
  readonly call: Call;
  /** From the caller to the server. */
  readonly up: boolean;
  readonly bytes: Buffer;
}

export interface Host {
  readonly process: VirtualProcess;
  readonly methods: ReadonlyMap<string, ServedMethod>;
}

export interface ListenOptions {
  readonly address: string;
  readonly process: VirtualProcess;
  readonly services: readonly ServiceBinding[];
  readonly admit: (method: string, context: CallContext) => Refusal | undefined;
  readonly onError: (failure: CallFailure) => void;
}

export interface NetworkOptions {
  readonly clock: VirtualClock;
  readonly prng: Prng;
  readonly onCarried: (carried: Carried) => void;
  /** Told in words how a server ended a call. */
  readonly onEnded: (words: string) => void;
}

export class Network {
  readonly clock: VirtualClock;
  readonly prng: Prng;
  readonly #onCarried: (carried: Carried) => void;
  readonly #onEnded: (words: string) => void;
  readonly #hosts = new Map<string, Host>();
  readonly #routes = new Map<string, Route>();
  readonly #calls = new Set<Call>();
  /** The weather of routes that are not known yet. */
  #weather: Weather = FAIR;

  constructor({ clock, prng, onCarried, onEnded }: NetworkOptions) {
    this.clock = clock;
    this.prng = prng;
    this.#onCarried = onCarried;
    this.#onEnded = onEnded;
  }

  /** A server has ended a call. */
  ended({ order }: Call, { code, details }: Status): void {
    this.#onEnded(`${this.clock.monotonicMs()} ${order.to}>${order.from} ${order.path} ends with ${code} ${details}`);
  }

  carried(carried: Carried): void {
    this.#onCarried(carried);
  }

  hostAt(address: string): Host | undefined {
    return this.#hosts.get(address);
  }

  get calls(): readonly Call[] {
    return [...this.#calls];
  }

  route(from: string, to: string): Route {
    const key = `${from}>${to}`;
    const known = this.#routes.get(key);
    if (known) return known;
    const route = new Route(this.prng.fork(key));
    route.weather = this.#weather;
    this.#routes.set(key, route);
    return route;
  }

  /** The weather on every way between hosts. */
  setWeather(weather: Weather): void {
    this.#weather = weather;
    for (const route of this.#routes.values()) route.weather = weather;
  }

  listen({ address, process, services, admit, onError }: ListenOptions): void {
    const methods = new Map<string, ServedMethod>();
    const runtime = { clock: process, calls: new OpenCalls(), admit, onError };
    for (const service of services) {
      const { implementation } = toGrpcService(service, runtime);
      for (const [localName, { name, methodKind }] of Object.entries(service.descriptor.method)) {
        const made = implementation[localName] as unknown as ServedMethod["implementation"];
        methods.set(`/${service.descriptor.typeName}/${name}`, { methodKind, implementation: made });
      }
    }
    this.#hosts.set(address, { process, methods });
  }

  /** Connections of a process that lives at `from`. */
  connector(from: string, process: VirtualProcess): (address: string) => Connection {
    return (to) => connectOver(channelOf(this, { from, to, process }), { address: to, clock: process });
  }

  open(order: Omit<CallOrder, "emptyMetadata">): Call {
    const call = new Call(this, { ...order, emptyMetadata: () => new Metadata() });
    this.#calls.add(call);
    if (this.#isCut(order.from, order.to)) this.#giveUp(call, 5_000);
    return call;
  }

  forget(call: Call): void {
    this.#calls.delete(call);
  }

  /** The process is gone; whoever has a call with it learns soon, or after a while when its whole machine is gone. */
  vanish(process: VirtualProcess, learnWithinMs: number): void {
    for (const [address, host] of this.#hosts) if (host.process === process) this.#hosts.delete(address);
    for (const call of this.#calls) if (call.isOf(process)) this.lose(call, learnWithinMs);
  }

  lose(call: Call, learnWithinMs: number): void {
    const after = () => this.prng.below(learnWithinMs + 1);
    call.lose({ clientAfterMs: after(), serverAfterMs: after() });
  }

  /** Nothing passes from `from` to `to`. Calls that stay cut off are given up by both sides, each after its own time. */
  cut(from: string, to: string): void {
    this.route(from, to).cut();
    for (const call of this.#calls) if (call.isBetween(from, to)) this.#giveUp(call, 15_000);
  }

  heal(from: string, to: string): void {
    this.route(from, to).heal();
  }

  healAll(): void {
    for (const route of this.#routes.values()) route.heal();
    this.setWeather(FAIR);
  }

  #isCut(a: string, b: string): boolean {
    return this.route(a, b).isCut || this.route(b, a).isCut;
  }

  #giveUp(call: Call, withinMs: number): void {
    const { from, to } = call.order;
    this.clock.after(this.prng.below(withinMs), () => {
      if (this.#calls.has(call) && this.#isCut(from, to)) this.lose(call, withinMs);
    });
  }
}
