/**
 * The workers of a replay, one stream per execution daemon. When a stream is lost its workers attach again, at the same address or at the
 * one they are called to. That is waited for a bounded time; so is an execution daemon that may not spend yet.
 */
import type { MeterNotice, MeterService } from "#gen/bursar/v1/meter_service_pb.js";
import type { Clock, IdSource } from "#ports";
import type { Client } from "#rpc";
import { LIMITS } from "#std";
import { CommandError } from "../command-error.ts";
import { EXIT } from "../exit-code.ts";
import { failureText } from "../failure-lines.ts";
import { isPassing, retryDelayMs } from "../run/passing-error.ts";
import { count } from "../view/amounts.ts";
import { MeterSession } from "./meter-session.ts";
import { type WorkerCall, WorkerLink, type WorkerLinkOptions } from "./worker-link.ts";

export interface WorkerLinksOptions {
  readonly meterAt: (address: string) => Client<typeof MeterService>;
  readonly clock: Clock;
  readonly ids: Pick<IdSource, "fraction">;
  /** Once aborted nothing is waited for: what is lost is lost. */
  readonly hurry: AbortSignal;
  /** Aborting it cancels the streams. */
  readonly signal: AbortSignal;
  /** Called after the answers of one message have been handed out, before anything is sent because of them. */
  readonly onAnswered?: () => void;
  readonly onNotice?: (notice: MeterNotice) => void;
  /** Told once for each time of waiting: where, and what is in the way. */
  readonly onWaiting?: (address: string, why: unknown) => void;
  /** Nothing is waited for any more. */
  readonly onBack?: () => void;
  /** Told once: it was waited for in vain, and no worker gets an answer any more. */
  readonly onLost: (failure: unknown) => void;
  /** Told instead when the run has ended meanwhile. */
  readonly onRunOver: (why: unknown) => void;
  /** Default LIMITS.replayPatienceMs. */
  readonly patienceMs?: number;
}

interface Trouble {
  readonly sinceMs: number;
  readonly why: unknown;
}

export class WorkerLinks {
  readonly links: readonly WorkerLink[];
  readonly #options: WorkerLinksOptions;
  readonly #patienceMs: number;
  readonly #meters = new Map<string, Client<typeof MeterService>>();
  readonly #sessions = new Map<string, MeterSession>();
  /** Attempts to open a stream since one last carried an answer, by address. */
  readonly #attempts = new Map<string, number>();
  /** What calls off the next attempt, by address. */
  readonly #redials = new Map<string, () => void>();
  /** Who waits, and since when, the longest first. */
  readonly #troubles = new Map<WorkerLink, Trouble>();
  readonly #attached = Promise.withResolvers<void>();
  readonly #unattached: Set<WorkerLink>;
  #cancelTimer: () => void = () => undefined;
  #over = false;
  #runIsOver: { readonly why: unknown } | undefined;

  constructor(calls: readonly WorkerCall[], options: WorkerLinksOptions) {
    this.#options = options;
    this.#patienceMs = options.patienceMs ?? LIMITS.replayPatienceMs;
    const { clock, ids } = options;
    const linkOptions: WorkerLinkOptions = {
      sessionAt: (address) => this.#sessionAt(address),
      later: (why, attempt, again) => clock.after(retryDelayMs(why, { attempt, ids }), again),
      onTrouble: (link, why) => this.#trouble(link, why),
      onWell: (link) => this.#well(link),
      onRefused: (why) => this.#giveUp(why),
    };
    this.links = calls.map((call) => new WorkerLink(call, linkOptions));
    this.#unattached = new Set(this.links);
    options.hurry.addEventListener("abort", this.#onHurry, { once: true });
  }

  /** Attaches every worker. Rejects when one is refused, or when it took too long. */
  attach(): Promise<void> {
    for (const link of this.links) link.connect();
    return this.#attached.promise;
  }

  /** A worker is called again. */
  called(call: WorkerCall): void {
    if (this.#over) return;
    this.links.find(({ allocationId }) => allocationId === call.allocationId)?.called(call);
  }

  /** The run has ended, so that nobody who is lost is called again: `why` is what is told of those. */
  runOver(why: unknown): void {
    this.#runIsOver = { why };
    if (this.#troubles.size > 0) this.#giveUp(why);
  }

  /** Ends every stream; nothing is reported any more. */
  close(): void {
    this.#over = true;
    this.#cancelTimer();
    this.#options.hurry.removeEventListener("abort", this.#onHurry);
    for (const cancel of this.#redials.values()) cancel();
    for (const link of this.links) link.leave();
    for (const session of this.#sessions.values()) session.close();
    this.#sessions.clear();
  }

  #sessionAt(address: string): MeterSession {
    const known = this.#sessions.get(address);
    if (known !== undefined) return known;
    const { meterAt, clock, signal, onAnswered, onNotice } = this.#options;
    const meter = this.#meters.get(address) ?? meterAt(address);
    this.#meters.set(address, meter);
    const onLost = (why: Error): void => this.#onSessionLost(address, why);
    const opened = new MeterSession({
      meter,
      clock,
      signal,
      onLost,
      ...(onAnswered ? { onAnswered } : {}),
      ...(onNotice ? { onNotice } : {}),
    });
    this.#sessions.set(address, opened);
    return opened;
  }

  #onSessionLost(address: string, why: Error): void {
    const lost = this.#sessions.get(address);
    this.#sessions.delete(address);
    if (!isPassing(why)) {
      this.#giveUp(why);
      return;
    }
    for (const link of this.links) if (lost && link.isOn(lost)) link.lost(why);
    if (this.#over) return;
    const { clock, ids } = this.#options;
    const attempt = this.#attempts.get(address) ?? 0;
    this.#attempts.set(address, attempt + 1);
    const delayMs = retryDelayMs(why, { attempt, ids });
    this.#redials.set(
      address,
      clock.after(delayMs, () => this.#redial(address)),
    );
  }

  #redial(address: string): void {
    for (const link of this.links) if (link.address === address && !link.isConnected) link.connect();
  }

  #trouble(link: WorkerLink, why: unknown): void {
    const { clock, hurry, onWaiting } = this.#options;
    if (this.#over) return;
    const since = this.#troubles.get(link);
    this.#troubles.set(link, { sinceMs: since?.sinceMs ?? clock.monotonicMs(), why });
    if (this.#runIsOver) this.#giveUp(this.#runIsOver.why);
    else if (hurry.aborted) this.#onHurry();
    else if (since === undefined && this.#troubles.size === 1) {
      onWaiting?.(link.address, why);
      this.#awaitOldest();
    }
  }

  #well(link: WorkerLink): void {
    if (this.#unattached.delete(link) && this.#unattached.size === 0) this.#attached.resolve();
    this.#attempts.delete(link.address);
    if (!this.#troubles.delete(link) || this.#troubles.size > 0) return;
    this.#cancelTimer();
    this.#options.onBack?.();
  }

  /** Gives up once the one that waits longest has waited long enough. */
  #awaitOldest(): void {
    const [oldest] = this.#troubles;
    if (oldest === undefined) return;
    const [{ address }, { sinceMs, why }] = oldest;
    const leftMs = sinceMs + this.#patienceMs - this.#options.clock.monotonicMs();
    if (leftMs > 0) {
      this.#cancelTimer = this.#options.clock.after(leftMs, () => this.#awaitOldest());
      return;
    }
    const who = `${count(this.#troubles.size)} of ${count(this.links.length)} workers`;
    const message = `${who} waited ${this.#patienceMs / 1_000} s in vain for the execution daemon at ${address}: ${failureText(why)}`;
    this.#giveUp(new CommandError(message, { exitCode: EXIT.unreachable, cause: why }));
  }

  /** Nobody wants to wait: who is not attached gets nothing more; who is takes "later" for an answer. */
  readonly #onHurry = (): void => {
    for (const [link, { why }] of [...this.#troubles]) {
      if (link.settleForLess()) continue;
      this.#giveUp(why);
      return;
    }
  };

  #giveUp(failure: unknown): void {
    if (this.#over) return;
    this.close();
    this.#attached.reject(failure);
    if (this.#runIsOver) this.#options.onRunOver(failure);
    else this.#options.onLost(failure);
  }
}
